"""The lifter: from MediaPipe's landmarks to a belief about the pose, a small network run in numpy.

MediaPipe's depths are poor, and one picture leaves the bends of a finger open; the lifter has learned from
renders which poses go with which landmarks and how sure one can be. The fit then weighs the belief against
the picture. Trained by `python -m engine.reconstruct train`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.types import UserError

FILE = Path(__file__).resolve().parents[2] / "assets" / "reconstruct" / "lifter.safetensors"
FEATURES = 21 * 2 + 21 * 3
OUTPUTS = 45 + 45 + 6  # angles, logarithms of their variances, two columns of the orientation
LOG_VARIANCE_RANGE = (-8.0, 2.0)
_UP_FROM, _UP_TO = 0, 9  # the wrist and the middle finger's knuckle


@dataclass(frozen=True, eq=False)
class Belief:
    """Of a right hand's pose, before the picture is looked at closely."""

    angles: np.ndarray  # (15, 3) rad, mean
    angles_sd: np.ndarray  # (15, 3) rad
    orient: np.ndarray  # (3, 3) in the frame of the features


@dataclass(frozen=True, eq=False)
class Lifter:
    """A multilayer perceptron with SiLU."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]  # (out, in) weights and (out,) biases

    def __call__(self, features: np.ndarray) -> Belief:
        x = np.asarray(features, dtype=np.float64)
        for weights, bias in self.layers[:-1]:
            x = weights @ x + bias
            x = x / (1 + np.exp(-x))
        weights, bias = self.layers[-1]
        x = weights @ x + bias
        log_variance = np.clip(x[45:90], *LOG_VARIANCE_RANGE)
        first = x[90:93] / np.linalg.norm(x[90:93])
        second = x[93:] - (x[93:] @ first) * first
        second = second / np.linalg.norm(second)
        return Belief(
            angles=x[:45].reshape(15, 3),
            angles_sd=np.exp(log_variance / 2).reshape(15, 3),
            orient=np.stack([first, second, np.cross(first, second)], axis=1),
        )


@lru_cache(maxsize=1)
def load_lifter() -> Lifter:
    """The shipped one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(FILE)
        names = sorted(name[: -len(".weight")] for name in tensors if name.endswith(".weight"))
        layers = [(tensors[f"{n}.weight"].astype(float), tensors[f"{n}.bias"].astype(float)) for n in names]
    except (OSError, KeyError, SafetensorError) as error:
        raise UserError(
            f"The hand reader's {FILE.name} is missing or broken; train it with "
            "`python -m engine.reconstruct train`.",
            code="no_lifter",
        ) from error
    return Lifter(tuple(layers))


def lifter_features(rays: np.ndarray, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., 105) what the lifter sees and (..., 3, 3) the turn in the picture that was applied to it.

    `rays` (..., 21, 2) are landmarks at z = 1, `world` (..., 21, 3) MediaPipe's own; both with z towards the
    hand. Position and size are taken out, and the hand is turned upright about z.
    """
    middle = (rays.max(axis=-2, keepdims=True) + rays.min(axis=-2, keepdims=True)) / 2
    side = np.ptp(rays, axis=-2).max(axis=-1)[..., None, None]
    flat = (rays - middle) / np.maximum(side, 1e-9)
    up = flat[..., _UP_TO, :] - flat[..., _UP_FROM, :]
    angle = np.arctan2(up[..., 0], -up[..., 1])
    turn = np.zeros((*angle.shape, 3, 3))
    turn[..., 0, 0] = turn[..., 1, 1] = np.cos(angle)
    turn[..., 0, 1], turn[..., 1, 0] = np.sin(angle), -np.sin(angle)
    turn[..., 2, 2] = 1.0
    flat = flat @ np.swapaxes(turn[..., :2, :2], -1, -2)
    centred = world - world.mean(axis=-2, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=-1).mean(axis=-1))[..., None, None]
    solid = centred / np.maximum(size, 1e-9) @ np.swapaxes(turn, -1, -2)
    parts = [a.reshape(*a.shape[:-2], -1) for a in (flat, solid)]
    return np.concatenate(parts, axis=-1), turn
