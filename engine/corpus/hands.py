"""Which hands are raised, in which pose, seen from which side, holding what."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from engine.hand import anatomy, rotation
from engine.hand.contact import overlap_m
from engine.hand.gesture import Gesture, load_gestures
from engine.hand.joints import FINGERS, finger_joints
from engine.hand.model import MIRROR_ROTVEC
from engine.types import HandPose, Side

NO_GESTURE = "holding up a hand"
SHARE_NAMED, SHARE_RANDOM = 0.6, 0.2  # the rest lies between two gestures
JITTER_RAD = np.radians([4.0, 2.0, 1.5])  # of bend, spread and twist, standard deviation
DEEPEST_M = 0.003  # fingers that press deeper into each other are drawn again
GRASPS = ("cup_hold",)  # presets that are seen only around what they hold
# What is held: the preset whose fingers hold it, and the colours it comes in.
HELD = {
    "cup": ("cup_hold", ("red", "blue", "white", "green")),
    "ball": ("cup_hold", ("red", "yellow", "blue", "green")),
    "pen": ("pinch", ("red", "blue", "black")),
    "phone": (None, ("black", "white")),
}
# The cup stands upright: a right hand's thumb side is up, its palm to the left and half to the camera.
UPRIGHT = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # columns: where MANO's axes point
PALM_OPEN_RAD = 0.6
# Bends in degrees (knuckle, middle, last joint) of fingers laid around a flat thing; thumb to pinky.
AROUND_PHONE_DEG = ((12, 12, 10), (24, 36, 20), (24, 38, 22), (24, 40, 24), (24, 42, 24))


@dataclass(frozen=True, kw_only=True)
class HandChoice:
    """A pose and how it is meant to be seen; where it is, is the placement's business."""

    side: Side
    hand_pose: tuple[float, ...]  # (45,) rad
    orient: tuple[float, ...]  # (3,) rad, MANO's global_orient for a hand on the camera's axis
    gesture: str | None = None  # a name in presets/gestures, None for a pose without a name
    phrase: str = NO_GESTURE
    held: str | None = None  # a name in HELD
    held_colour: str | None = None


def choose_hand(
    rng: np.random.Generator, *, gesture: str | None = None, side: Side | None = None, held: bool = False
) -> HandChoice:
    """A hand: named with jitter, random but possible, or half-way between two names.

    `gesture` asks for one name; `held` for a hand that holds something.
    """
    if side is None:
        side = "right" if rng.random() < 0.7 else "left"
    named = gestures()
    if held and gesture is None:
        return _holding(side, rng)
    kind = rng.random()
    if gesture is not None or kind < SHARE_NAMED:
        chosen = named[gesture or str(rng.choice(sorted(named)))]
        hand = on_side(chosen.portrait, side)
        return HandChoice(
            side=side, hand_pose=_jittered(hand, rng), orient=hand.global_orient, gesture=chosen.name,
            phrase=chosen.phrase,
        )  # fmt: skip
    if kind < SHARE_NAMED + SHARE_RANDOM:
        pose = tuple(anatomy.random_pose(rng, side))
        return HandChoice(side=side, hand_pose=pose, orient=facing(side, palm=rng.random() < 0.65))
    return _between(named, side, rng)


@functools.lru_cache(maxsize=1)
def gestures() -> dict[str, Gesture]:
    """The gestures of an empty hand."""
    return {name: gesture for name, gesture in load_gestures().items() if name not in GRASPS}


def on_side(hand: HandPose, side: Side) -> HandPose:
    return hand if hand.side == side else anatomy.mirror(hand)


def facing(side: Side, *, palm: bool) -> tuple[float, ...]:
    """(3,) rad: fingers up in the picture, palm or back towards the camera."""
    toward = 1.0 if palm else -1.0
    right = np.array([[0, 0, toward], [1, 0, 0], [0, toward, 0]])  # columns: where MANO's X, Y and Z go
    turn = rotation.log(right)
    return tuple(turn if side == "right" else turn * MIRROR_ROTVEC)


def _jittered(hand: HandPose, rng: np.random.Generator) -> tuple[float, ...]:
    """The pose with every angle moved a little, within anatomical limits or where the preset already was."""
    angles = anatomy.to_anatomy(hand.hand_pose, hand.side)
    low = np.minimum(anatomy.LIMITS[..., 0], angles)
    high = np.maximum(anatomy.LIMITS[..., 1], angles)
    depth = overlap_m(hand.hand_pose, hand.side)
    for scale in (1.0, 0.7, 0.4):
        moved = np.clip(angles + rng.normal(size=(15, 3)) * JITTER_RAD * scale, low, high)
        pose = anatomy.from_anatomy(moved, hand.side)
        if overlap_m(pose, hand.side) <= max(depth, DEEPEST_M):
            return tuple(pose)
    return hand.hand_pose


def _holding(side: Side, rng: np.random.Generator) -> HandChoice:
    thing = str(rng.choice(list(HELD)))
    preset, colours = HELD[thing]
    colour = str(rng.choice(colours))
    hand = _around_phone(side) if preset is None else on_side(load_gestures()[preset].portrait, side)
    orient = _upright(side) if thing == "cup" else hand.global_orient
    return HandChoice(
        side=side, hand_pose=hand.hand_pose, orient=orient, phrase=f"holding a {colour} {thing}", held=thing,
        held_colour=colour,
    )  # fmt: skip


def _around_phone(side: Side) -> HandPose:
    angles = np.zeros((15, 3))
    for finger, bends in zip(FINGERS, AROUND_PHONE_DEG, strict=True):
        angles[[j - 1 for j in finger_joints(finger)], 0] = np.radians(bends)
    pose = tuple(anatomy.from_anatomy(angles, side))
    return HandPose(side=side, hand_pose=pose, global_orient=facing(side, palm=True))


def _upright(side: Side) -> tuple[float, ...]:
    """(3,) rad: thumb side up, as one holds a cup that is full."""
    orient = rotation.log(rotation.exp(np.array([0, PALM_OPEN_RAD, 0])) @ UPRIGHT)
    return tuple(orient if side == "right" else orient * MIRROR_ROTVEC)


def _between(named: dict[str, Gesture], side: Side, rng: np.random.Generator) -> HandChoice:
    for _ in range(12):
        a, b = (on_side(named[str(n)].portrait, side) for n in rng.choice(sorted(named), 2, replace=False))
        t = rng.uniform(0.3, 0.7)
        pose = _mix(np.reshape(a.hand_pose, (15, 3)), np.reshape(b.hand_pose, (15, 3)), t).ravel()
        if overlap_m(pose, side) <= DEEPEST_M:
            orient = a.global_orient if t < 0.5 else b.global_orient
            return HandChoice(side=side, hand_pose=tuple(pose), orient=tuple(orient))
    return HandChoice(
        side=side, hand_pose=tuple(anatomy.random_pose(rng, side)), orient=facing(side, palm=True)
    )


def _mix(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """(N, 3) rotation vectors a share `t` of the way from `a` to `b`."""
    A, B = rotation.exp(a), rotation.exp(b)
    return rotation.log(A @ rotation.exp(t * rotation.log(np.swapaxes(A, 1, 2) @ B)))


def finger_rotations(hand: HandChoice) -> dict[str, np.ndarray]:
    """{bone: (3, 3)} local rotations of the fingers in Anny's `local-ref`."""
    from engine.hand.anny_bridge import anny_bone_rotations

    deltas = anny_bone_rotations(HandPose(side=hand.side, hand_pose=hand.hand_pose))
    return {name: delta[:3, :3] for name, delta in deltas.items()}
