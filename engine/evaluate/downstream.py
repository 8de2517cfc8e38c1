"""The downstream claim: does a hand-pose network learn more from renders with generated pictures added?

Networks of one size are trained for as many steps on renders alone and on renders with one method's
pictures, half and half, and tested on held-out renders of another look (other lights, backgrounds and
textures). A generated picture is labelled with the hand that was asked for, as its users would label it: a
badly aligned one teaches something false.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from engine.evaluate.attributes import WIDTHS, trunk
from engine.evaluate.crops import crop, square_box
from engine.evaluate.intervals import nested_estimate
from engine.evaluate.metrics import Column
from engine.evaluate.metrics_hand import pa_error_mm, root_relative_error_mm
from engine.evaluate.tables import Table, TableRow
from engine.types import Camera, HandPose, UserError, from_json

if TYPE_CHECKING:
    from engine.evaluate.run import Settings
    from engine.evaluate.suites import Suite

logger = logging.getLogger(__name__)

CROP_PX = 96
MARGIN = 1.4
JITTER = 0.08  # of the crop's place, in shares of its side: a detector's box is never exact
HIDDEN = 256
ALONE = "renders alone"
COLUMNS = (
    Column(
        key="pa_mpjpe", title="PA-MPJPE", better="lower", digits=2, meaning="mm, after Procrustes alignment"
    ),
    Column(key="mpjpe", title="MPJPE", better="lower", digits=2, meaning="mm, wrists aligned"),
    Column(
        key="change", title="Δ PA-MPJPE", better="lower", digits=2,
        meaning="mm, to renders alone, on the same hands with the same seeds",
    ),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HandCrops:
    """Right hands, left ones mirrored."""

    images: np.ndarray  # (N, 96, 96, 3) uint8
    joints: np.ndarray  # (N, 21, 3) m from the wrist, camera frame, OpenPose order

    def __len__(self) -> int:
        return len(self.images)


class PoseNet(nn.Module):
    """(B, 3, 96, 96) in [0, 1] -> joints (B, 21, 3) m from the wrist."""

    def __init__(self):
        super().__init__()
        self.trunk = trunk()
        cells = (CROP_PX // 32) ** 2
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(WIDTHS[-1] * cells, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 63)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (
            self.head(self.trunk(x - 0.5)).unflatten(1, (21, 3)) * 0.1
        )  # hands measure about a tenth of a metre


def hand_crops(
    pictures: Iterable[tuple[np.ndarray, Sequence[HandPose], Camera]], *, seed: int = 0
) -> HandCrops:
    """One crop a hand around where its label says it is."""
    from engine.hand import pose_hand
    from engine.render import keypoints_px

    rng = np.random.default_rng(seed)
    images, joints = [], []
    for image, hands, camera in pictures:
        for hand in hands:
            posed = pose_hand(hand)
            left, top, right, bottom = square_box(keypoints_px(posed, camera), MARGIN)
            dx, dy = rng.uniform(-JITTER, JITTER, 2) * (right - left)
            patch = crop(image, (left + dx, top + dy, right + dx, bottom + dy), CROP_PX)
            root_relative = posed.joints - posed.joints[0]
            if hand.side == "left":
                patch, root_relative = patch[:, ::-1], root_relative * (-1, 1, 1)
            images.append(patch)
            joints.append(root_relative)
    if not images:
        raise UserError("There are no hands to learn from in these pictures.", code="no_cases")
    return HandCrops(np.stack(images), np.stack(joints).astype(np.float32))


def corpus_crops(folder: Path, n: int, split: str) -> HandCrops:
    """Of the first `n` pictures of a split."""
    from engine.evaluate.cases import load_cases

    return hand_crops((case.image, case.hands, case.camera) for case in load_cases(folder, n, split=split))


def exported_crops(folder: Path, *, kept_only: bool) -> HandCrops:
    """Of the pictures that `python -m engine.corpus export` made."""
    from engine.image import decode

    def pictures():
        for path in sorted((folder / "records").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["kept"] or not kept_only:
                image = decode((folder / "pictures" / f"{path.stem}.png").read_bytes())
                yield image, from_json(record["hands"]), from_json(record["camera"])

    return hand_crops(pictures())


def evaluated_crops(settings: Settings, suite: Suite, name: str) -> HandCrops:
    """Of the pictures that the tables made of a variant, all of them, with the hands that were asked for."""
    from engine.evaluate import run
    from engine.evaluate.suites import Variant

    folder = run.folder_of(suite, Variant(name=name, title=name), settings)
    made = [
        case for case in run.suite_cases(suite, settings) if run.picture_path(folder, case.index).is_file()
    ]
    return hand_crops((run.load_picture(folder, case.index), case.hands, case.camera) for case in made)


def train(
    renders: HandCrops,
    generated: HandCrops | None,
    *,
    steps: int,
    batch: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> PoseNet:
    """With `generated`, half of every batch is drawn from it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = PoseNet().to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(net.parameters(), learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, steps)
    for step in range(steps):
        if generated is None:
            images, joints = _draw(renders, batch, rng)
        else:
            halves = _draw(renders, batch - batch // 2, rng), _draw(generated, batch // 2, rng)
            images, joints = (np.concatenate(parts) for parts in zip(*halves, strict=True))
        loss = (net(_to_tensor(images)) - torch.from_numpy(joints)).norm(dim=-1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            logger.info("step %d of %d: %.1f mm", step, steps, 1000 * float(loss.detach()))
    return net.eval()


def _draw(crops: HandCrops, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` crops with their brightness and contrast changed a little."""
    rows = rng.integers(len(crops), size=count)
    gain, shift = rng.uniform(0.8, 1.2, (count, 1, 1, 1)), rng.uniform(-20, 20, (count, 1, 1, 1))
    images = np.clip(crops.images[rows] * gain + shift, 0, 255).astype(np.uint8)
    return images, crops.joints[rows]


def _to_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def errors_mm(net: PoseNet, test: HandCrops) -> dict[str, np.ndarray]:
    """COLUMNS' keys -> (N,) mm."""
    from engine.evaluate.features import in_batches

    found = in_batches(lambda x: net(_to_tensor(x.numpy())), test.images).reshape(-1, 21, 3)
    pairs = list(zip(found.astype(np.float64), test.joints.astype(np.float64), strict=True))
    return {
        "pa_mpjpe": np.array([pa_error_mm(*pair) for pair in pairs]),
        "mpjpe": np.array([root_relative_error_mm(*pair) for pair in pairs]),
    }


def compare(
    renders: HandCrops,
    sets: Mapping[str, HandCrops],
    test: HandCrops,
    *,
    steps: int,
    seeds: int,
    batch: int = 64,
) -> Table:
    """`sets`: a method's pictures by the method's name."""
    rows, alone = [], None
    for name, generated in {ALONE: None, **sets}.items():
        nets = (train(renders, generated, steps=steps, batch=batch, seed=seed) for seed in range(seeds))
        runs = [errors_mm(net, test) for net in nets]
        cells = {key: nested_estimate(np.stack([run[key] for run in runs])) for key in runs[0]}
        if alone is None:
            alone = np.stack([run["pa_mpjpe"] for run in runs])
        else:
            cells["change"] = nested_estimate(np.stack([run["pa_mpjpe"] for run in runs]) - alone)
        note = "" if generated is None else f"{len(generated)} generated hands"
        title = name if generated is None else f"renders + {name}"
        rows.append(TableRow(name=name, title=title, n=len(test), cells=cells, note=note))
        logger.info("%s: PA-MPJPE %.2f mm", title, cells["pa_mpjpe"].value)
    return Table(
        name="downstream",
        title="A hand-pose network trained on renders and generated pictures, tested under a change of look",
        columns=COLUMNS,
        rows=tuple(rows),
        note=f"{len(renders)} rendered hands, {steps} steps, {seeds} seeds; intervals over seeds and hands",
    )
