"""The attribute network: a small convolutional network that reads the embedded world's attributes from a
picture.

It stands in for Inception where those weights are not at hand. It reads whole pictures and hand crops with
one trunk; its last hidden layer is the feature of FD-world and KD-world. It is trained on the corpus alone,
so it sees what the embedded world varies (clothes, walls, hair, gender, the hand's side and gesture) and,
through faults put in on purpose, how clean a picture is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.evaluate.faults import FAULTS, with_faults
from engine.types import UserError

logger = logging.getLogger(__name__)

INPUT_PX = 128  # both sides; a 256 px picture is averaged 2 x 2
WIDTHS = (48, 96, 128, 160)
FEATURES = 128
UNKNOWN = -1  # a label that does not count in the loss
ON_CROPS = ("side", "gesture")  # what a hand crop can show
FAULT = "fault"  # the attribute that training adds: engine.evaluate.faults


class AttributeNet(nn.Module):
    """Pictures (B, 3, 128, 128) in [0, 1] -> features (B, 128) -> logits an attribute."""

    def __init__(self, classes: Mapping[str, Sequence[str]]):
        super().__init__()
        self.classes = {name: tuple(values) for name, values in classes.items()}
        self.trunk = trunk()
        self.neck = nn.Linear(2 * WIDTHS[-1], FEATURES)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(FEATURES, len(values)) for name, values in self.classes.items()}
        )

    def features(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.trunk(x - 0.5)
        return F.relu(self.neck(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.features(x)
        return {name: head(features) for name, head in self.heads.items()}


def trunk() -> nn.Sequential:
    """Pictures (B, 3, H, W) -> (B, 160, H / 32, W / 32)."""
    blocks = [_block(a, b) for a, b in pairwise(WIDTHS)]
    return nn.Sequential(_block(3, WIDTHS[0], kernel=7, stride=4), *blocks)


def _block(inside: int, outside: int, kernel: int = 3, stride: int = 2) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def to_input(images: np.ndarray) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, 128, 128) float32 in [0, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    return x if x.shape[-2:] == (INPUT_PX, INPUT_PX) else F.interpolate(x, (INPUT_PX, INPUT_PX), mode="area")


class WorldFeatures:
    """engine.evaluate.features.Features from the attribute network."""

    frechet, kernel = "FD-world", "KD-world"
    crop_px = INPUT_PX

    def __init__(self, path: Path):
        self.net = load(path)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        from engine.evaluate.features import in_batches

        return in_batches(lambda x: self.net.features(to_input(x.numpy())), np.stack(images))


def save(net: AttributeNet, path: Path) -> None:
    """fp16 safetensors; the classes go into the file's header."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v.contiguous() for k, v in net.state_dict().items()}  # trained in channels-last order
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(tensors, str(path), metadata={"classes": json.dumps(net.classes)})


def load(path: Path) -> AttributeNet:
    """In evaluation mode, float32."""
    from safetensors import safe_open

    if not path.is_file():
        raise UserError(
            f"The attribute network is missing at {path}: "
            "train it with `python -m engine.evaluate train-attributes`.",
            code="no_attributes",
        )
    with safe_open(str(path), "pt") as file:
        net = AttributeNet(json.loads(file.metadata()["classes"]))
        net.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 - not a dict
    return net.float().eval()


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures with a label an attribute; UNKNOWN where a picture does not show it."""

    images: np.ndarray  # (N, 128, 128, 3) uint8
    labels: dict[str, np.ndarray]  # attribute -> (N,) int64

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> Examples:
        return Examples(self.images[rows], {name: values[rows] for name, values in self.labels.items()})


def encode_labels(
    rows: Sequence[Mapping[str, str]], classes: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """An index into `classes` for each row and attribute, UNKNOWN for an absent or unknown value."""
    index = {name: {value: i for i, value in enumerate(values)} for name, values in classes.items()}
    return {
        name: np.array([lookup.get(row.get(name, ""), UNKNOWN) for row in rows], np.int64)
        for name, lookup in index.items()
    }


def train(
    examples: Examples,
    classes: Mapping[str, Sequence[str]],
    *,
    epochs: int = 12,
    batch: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> AttributeNet:
    """Deterministic on one machine; one-cycle AdamW; pictures as `augment` makes them."""
    classes = {**classes, FAULT: FAULTS}
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = AttributeNet(classes).to(memory_format=torch.channels_last).train()
    batch = min(batch, len(examples))
    steps = epochs * (len(examples) // batch)
    optimiser = torch.optim.AdamW(net.parameters(), learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, steps)
    for epoch in range(epochs):
        order, total = rng.permutation(len(examples)), 0.0
        batches = [order[i : i + batch] for i in range(0, len(order) - batch + 1, batch)]
        for rows in batches:
            part = augment(examples.take(rows), net.classes, rng)
            loss = attribute_loss(net(to_input(part.images)), part.labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        logger.info("epoch %d of %d: loss %.3f", epoch + 1, epochs, total / len(batches))
    return net.eval()


def attribute_loss(logits: Mapping[str, torch.Tensor], labels: Mapping[str, np.ndarray]) -> torch.Tensor:
    """Sum over attributes of the cross-entropy of the pictures that show them."""
    total = torch.zeros(())
    for name, values in logits.items():
        target = torch.from_numpy(labels[name])
        if (target != UNKNOWN).any():
            total = total + F.cross_entropy(values, target, ignore_index=UNKNOWN, label_smoothing=0.05)
    return total


def augment(examples: Examples, classes: Mapping[str, Sequence[str]], rng: np.random.Generator) -> Examples:
    """Half of the pictures mirrored (a left hand becomes a right one), each shifted by up to 6 px, with
    faults.
    """
    images, labels = examples.images.copy(), {k: v.copy() for k, v in examples.labels.items()}
    mirrored = rng.random(len(images)) < 0.5
    images[mirrored] = images[mirrored, :, ::-1]
    sides = classes.get("side", ())
    if {"left", "right"} <= set(sides):
        swap = {sides.index("left"): sides.index("right"), sides.index("right"): sides.index("left")}
        labels["side"] = np.array(
            [swap.get(v, v) if m else v for v, m in zip(labels["side"], mirrored, strict=True)], np.int64
        )
    shifts = rng.integers(-6, 7, (len(images), 2))
    images = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(images, shifts, strict=True)])
    return with_fault_labels(Examples(images, labels), rng)


def with_fault_labels(examples: Examples, rng: np.random.Generator) -> Examples:
    """The examples with faults in about half of their pictures, and the attribute that names them."""
    images, names = with_faults(examples.images, rng)
    faults = np.array([FAULTS.index(name) for name in names], np.int64)
    return Examples(images, {**examples.labels, FAULT: faults})


def accuracy(net: AttributeNet, examples: Examples) -> dict[str, float]:
    """Share of right answers an attribute, over the pictures that show it."""
    from engine.evaluate.features import BATCH

    answers: dict[str, list[np.ndarray]] = {name: [] for name in examples.labels}
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH):
            logits = net(to_input(examples.images[start : start + BATCH]))
            for name, parts in answers.items():
                parts.append(logits[name].argmax(1).numpy())
    scores = {}
    for name, parts in answers.items():
        known = examples.labels[name] != UNKNOWN
        if known.any():
            scores[name] = float((np.concatenate(parts)[known] == examples.labels[name][known]).mean())
    return scores
