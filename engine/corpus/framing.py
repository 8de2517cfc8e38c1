"""How much of the person a picture shows: the ranges from which cameras and hands are drawn."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Framing:
    head_share: Range  # head's height over the frame's
    distance_m: Range  # from the camera to the head
    head_aside_px: Range  # the head's centre right of the frame's, for a raised right hand
    head_down_px: Range  # the head's centre below the frame's upper edge
    hand_aside_px: Range  # the hand's box from the frame's middle, to the hand's own side
    hand_down_px: Range  # from the upper edge
    hand_px: Range  # the longer side of an open hand's box
    least_px: float  # pictures with a smaller hand box are drawn again


SELFIE = Framing(
    head_share=(0.31, 0.42), distance_m=(0.72, 1.05), head_aside_px=(8, 46), head_down_px=(66, 98),
    hand_aside_px=(18, 74), hand_down_px=(120, 196), hand_px=(92, 150), least_px=69,
)  # fmt: skip
BOTH_HANDS = Framing(
    head_share=(0.28, 0.36), distance_m=(0.8, 1.2), head_aside_px=(-12, 12), head_down_px=(58, 86),
    hand_aside_px=(52, 84), hand_down_px=(118, 190), hand_px=(77, 112), least_px=52,
)  # fmt: skip
CHEST = Framing(
    head_share=(0.24, 0.34), distance_m=(1.0, 1.6), head_aside_px=(-10, 40), head_down_px=(56, 90),
    hand_aside_px=(10, 76), hand_down_px=(86, 190), hand_px=(56, 110), least_px=44,
)  # fmt: skip
WIDE = Framing(
    head_share=(0.16, 0.25), distance_m=(1.3, 2.6), head_aside_px=(-30, 30), head_down_px=(40, 74),
    hand_aside_px=(8, 70), hand_down_px=(56, 150), hand_px=(40, 70), least_px=31,
)  # fmt: skip
