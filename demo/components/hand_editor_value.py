"""What the hand editor holds, and how the browser's word for it is checked. No gradio here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.types import Camera, HandPose, Side, UserError, to_json

MOST_HANDS = 2
MOST_BETA = 5.0  # standard deviations
DEPTH_M = (0.05, 10.0)
REACH_M = 5.0  # sideways
FOCAL_PX = (1.0, 1e5)
_LARGEST = 1e9  # of any number in a pose; NaN is not below it either
_UNNOTICED_RAD = 0.01  # rounding, and a person's own MANO having slightly other axes, are not worth a notice
_FILE_TYPE = "HandLabPose"


@dataclass(frozen=True, kw_only=True)
class EditorValue:
    """One or two hands before a camera."""

    hands: tuple[HandPose, ...]
    camera: Camera
    gesture: str | None = None  # the preset the pose began as
    edited: bool = False  # the hands are no longer exactly that preset
    active: Side = "right"  # the hand that the panel edits
    notices: tuple[str, ...] = ()  # what had to be corrected, one sentence each; not part of the JSON

    def __post_init__(self):
        if not 1 <= len(self.hands) <= MOST_HANDS:
            raise UserError("The editor takes one or two hands.", code="hand_count", count=len(self.hands))

    @classmethod
    def of_gesture(cls, gesture: Any) -> EditorValue:
        """The preset itself (an engine.hand.gesture.Gesture)."""
        return cls(
            hands=(gesture.hand,), camera=gesture.camera, gesture=gesture.name, active=gesture.hand.side
        )

    def with_gesture(self, gesture: Any) -> EditorValue:
        """The active hand takes the preset's pose, on its own side and its own shape; the other stays."""
        from engine.hand.anatomy import mirror

        def posed(hand: HandPose) -> HandPose:
            if hand.side != self.active:
                return hand
            preset = gesture.hand if gesture.hand.side == hand.side else mirror(gesture.hand)
            if len(self.hands) > 1:  # beside the other hand, not in the middle of the picture
                preset = replace(preset, transl=hand.transl)
            return replace(preset, betas=hand.betas)

        return replace(
            self, hands=tuple(map(posed, self.hands)), gesture=gesture.name, edited=False, notices=()
        )

    def to_json(self) -> dict[str, Any]:
        """What the browser and a saved file hold."""
        return {
            "type": _FILE_TYPE,
            "version": 1,
            "hands": [to_json(hand) for hand in self.hands],
            "camera": to_json(self.camera),
            "gesture": self.gesture,
            "edited": self.edited,
            "active": self.active,
        }


def parse(data: Any, gestures: Collection[str] | None = None) -> EditorValue:
    """A browser's or a file's JSON as an EditorValue; UserError says what does not fit.

    Joints beyond their anatomical limits are brought back to them, shapes and places to sane ranges;
    `notices` says so. `gestures` are the names that exist; None knows no better.
    """
    if not isinstance(data, Mapping):
        raise UserError("This is not a hand pose; choose a file saved by the editor.", code="bad_pose")
    hands = data.get("hands")
    if not isinstance(hands, list) or not 1 <= len(hands) <= MOST_HANDS:
        raise UserError("A pose holds one or two hands.", code="hand_count")
    checked = [_hand(hand) for hand in hands]
    sides = [hand.side for hand, _ in checked]
    active = data.get("active")
    return EditorValue(
        hands=tuple(hand for hand, _ in checked),
        camera=_camera(data.get("camera")),
        gesture=_gesture(data.get("gesture"), gestures),
        edited=data.get("edited") is True,
        active=active if active in sides else sides[0],
        notices=tuple(dict.fromkeys(notice for _, notices in checked for notice in notices)),
    )


def _hand(data: Any) -> tuple[HandPose, list[str]]:
    from engine.hand import anatomy

    if not isinstance(data, Mapping):
        raise UserError("A pose's hands must be objects with side, hand_pose and so on.", code="bad_pose")
    hand = HandPose(
        side=data.get("side"),
        global_orient=_numbers(data, "global_orient"),
        hand_pose=_numbers(data, "hand_pose"),
        betas=_numbers(data, "betas"),
        transl=_numbers(data, "transl"),
    )
    notices = []
    clamped = anatomy.clamp(hand.hand_pose, hand.side)
    if not np.allclose(clamped, hand.hand_pose, atol=_UNNOTICED_RAD):
        notices.append("Some joints were beyond what a hand can do and were brought back to their limits.")
    betas = tuple(np.clip(hand.betas, -MOST_BETA, MOST_BETA).tolist())
    low, high = (-REACH_M, -REACH_M, DEPTH_M[0]), (REACH_M, REACH_M, DEPTH_M[1])
    transl = tuple(np.clip(hand.transl, low, high).tolist())
    if betas != hand.betas or transl != hand.transl:
        notices.append("The hand's shape or place was out of range and was brought back.")
    return replace(hand, hand_pose=tuple(clamped.tolist()), betas=betas, transl=transl), notices


def _camera(data: Any) -> Camera:
    bad = UserError("The pose's camera cannot be used; choose a gesture again.", code="bad_camera")
    if not isinstance(data, Mapping):
        raise bad
    K, width, height = data.get("K"), data.get("width_px"), data.get("height_px")
    rows_fit = isinstance(K, list) and all(isinstance(row, list) and all(map(_is_number, row)) for row in K)
    if not rows_fit or not _is_whole(width) or not _is_whole(height):
        raise bad
    camera = Camera(K=K, width_px=width, height_px=height)
    (fx, skew, _), (zero, fy, _), last = camera.K
    if not all(FOCAL_PX[0] <= f <= FOCAL_PX[1] for f in (fx, fy)) or skew or zero or last != (0.0, 0.0, 1.0):
        raise bad
    return camera


def _gesture(name: Any, gestures: Collection[str] | None) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or (gestures is not None and name not in gestures):
        raise UserError("There is no such gesture; pick one from the pictures.", code="no_gesture")
    return name


def _numbers(data: Mapping[str, Any], name: str) -> list[float]:
    """A list of real, finite numbers; HandPose checks its length."""
    values = data.get(name)
    if not isinstance(values, list) or not all(_is_number(v) for v in values):
        raise UserError(f"{name} must be a list of finite numbers.", code="bad_numbers", name=name)
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
