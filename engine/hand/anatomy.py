"""Anatomical angles: each joint's bend, spread and twist, their limits, and poses that a hand can take.

A joint's rotation is R = exp(bend b) exp(spread s) exp(twist t) about three axes fixed in the flat rest pose:
t along the bone to the fingertip; b across it, so that bending closes the hand; s across both, so that
spreading moves a finger away from the middle one (the middle finger towards the thumb, the thumb out of the
palm's plane). Flexion before abduction is the convention of Grood and Suntay (J. Biomech. Eng. 1983).

hand_pose is (45,) rad, axis-angle, MANO order; a left hand's is the mirror image of a right hand's.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.hand import rotation
from engine.hand.contact import overlap_m
from engine.hand.joints import FINGERS, finger_joints
from engine.hand.model import MIRROR, MIRROR_ROTVEC, HandModel, model_of
from engine.types import HandPose, Side, UserError

ANGLES = ("bend", "spread", "twist")

# How far each finger's bending axis is rolled about the finger, degrees: bent fingers point to the scaphoid,
# not straight down (Kapandji, "The Physiology of the Joints", vol. 1). Measured on the shipped fingertips.
_ROLL_DEG = {"index": -12.0, "middle": 0.0, "ring": 12.0, "pinky": 26.0}
_THUMB_PAD = np.array([-0.35, -0.55, -0.76])  # where the flat right hand's thumb pad faces, hand frame
_SPREAD_SIGN = {"thumb": 1.0, "index": 1.0, "middle": 1.0, "ring": -1.0, "pinky": -1.0}

# Ranges of active motion in degrees from the flat hand. Fingers: Lin, Wu and Huang, "Modeling the Constraints
# of Human Hand Motion" (HUMO 2000) for bend and spread, extension from Greene and Heckman, "The Clinical
# Measurement of Joint Motion" (AAOS 1994). Thumb: Cooney et al., "The Kinesiology of the Thumb
# Trapeziometacarpal Joint" (JBJS 1981), shifted to the flat hand, whose thumb is half out. The little spread
# and twist of hinge joints is what soft tissue gives.
_HINGE = ((-6.0, 6.0), (-6.0, 6.0))
_LIMITS_DEG = {
    "finger": (
        ((-30.0, 95.0), (-22.0, 25.0), (-12.0, 12.0)),
        ((-5.0, 112.0), *_HINGE),
        ((-10.0, 90.0), *_HINGE),
    ),
    "thumb": (
        ((-30.0, 50.0), (-35.0, 45.0), (-20.0, 20.0)),
        ((-15.0, 65.0), (-15.0, 15.0), (-12.0, 12.0)),
        ((-25.0, 88.0), *_HINGE),
    ),
}


def _limits() -> np.ndarray:
    table = np.zeros((15, 3, 2))
    for finger in FINGERS:
        kind = "thumb" if finger == "thumb" else "finger"
        table[[j - 1 for j in finger_joints(finger)]] = np.radians(_LIMITS_DEG[kind])
    table.setflags(write=False)
    return table


LIMITS = _limits()  # (15, 3, 2) rad: joint, (bend, spread, twist), (least, most)


def joint_axes(side: Side = "right") -> np.ndarray:
    """(15, 3, 3): for each joint the axes of bend, spread and twist, unit, in the hand's frame at rest."""
    axes = _axes(model_of("right"))
    return axes.copy() if side == "right" else axes * MIRROR_ROTVEC


@lru_cache(maxsize=4)
def _axes(model: HandModel) -> np.ndarray:
    """Of a right hand: along its bones, rolled as the fingers are."""
    hand = model.shape().pose()
    axes = np.zeros((15, 3, 3))
    for k, finger in enumerate(FINGERS):
        along = hand.joints[4 * k + 4] - hand.joints[4 * k + 1]
        along /= np.linalg.norm(along)
        if finger == "thumb":
            pad = _THUMB_PAD
        else:
            pad = rotation.exp(along * np.radians(_ROLL_DEG[finger])) @ [0.0, -1.0, 0.0]
        bend = np.cross(along, pad)
        bend /= np.linalg.norm(bend)
        spread = np.cross(along, bend) * _SPREAD_SIGN[finger]
        axes[[j - 1 for j in finger_joints(finger)]] = np.stack([bend, spread, along])
    return axes


def from_anatomy(angles: np.ndarray, side: Side = "right") -> np.ndarray:
    """(15, 3) rad of bend, spread, twist -> hand_pose (45,) rad."""
    angles = np.asarray(angles, dtype=float).reshape(15, 3)
    bend, spread, twist = np.moveaxis(rotation.exp(joint_axes() * angles[..., None]), 1, 0)
    rotvec = rotation.log(bend @ spread @ twist)
    return (rotvec if side == "right" else rotvec * MIRROR_ROTVEC).ravel()


