"""Where the arm goes: a raised hand placed in front of the camera, the elbow where an elbow would be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.corpus.body import Body

MAX_SWING_RAD = 1.25  # how far a wrist bends
MAX_TWIST_RAD = 1.9  # how far a forearm turns from the reference pose, either way
SWIVELS = 9  # elbow positions tried


@dataclass(frozen=True, kw_only=True, eq=False)
class Limb:
    """One arm in the reference pose."""

    side: str  # "L" or "R": Anny's suffix
    shoulder: np.ndarray  # (3,) m
    elbow: np.ndarray
    wrist: np.ndarray

    @classmethod
    def of(cls, body: Body, heads: np.ndarray, side: str) -> Limb:
        """The arm on `side` of a body whose bones begin at `heads` (J, 3) in the reference pose."""
        at = [heads[body.bone(f"{name}.{side}")] for name in ("upperarm01", "lowerarm01", "wrist")]
        return cls(side=side, shoulder=at[0], elbow=at[1], wrist=at[2])

    @property
    def reach_m(self) -> float:
        return float(_length(self.elbow - self.shoulder) + _length(self.wrist - self.elbow))


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmPose:
    """Local rotations by bone, and how forced they are."""

    pose: dict[str, np.ndarray]
    cost: float  # 0 relaxed; above 1 nobody does that


def solve(limb: Limb, wrist: np.ndarray, hand: np.ndarray) -> ArmPose | None:
    """The most relaxed arm whose wrist is at `wrist` (3,) with world rotation `hand` (3, 3).

    None when the wrist is out of reach.

    Two bones, the elbow on its circle around the line from shoulder to wrist; the turn of the forearm is
    shared between the forearm and the wrist, as in a real one.
    """
    upper, fore = (
        _length(limb.elbow - limb.shoulder),
        _length(limb.wrist - limb.elbow),
    )
    line = wrist - limb.shoulder
    distance = _length(line)
    if not abs(upper - fore) * 1.2 < distance < 0.985 * (upper + fore):
        return None
    along = line / distance
    foot = (upper**2 - fore**2 + distance**2) / (2 * distance)
    radius = np.sqrt(max(upper**2 - foot**2, 0.0))
    down = np.array([0.0, 0.0, -1.0])
    down -= along * (along @ down)
    down /= max(_length(down), 1e-6)
    out = cross(along, down)
    outward = 1.0 if limb.side == "L" else -1.0  # the left arm lies at +X
    if out[0] * outward < 0:
        out = -out

    best = None
    for swivel in np.linspace(-0.4, 1.8, SWIVELS):  # 0 straight down, pi/2 straight outward
        elbow = limb.shoulder + along * foot + radius * (np.cos(swivel) * down + np.sin(swivel) * out)
        candidate = _pose(limb, elbow, wrist, hand)
        inside = max(0.0, 0.02 - (elbow[0] - limb.shoulder[0]) * outward) * 6.0  # elbow in the ribs
        cost = candidate.cost + inside + 0.05 * abs(swivel - 0.35)
        if best is None or cost < best.cost:
            best = ArmPose(pose=candidate.pose, cost=cost)
    return best


def hanging(limb: Limb, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The other arm, hanging beside the body."""
    sign = 1.0 if limb.side == "L" else -1.0
    drop = sign * rng.uniform(0.45, 0.62)
    return {f"upperarm01.{limb.side}": rotation((0, 1, 0), drop)}


def _pose(limb: Limb, elbow: np.ndarray, wrist: np.ndarray, hand: np.ndarray) -> ArmPose:
    u0, f0 = limb.elbow - limb.shoulder, limb.wrist - limb.elbow
    hinge0 = cross(u0, f0)
    u, f = elbow - limb.shoulder, wrist - elbow
    hinge = cross(u, f)
    G_upper = frame(u, hinge) @ frame(u0, hinge0).T
    G_fore = frame(f, hinge) @ frame(f0, hinge0).T
    axis = f0 / _length(f0)
    twist, swing = swing_twist(G_fore.T @ hand, axis)
    G_half = G_fore @ rotation(axis, 0.65 * twist)
    side = limb.side
    pose = {
        f"upperarm01.{side}": G_upper,
        f"lowerarm01.{side}": G_upper.T @ G_fore,
        f"lowerarm02.{side}": rotation(axis, 0.65 * twist),
        f"wrist.{side}": G_half.T @ hand,
    }
    return ArmPose(pose=pose, cost=max((swing / MAX_SWING_RAD) ** 2, (twist / MAX_TWIST_RAD) ** 2))


def cross(a, b) -> np.ndarray:
    """np.cross of two (3,) vectors, without its overhead."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _length(v) -> float:
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(3, 3) orthonormal columns: along `first`, then `second` made square to it."""
    a = first / _length(first)
    b = second - a * (a @ second)
    b /= _length(b)
    return np.stack([a, b, cross(a, b)], axis=1)


def rotation(axis, angle: float) -> np.ndarray:
    """(3, 3) turn by `angle` rad about `axis` (Rodrigues)."""
    n, c, s = _length(axis), math.cos(angle), math.sin(angle)
    x, y, z = axis[0] / n, axis[1] / n, axis[2] / n
    d = 1 - c
    return np.array(
        [
            [c + d * x * x, d * x * y - s * z, d * x * z + s * y],
            [d * x * y + s * z, c + d * y * y, d * y * z - s * x],
            [d * x * z - s * y, d * y * z + s * x, c + d * z * z],
        ]
    )


def swing_twist(R: np.ndarray, axis: np.ndarray) -> tuple[float, float]:
    """(twist, swing) rad: the turn of R about `axis`, and the angle by which R tilts `axis`."""
    tilted = R @ axis
    swing = float(np.arccos(np.clip(axis @ tilted, -1, 1)))
    turn = cross(axis, tilted)
    back = rotation(turn, -swing) if _length(turn) > 1e-9 else np.eye(3)
    pure = back @ R  # keeps the axis: a turn about it
    side = cross(axis, [0.3, 0.5, 0.8])
    side /= _length(side)
    turned = pure @ side
    twist = float(np.arctan2(cross(side, turned) @ axis, side @ turned))
    return twist, swing
