"""Which gesture a detected hand shows: a small classifier on MediaPipe's world landmarks.

It is trained on landmarks detected in real renders of the corpus, so that it has seen the detector's
errors. Poses between gestures and random ones are a class of their own, OTHER: a hand must look like the
asked gesture to count.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.types import Side, UserError

logger = logging.getLogger(__name__)

OTHER = "other"
HIDDEN = 96
WRIST, INDEX_MCP, MIDDLE_MCP, PINKY_MCP = 0, 5, 9, 17  # OpenPose order


def landmark_features(world_m: np.ndarray, side: Side) -> np.ndarray:
    """(21, 3) m in the camera's frame -> (120,): the 20 joints from the wrist, in the camera's and the
    palm's axes.

    Left hands are mirrored; the distance from the wrist to the middle finger's base is 1. The camera's axes
    tell "like" from "dislike", the palm's axes tell finger poses apart whatever the view.
    """
    points = np.asarray(world_m, np.float64) * ((-1, 1, 1) if side == "left" else (1, 1, 1))
    points = points[1:] - points[WRIST]
    points /= max(np.linalg.norm(points[MIDDLE_MCP - 1]), 1e-6)
    return np.concatenate([points.ravel(), (points @ palm_axes(points).T).ravel()])


def palm_axes(points: np.ndarray) -> np.ndarray:
    """(3, 3) rows: along the middle finger's base, across the palm, out of it; from joints 1-20, wrist at
    0.
    """
    along = _unit(points[MIDDLE_MCP - 1])
    normal = _unit(np.cross(points[INDEX_MCP - 1], points[PINKY_MCP - 1]))
    across = np.cross(normal, along)
    return np.stack([along, _unit(across), _unit(np.cross(along, across))])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(np.linalg.norm(v), 1e-9)


@dataclass(frozen=True, eq=False)
class GestureClassifier:
    """One hidden layer. numpy: it runs where torch does not."""

    classes: tuple[str, ...]
    mean: np.ndarray  # (120,)
    std: np.ndarray  # (120,)
    hidden_weight: np.ndarray  # (120, HIDDEN)
    hidden_bias: np.ndarray  # (HIDDEN,)
    out_weight: np.ndarray  # (HIDDEN, C)
    out_bias: np.ndarray  # (C,)

    def probabilities(self, world_m: np.ndarray, side: Side) -> dict[str, float]:
        """Class -> probability of one detected hand, most likely first."""
        x = (landmark_features(world_m, side) - self.mean) / self.std
        logits = np.maximum(x @ self.hidden_weight + self.hidden_bias, 0) @ self.out_weight + self.out_bias
        p = np.exp(logits - logits.max())
        p /= p.sum()
        return {self.classes[i]: float(p[i]) for i in np.argsort(-p)}

    def name(self, world_m: np.ndarray, side: Side) -> str:
        """The most likely class."""
        return next(iter(self.probabilities(world_m, side)))

    def save(self, path: Path, facts: dict[str, float] | None = None) -> None:
        """fp16 safetensors, with the classes and `facts` in the header."""
        from safetensors.numpy import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {k: np.ascontiguousarray(v, np.float16) for k, v in vars(self).items() if k != "classes"}
        save_file(arrays, str(path), {"classes": json.dumps(self.classes), "facts": json.dumps(facts or {})})

    @classmethod
    def load(cls, path: Path) -> GestureClassifier:
        from safetensors import safe_open

        if not path.is_file():
            raise UserError(
                f"The gesture classifier is missing at {path}: "
                "train it with `python -m engine.evaluate train-gestures`.",
                code="no_gesture_classifier",
            )
        with safe_open(str(path), "np") as file:
            arrays = {k: file.get_tensor(k).astype(np.float64) for k in file.keys()}  # noqa: SIM118 - not a dict
            return cls(classes=tuple(json.loads(file.metadata()["classes"])), **arrays)


def train(
    features: np.ndarray, labels: Sequence[str], *, epochs: int = 60, seed: int = 0
) -> GestureClassifier:
    """From features (N, 120) of detected hands and the gesture each was rendered with."""
    import torch

    classes = tuple(sorted(set(labels)))
    target = torch.tensor([classes.index(label) for label in labels])
    mean, std = features.mean(0), features.std(0) + 1e-3
    x = torch.from_numpy((features - mean) / std).float()
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, len(classes))
    )
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.05)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(128):
            noisy = x[rows] + 0.05 * torch.randn_like(x[rows])
            loss = torch.nn.functional.cross_entropy(net(noisy), target[rows], label_smoothing=0.05)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    hidden, out = ({k: v.detach().double().numpy() for k, v in net[i].named_parameters()} for i in (0, 2))
    return GestureClassifier(
        classes=classes,
        mean=mean,
        std=std,
        hidden_weight=hidden["weight"].T,
        hidden_bias=hidden["bias"],
        out_weight=out["weight"].T,
        out_bias=out["bias"],
    )


def accuracy(
    classifier: GestureClassifier, hands: Sequence[tuple[np.ndarray, Side]], labels: Sequence[str]
) -> float:
    """Share of hands, (world_m, side) each, that are named as they were rendered."""
    right = [classifier.name(*hand) == label for hand, label in zip(hands, labels, strict=True)]
    return float(np.mean(right))