def to_anatomy(hand_pose: np.ndarray, side: Side = "right") -> np.ndarray:
    """hand_pose (45,) rad -> (15, 3) rad of bend, spread, twist; the inverse of from_anatomy."""
    rotvec = np.asarray(hand_pose, dtype=float).reshape(15, 3)
    axes = joint_axes()
    # In the right-handed basis (b, t x b, t) the product is Rx(bend) Ry(+-spread) Rz(twist).
    basis = np.stack([axes[:, 0], np.cross(axes[:, 2], axes[:, 0]), axes[:, 2]], axis=-1)
    sign = np.einsum("ja,ja->j", basis[:, :, 1], axes[:, 1])
    R = rotation.exp(rotvec if side == "right" else rotvec * MIRROR_ROTVEC)
    M = np.swapaxes(basis, 1, 2) @ R @ basis
    bend = np.arctan2(-M[:, 1, 2], M[:, 2, 2])
    spread = np.arcsin(np.clip(M[:, 0, 2], -1.0, 1.0)) * sign
    twist = np.arctan2(-M[:, 0, 1], M[:, 0, 0])
    return np.stack([bend, spread, twist], axis=-1)


def is_valid(hand_pose: np.ndarray, side: Side = "right", *, slack_rad: float = 0.01) -> bool:
    """Whether every angle lies within LIMITS, give or take `slack_rad`."""
    values = np.asarray(hand_pose, dtype=float)
    if values.shape != (45,) or not np.isfinite(values).all():
        return False
    angles = to_anatomy(values, side)
    return bool(((angles >= LIMITS[..., 0] - slack_rad) & (angles <= LIMITS[..., 1] + slack_rad)).all())


def clamp(hand_pose: np.ndarray, side: Side = "right") -> np.ndarray:
    """(45,) the pose with each angle brought within LIMITS; joints that are within them stay as they are."""
    values = np.asarray(hand_pose, dtype=float)
    if values.size != 45 or not np.isfinite(values).all():
        raise UserError("A hand pose must be 45 finite numbers.", code="bad_numbers")
    angles = to_anatomy(values, side)
    inside = np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])
    changed = (inside != angles).any(axis=1)
    return np.where(
        changed[:, None], from_anatomy(inside, side).reshape(15, 3), values.reshape(15, 3)
    ).ravel()


def mirror(hand: HandPose) -> HandPose:
    """The other hand doing the same, as a mirror across the camera's vertical plane shows it."""
    turn = np.tile(MIRROR_ROTVEC, 15)
    return HandPose(
        side="left" if hand.side == "right" else "right",
        global_orient=tuple(MIRROR_ROTVEC * hand.global_orient),
        hand_pose=tuple(turn * hand.hand_pose),
        betas=hand.betas,
        transl=tuple(MIRROR * hand.transl),
    )


# --- Poses that a hand can take ---------------------------------------------------------------------------

_TRIES = 40
_DEEPEST_M = 0.0055  # flesh gives: so far do the balls of a fist's neighbours press into each other
_CLOSED_RAD = np.radians(202)  # all three bends together of a finger whose tip touches the palm
_DIP_SHARE = 2 / 3  # of the middle joint's bend: the tendons couple them (Lin et al. 2000)


def random_pose(rng: np.random.Generator, side: Side = "right") -> np.ndarray:
    """(45,) rad: a natural pose within LIMITS; fingers pass through neither each other nor the palm.

    Fingers bend alike or each by itself; bent ones spread little; the last joint follows the middle one.
    """
    for shrink in np.linspace(1.0, 0.0, _TRIES):  # every failure brings the next try nearer to the flat hand
        pose = from_anatomy(_random_angles(rng) * min(1.0, 0.4 + shrink), side)
        if overlap_m(pose, side) <= _DEEPEST_M:
            return pose
    return from_anatomy(np.zeros((15, 3)), side)


def _random_angles(rng: np.random.Generator) -> np.ndarray:
    angles = np.zeros((15, 3))
    together = rng.beta(0.8, 1.1)
    for finger in FINGERS[1:]:
        knuckle, middle, last = (j - 1 for j in finger_joints(finger))
        curl = np.clip(rng.beta(0.6, 0.8) if rng.random() < 0.35 else together + rng.normal(0, 0.1), 0, 1)
        angles[knuckle, 0] = np.radians(90) * curl * rng.uniform(0.5, 1) - np.radians(12) * rng.random()
        angles[middle, 0] = np.radians(100) * curl * rng.uniform(0.6, 1)
        room = _CLOSED_RAD - angles[[knuckle, middle], 0].sum()  # before the tip meets the palm
        angles[last, 0] = min(angles[middle, 0] * _DIP_SHARE * rng.uniform(0.7, 1.1), max(room, 0.0))
        angles[knuckle, 1] = np.radians(9) * rng.normal() * (1 - 0.8 * curl)
        angles[knuckle, 2] = np.radians(3) * rng.normal()
    thumb = np.array([j - 1 for j in finger_joints("thumb")])
    across = rng.beta(1.0, 1.2)
    angles[thumb[0]] = np.radians([-15 + 50 * across, rng.normal(5, 14), rng.normal(0, 8)])
    angles[thumb[1:], 0] = np.radians([45, 60]) * across * rng.uniform(0.2, 1, 2)
    return np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])
