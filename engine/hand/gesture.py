"""Named gestures: presets/gestures/gestures.yaml, in anatomical degrees, as HandPoses before a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.hand import rotation
from engine.hand.anatomy import from_anatomy, mirror
from engine.hand.joints import FINGERS, finger_joints
from engine.hand.model import HandModel, model_of
from engine.types import Camera, HandPose, UserError

FOLDER = Path(__file__).resolve().parents[2] / "presets" / "gestures"
FILE = FOLDER / "gestures.yaml"
# The flat right hand, upright before the camera with the palm towards it: columns are where its axes point.
_UPRIGHT = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
PORTRAIT_CAMERA = Camera.simple(focal_px=480.0, width_px=256, height_px=256)  # about 30 degrees
_PORTRAIT_FILL = 0.72  # of the picture's side, for the longer side of the hand's outline
# The composition of the embedded world (engine/corpus/placement.py): a person from the chest up, the hand raised
# beside the face. A mesh in the middle of the frame would leave the model no room for a head.
CAMERA = Camera.simple(focal_px=352.0, width_px=256, height_px=256)
_FILL = 0.46
_CENTRE_PX = (80.0, 152.0)  # of a right hand, which lies left in the picture


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """A gesture with its name for people and its words for a prompt."""

    name: str
    title: dict[str, str]  # {"en": ..., "zh": ...}
    phrase: str  # for a caption, as Hand1000 words it: "making ... hand gesture"
    group: str  # "hagrid" for that data set's 18, "more" for the others
    hand: HandPose  # in the camera's frame, where a person would hold it
    camera: Camera
    portrait: HandPose  # the same hand large in the middle of PORTRAIT_CAMERA's picture
    thumbnail: Path
    tags: tuple[str, ...] = ()
    mediapipe: str | None = None  # what MediaPipe's canned classifier calls it, where it knows it


def load_gestures() -> dict[str, Gesture]:
    """{name: gesture}, in the file's order, framed for the hand model in use."""
    return dict(_load(model_of("right")))


@lru_cache(maxsize=2)
def _load(model: HandModel) -> dict[str, Gesture]:
    import yaml

    try:
        entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))["gestures"]
        return {name: _gesture(model, name, entry) for name, entry in entries.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"The gestures in {FILE.name} cannot be read ({type(error).__name__}: {error}).",
            code="bad_gestures",
        ) from error


def _gesture(model: HandModel, name: str, entry: dict[str, Any]) -> Gesture:
    hand_pose, orient = _hand_pose(entry["fingers"]), _orientation(entry.get("view", {}))
    portrait = _placed(model, hand_pose, orient, PORTRAIT_CAMERA, _PORTRAIT_FILL, (128.0, 128.0))
    hand = _placed(model, hand_pose, orient, CAMERA, _FILL, _CENTRE_PX)
    if entry.get("side", "right") == "left":
        portrait, hand = mirror(portrait), mirror(hand)
    return Gesture(
        name=name,
        title=dict(entry["title"]),
        phrase=f"making {entry['words']} hand gesture",
        group=entry["group"],
        hand=hand,
        camera=CAMERA,
        portrait=portrait,
        thumbnail=FOLDER / f"{name}.webp",
        tags=tuple(entry.get("tags", ())),
        mediapipe=entry.get("mediapipe"),
    )


def _hand_pose(fingers: dict[str, dict[str, Any]]) -> np.ndarray:
    """(45,) rad of a right hand. A finger has bends of its three joints, spread and twist of its knuckle."""
    angles = np.zeros((15, 3))
    unknown = fingers.keys() - set(FINGERS)
    if unknown:
        raise ValueError(f"no such finger: {', '.join(sorted(unknown))}")
    for finger, entry in fingers.items():
        joints = [j - 1 for j in finger_joints(finger)]
        angles[joints, 0] = entry.get("bend", (0, 0, 0))
        angles[joints[0], 1:] = entry.get("spread", 0), entry.get("twist", 0)
    return from_anatomy(np.radians(angles))


def _orientation(view_deg: dict[str, float]) -> np.ndarray:
    """(3, 3). From upright with the palm to the camera the hand is rolled clockwise in the picture, then nodded
    back, then yawed so that the picture's right side comes nearer."""
    unknown = view_deg.keys() - {"roll", "nod", "yaw"}
    if unknown:
        raise ValueError(f"no such turn: {', '.join(sorted(unknown))}")
    nod, yaw, roll = (
        rotation.exp(axis * np.radians(view_deg.get(name, 0.0)))
        for axis, name in zip(np.eye(3), ("nod", "yaw", "roll"), strict=True)
    )
    return yaw @ nod @ roll @ _UPRIGHT


def _placed(
    model: HandModel,
    hand_pose: np.ndarray,
    orientation: np.ndarray,
    camera: Camera,
    fill: float,
    centre_px: tuple[float, float],
) -> HandPose:
    """The hand in the picture: its outline's longer side fills `fill` of the frame, its middle is at `centre_px`.

    `orientation` is how it looks to the eye: off the middle, the hand is turned along with the line of sight.
    """
    ray = np.linalg.inv(np.array(camera.K)) @ np.array([*centre_px, 1.0])
    orient = rotation.log(
        rotation.between(np.array([0.0, 0.0, 1.0]), ray / np.linalg.norm(ray)) @ orientation
    )
    verts = model.shape().pose(hand_pose, orient).verts
    low, high = verts.min(axis=0), verts.max(axis=0)
    distance = camera.K[0][0] * max(high[:2] - low[:2]) / (fill * camera.width_px)
    return HandPose(
        hand_pose=_rounded(hand_pose),
        global_orient=_rounded(orient),
        transl=_rounded(ray * distance - (low + high) / 2),
    )


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six decimals are a micrometre and make plans' keys the same on every machine."""
    return tuple(float(v) for v in np.round(values, 6) + 0.0)
