"""A reader's pictures as shards of our own: cut square around the hands, captioned, with mesh images."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.corpus.captioning import Captioner, rewrite
from engine.corpus.sample import Captions, Sample
from engine.corpus.shards import write_shard
from engine.types import Camera

log = logging.getLogger(__name__)

SHARD_SIZE = 250


def convert(
    samples: Iterable[Sample], out: Path, *, split: str = "train", size_px: int = 256,
    captioner: Captioner | None = None, rewriter: str = "rules",
) -> int:  # fmt: skip
    """Write `samples` as shards; returns how many. A shard that is there already is passed over, unread."""
    out.mkdir(parents=True, exist_ok=True)
    samples, total = iter(samples), 0
    for number in itertools.count():
        chunk = list(itertools.islice(samples, SHARD_SIZE))
        if not chunk:
            break
        path = out / f"{split}-{number:05d}.parquet"
        total += len(chunk)
        if not path.exists():
            ready = [_with_mesh(square(sample, size_px)) for sample in chunk]
            write_shard(path, _captioned(ready, captioner, rewriter))
            log.info("%s written, %d pictures", path.name, total)
    (out / f"{split}.json").write_text(json.dumps({"pictures": total, "size_px": size_px}), encoding="utf-8")
    return total


def square(sample: Sample, size_px: int) -> Sample:
    """The largest square with the hands, about the picture's middle, at size_px; camera and points follow."""
    from PIL import Image

    h, w = sample.image.shape[:2]
    side = min(h, w)
    x0, y0 = (_slide(axis, length, side, sample) for axis, length in ((0, w), (1, h)))
    zoom = size_px / side
    cut = Image.fromarray(np.ascontiguousarray(sample.image[y0 : y0 + side, x0 : x0 + side]))
    corner = np.array([x0, y0])
    return replace(
        sample,
        image=np.asarray(cut.resize((size_px, size_px), Image.Resampling.LANCZOS)),
        camera=None if sample.camera is None else _cut_camera(sample.camera, corner, zoom, size_px),
        keypoints_px=tuple((points - corner) * zoom for points in sample.keypoints_px),
        boxes_px=tuple((box - np.tile(corner, 2)) * zoom for box in sample.boxes_px),
    )


def _slide(axis: int, length: int, side: int, sample: Sample) -> int:
    """First pixel of the square along an axis: centred, then moved no further than the hands need."""
    points = [p[:, axis] for p in sample.keypoints_px] + [box[[axis, axis + 2]] for box in sample.boxes_px]
    start = (length - side) // 2
    if points:
        low, high = np.nanmin(np.concatenate(points)), np.nanmax(np.concatenate(points))
        start = min(start, int(low)) if low < start else max(start, int(np.ceil(high)) - side)
    return int(np.clip(start, 0, length - side))


def _cut_camera(camera: Camera, corner: np.ndarray, zoom: float, size_px: int) -> Camera:
    move = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]], [0, 0, 1.0]])
    return Camera(K=tuple(map(tuple, move @ np.array(camera.K))), width_px=size_px, height_px=size_px)


def _with_mesh(sample: Sample) -> Sample:
    if not sample.hands or sample.camera is None:
        return sample
    from engine.hand import pose_hand
    from engine.render import mesh_image

    return replace(sample, mesh=mesh_image([pose_hand(hand) for hand in sample.hands], sample.camera))


def _captioned(samples: list[Sample], captioner: Captioner | None, rewriter: str) -> Iterator[Sample]:
    """Captions from the captioner; the gesture's phrase, where one is known, put into them."""
    if captioner is None:
        yield from samples
        return
    texts = captioner([sample.image for sample in samples])
    for sample, text in zip(samples, texts, strict=True):
        _, _, phrase = sample.captions.gesture.rpartition(", ")
        gesture = rewrite(text, phrase, rewriter) if phrase else ""
        yield replace(sample, captions=Captions(short=text, wordy=text, gesture=gesture))
