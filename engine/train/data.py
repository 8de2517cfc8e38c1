"""Training data in memory: pictures, mesh images and captions of a corpus, decoded once into memory-mapped files."""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.types import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from engine.text import TextEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """A corpus as arrays of N pictures. The mesh image is grey, so one channel is kept.

    With mirror, the second half are the first half's mirror images: a left hand for a right one, at a seventh
    of the cost of rendering another picture.
    """

    images: np.ndarray  # (N, H, W, 3) uint8
    meshes: np.ndarray  # (N, H, W) uint8
    rows: list[dict]  # captions, semantics, attributes
    folder: Path
    hints: dict[str, np.ndarray] = field(default_factory=dict)  # kind -> (N, H, W, 3) uint8, no mirror images

    def __len__(self) -> int:
        return len(self.rows)


def open_pictures(
    folder: str | Path,
    *,
    size: int,
    limit: int = 1_000_000,
    mirror: bool = False,
    hints: tuple[str, ...] = (),
) -> Pictures:
    """Decodes the shards of `folder` on first use; afterwards the arrays are only mapped.

    A picture of real hands may have no mesh: its mesh image is black then.
    """
    from engine.corpus.shards import count_rows, iter_rows

    folder, texts = Path(folder), ("captions", "semantics", "attributes")
    cache = cache_folder(folder, size, mirror)
    if not (cache / "rows.json").is_file():
        if not list(folder.glob("*.parquet")):
            raise UserError(f"No pictures in {folder}: run `python -m engine.corpus make` first.")
        n = count_rows(folder, limit)
        images, meshes = create_arrays(cache, n, size, mirror)
        rows = []
        for i, row in enumerate(iter_rows(folder, ("image", "mesh", *texts), limit)):
            images[i] = _resized(row["image"], size)
            if row["mesh"] is not None:
                meshes[i] = _resized(row["mesh"], size)[..., 0]  # red: the full brightness of near-white
            rows.append({key: row[key] for key in texts})
        if mirror:
            images[n:], meshes[n:] = images[:n, :, ::-1], meshes[:n, :, ::-1]
        images.flush()
        meshes.flush()
        if mirror:
            rows += [mirrored_text(row) for row in rows]
        aside = cache / "rows.json.tmp"
        aside.write_text(json.dumps(rows))
        os.replace(aside, cache / "rows.json")
        log.info("decoded %d pictures", n)
    rows = json.loads((cache / "rows.json").read_text())[:limit]
    for kind in hints:
        if not (cache / f"{kind}.npy").is_file():
            draw_hints(folder, cache, kind, size, limit)
    return Pictures(
        hints={kind: np.load(cache / f"{kind}.npy", mmap_mode="r")[:limit] for kind in hints},
        images=np.load(cache / "images.npy", mmap_mode="r")[: len(rows)],
        meshes=np.load(cache / "meshes.npy", mmap_mode="r")[: len(rows)],
        rows=rows,
        folder=folder,
    )


def draw_hints(folder: Path, cache: Path, kind: str, size: int, limit: int) -> None:
    """The hint images of a corpus's hands, drawn once: (N, H, W, 3) in `cache`/<kind>.npy."""
    from engine.corpus.shards import load_arrays
    from engine.render import render_hint
    from engine.types import from_json

    columns = load_arrays(folder, ("hands", "camera"), limit)
    aside = cache / f"{kind}.tmp.npy"
    shape = (len(columns["hands"]), size, size, 3)
    out = np.lib.format.open_memmap(aside, "w+", np.uint8, shape)
    for i, (hands, camera) in enumerate(zip(columns["hands"], columns["camera"], strict=True)):
        out[i] = render_hint(kind, from_json(hands), from_json(camera), (size, size))
    out.flush()
    os.replace(aside, cache / f"{kind}.npy")


def cache_folder(folder: Path, size: int, mirror: bool) -> Path:
    return folder / f"decoded-{size}{'-mirror' if mirror else ''}"


def create_arrays(cache: Path, count: int, size: int, mirror: bool) -> tuple[np.ndarray, np.ndarray]:
    """Empty images.npy and meshes.npy for `count` pictures and, with mirror, their mirror images."""
    cache.mkdir(parents=True, exist_ok=True)
    total = 2 * count if mirror else count
    images = np.lib.format.open_memmap(cache / "images.npy", "w+", np.uint8, (total, size, size, 3))
    meshes = np.lib.format.open_memmap(cache / "meshes.npy", "w+", np.uint8, (total, size, size))
    return images, meshes


_OTHER_SIDE = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


def mirrored_text(value):
    """Every text with left and right exchanged, as the mirror image needs."""
    if isinstance(value, str):
        return re.sub(r"\b([Ll]eft|[Rr]ight)\b", lambda m: _OTHER_SIDE[m[0]], value)
    if isinstance(value, dict):
        return {k: mirrored_text(v) for k, v in value.items()}
    return value


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    if picture.shape[:2] == (size, size):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))


def sent(tensor: Tensor, device: str) -> Tensor:
    """On `device`. A GPU gets it from pinned memory, in the order of its work: a plain copy would wait until all
    that it has been told before is done, and leave it without work while the next step is put together."""
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class TextBank:
    """Frozen text states by text, each encoded once, kept in half precision in one table on `device`.

    A batch is then one look-up there: stacking hundreds of small tensors and sending them costs a GPU half its time.
    """

    def __init__(self, encoder: TextEncoder, device: str = "cpu"):
        self.encoder = encoder
        self.device = device
        self._rows: dict[str, int] = {}
        self._states: Tensor | None = None  # (capacity, length, width) float16
        self._hands: Tensor | None = None  # (capacity, length) bool

    def __call__(self, texts: list[str]) -> Tensor:
        """(B, length, width) float32."""
        rows = self._find(texts)  # which may make the table, or a larger one
        return self._states[rows].float()

    def hand_tokens(self, texts: list[str]) -> Tensor:
        """(B, length) bool: the hand words' positions."""
        rows = self._find(texts)
        return self._hands[rows]

    def _find(self, texts: list[str]) -> Tensor:
        import torch

        new = [t for t in dict.fromkeys(texts) if t not in self._rows]
        for start in range(0, len(new), 256):
            chunk = new[start : start + 256]
            self._put(chunk, self.encoder(chunk).half())
        return sent(torch.tensor([self._rows[t] for t in texts]), self.device)

    def _put(self, texts: list[str], states: Tensor) -> None:
        import torch

        known, total = len(self._rows), len(self._rows) + len(texts)
        if self._states is None or total > len(self._states):
            room = max(1024, 2 * total)
            table = states.new_zeros((room, *states.shape[1:]), device=self.device)
            hands = torch.zeros((room, self.encoder.length), dtype=torch.bool, device=self.device)
            if self._states is not None:
                table[:known], hands[:known] = self._states[:known], self._hands[:known]
            self._states, self._hands = table, hands
        self._states[known:total] = states.to(self.device)
        for row, text in enumerate(texts, known):
            self._rows[text] = row
            self._hands[row, list(self.encoder.tokens(text).hand_tokens)] = True
