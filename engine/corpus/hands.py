"""Which hand, in which pose, seen from which side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.types import HandPose, Side


@dataclass(frozen=True, kw_only=True)
class HandChoice:
    """A pose and how it is meant to be seen; the exact orientation is the placement's business."""

    side: Side
    hand_pose: tuple[float, ...]  # (45,) rad
    gesture: str | None  # a name in presets/gestures, None for a pose without a name
    palm: bool  # palm towards the camera, else the back
    up_deg: float  # where the fingers' side points: 0 up, clockwise in the picture


# thumb, index, middle, ring, pinky: 0 straight .. 1 curled; palm; up_deg for a right hand
_STAND_IN = {
    "call": ((0.0, 1, 1, 1, 0), True, 0), "dislike": ((0.0, 1, 1, 1, 1), True, 90),
    "fist": ((0.9, 1, 1, 1, 1), True, 0), "four": ((1.0, 0, 0, 0, 0), True, 0),
    "like": ((0.0, 1, 1, 1, 1), False, 90), "one": ((0.9, 0, 1, 1, 1), True, 0),
    "palm": ((0.0, 0, 0, 0, 0), True, 0), "peace": ((0.9, 0, 0, 1, 1), True, 0),
    "peace_inverted": ((0.9, 0, 0, 1, 1), False, 0), "rock": ((0.9, 0, 1, 1, 0), True, 0),
    "stop": ((0.3, 0, 0, 0, 0), True, 0), "stop_inverted": ((0.3, 0, 0, 0, 0), False, 0),
    "three": ((0.9, 0, 0, 0, 1), True, 0), "three2": ((0.0, 0, 0, 1, 1), True, 0),
}  # fmt: skip


def choose_hand(rng: np.random.Generator) -> HandChoice:
    name = str(rng.choice(list(_STAND_IN)))
    states, palm, up = _STAND_IN[name]
    side = "right" if rng.random() < 0.7 else "left"
    bend = []
    for finger in (1, 2, 4, 3, 0):
        s = states[finger]
        jit = rng.normal(0, 0.06, 3)
        if finger == 0:
            bend += list(np.array([0.5, 0.4, 0.7]) * s + jit)
        else:
            bend += list(np.array([1.35, 1.7, 0.9]) * s + jit)
    pose = np.zeros((15, 3))
    pose[:, 2] = bend
    if side == "left":
        pose = pose * [1, -1, -1]
    return HandChoice(
        side=side,
        hand_pose=tuple(pose.ravel()),
        gesture=name,
        palm=palm,
        up_deg=up if side == "right" else -up,
    )


def finger_rotations(hand: HandChoice) -> dict[str, np.ndarray]:
    """{bone: (3, 3)} local rotations of the fingers in Anny's `local-ref`."""
    from engine.hand.anny_bridge import anny_bone_rotations

    deltas = anny_bone_rotations(HandPose(side=hand.side, hand_pose=hand.hand_pose))
    return {name: delta[:3, :3] for name, delta in deltas.items()}
