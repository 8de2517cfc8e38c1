"""Hand1000's fully connected layer, and the gesture feature it takes (papers/hand1000.md 3, 4.1, 10).

The layer is a fixed random projection of (tokens * width + 63) to (tokens * width): 3.5 billion weights at
Stable Diffusion's size. It is never trained, so nothing but its seed is kept: rows come from a counter-based
generator whenever they are needed, the same rows in any block size and order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

FCMode = Literal["generated", "materialised", "conv1d"]
FeatureKind = Literal["literal", "normalised"]

FEATURES = 63  # 21 landmarks of (x, y, z)
CONV_KERNEL = FEATURES + 1  # tokens * width + 63 -> tokens * width
BLOCK_BYTES = 64 << 20  # of generated weights at a time


def uniform_rows(seed: int, start: int, stop: int, columns: int) -> np.ndarray:
    """Rows start..stop of an endless matrix of U[0, 1): (stop - start, columns) float32.

    Philox counts in steps of four 64-bit words, eight floats of 24 bits; a row begins at its own count.
    """
    steps = -(-columns // 8)
    raw = np.random.Philox(key=seed, counter=start * steps).random_raw((stop - start) * steps * 4)
    bits = raw.view(np.uint32).reshape(stop - start, steps * 8)[:, :columns]
    return (bits >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


class FusionFC:
    """e_f = FC([e_t ; f]) in one of three forms; weights U(+-1/sqrt(fan in)), as torch's layers start.

    generated: rows made on the fly, nothing to train. materialised: the very same rows as a Linear, for
    the control run that trains it. conv1d: Conv1d(1, 1, 64) over the concatenation, 65 numbers.
    """

    def __init__(self, *, tokens: int, width: int, seed: int = 0, mode: FCMode = "generated"):
        self.tokens, self.width, self.seed, self.mode = tokens, width, seed, mode
        self.size = tokens * width
        self.layer: nn.Module | None = self._materialise() if mode != "generated" else None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, size + 64) float32: weights, the last column the bias."""
        bound = 1 / math.sqrt(self.size + FEATURES)
        return (uniform_rows(self.seed, start, stop, self.size + FEATURES + 1) * 2 - 1) * np.float32(bound)

    def __call__(self, text: Tensor, feature: Tensor) -> Tensor:
        """text (batch, tokens, width), feature (63,) or (batch, 63) -> like text."""
        import torch

        flat = text.float().flatten(1)
        x = torch.cat([flat, feature.to(flat).expand(len(flat), -1)], dim=1)
        if self.mode == "generated":
            out = self._generate(x)
        elif self.mode == "conv1d":
            out = self.layer(x[:, None])[:, 0]
        else:
            out = self.layer(x)
        return out.to(text.dtype).unflatten(1, (self.tokens, self.width))

    def _generate(self, x: Tensor) -> Tensor:
        import torch

        per_block = max(1, BLOCK_BYTES // (4 * (self.size + FEATURES + 1)))
        out = []
        for start in range(0, self.size, per_block):
            rows = torch.from_numpy(self.rows(start, min(start + per_block, self.size))).to(x.device)
            out.append(torch.addmm(rows[:, -1], x, rows[:, :-1].T))
        return torch.cat(out, dim=1)

    def _materialise(self) -> nn.Module:
        import torch
        from torch import nn

        if self.mode == "conv1d":
            layer = nn.Conv1d(1, 1, CONV_KERNEL)
            bound = 1 / math.sqrt(CONV_KERNEL)
            rows = (uniform_rows(self.seed, 0, 1, CONV_KERNEL + 1) * 2 - 1) * np.float32(bound)
        else:
            layer = nn.utils.skip_init(nn.Linear, self.size + FEATURES, self.size)
            rows = self.rows(0, self.size)
        values = torch.from_numpy(rows)
        with torch.no_grad():
            layer.weight.copy_(values[:, :-1].reshape(layer.weight.shape))
            layer.bias.copy_(values[:, -1])
        return layer


WRIST, MIDDLE_MCP = 0, 9  # MediaPipe's numbers


def gesture_feature(landmarks: np.ndarray, side: str = "right", kind: FeatureKind = "literal") -> np.ndarray:
    """One hand's 63 numbers (papers/hand1000.md 4.1): (63,) float32.

    landmarks: (21, 3), MediaPipe's image landmarks: x, y as fractions of the width and the height, z from the
    wrist. literal keeps them: where the hand is in the frame. normalised centres on the wrist, divides by the
    distance to the middle finger's base, and mirrors left hands.
    """
    points = np.asarray(landmarks, dtype=np.float32).reshape(21, 3)
    if kind == "normalised":
        points = points - points[WRIST]
        points = points / max(float(np.linalg.norm(points[MIDDLE_MCP])), 1e-6)
        if side == "left":
            points = points * np.float32([-1, 1, 1])
    return points.reshape(FEATURES)


def mean_feature(hands: Sequence[tuple[np.ndarray, str]], kind: FeatureKind = "literal") -> np.ndarray:
    """Stage I: the mean over (landmarks, side) of every picture in which a hand was found: (63,) float32."""
    if not len(hands):
        raise ValueError("a mean gesture feature needs at least one detected hand")
    return np.mean(
        [gesture_feature(points, side, kind) for points, side in hands], axis=0, dtype=np.float64
    ).astype(np.float32)
