"""Google's MediaPipe models: hand landmarks (HandLandmarker) and the canned gestures (GestureRecognizer).

MediaPipe's graphs are not safe to share between threads, so one lock guards them; a call takes some 20 ms.
"""

from __future__ import annotations

import os
import threading
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.types import Side, UserError

CONTAINER = Path(__file__).resolve().parents[2] / "assets" / "mediapipe" / "gesture_recognizer.task"
LANDMARKER = "hand_landmarker.task"  # a member of the container
MIN_SIDE_PX = 512  # smaller pictures are enlarged: the landmark network sees a crop of 224 px
MAX_SIDE_PX = 2048
_MARGIN = 0.25  # of the picture's longer side, on each side, for the second look
_SAME_HAND = 0.3  # two detections are one hand when their keypoints lie this near, in hand sizes
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """A hand that MediaPipe found."""

    side: Side
    score: float  # of the handedness, 0..1: what papers publish as hand confidence
    points_px: np.ndarray  # (21, 2) px as (x, y), in the picture given
    world_m: np.ndarray  # (21, 3) m, OpenCV axes, about the hand's middle


def detect(image: np.ndarray, max_hands: int = 2, min_score: float = 0.5) -> list[Detection]:
    """Hands in `image` (H, W, 3) uint8 RGB, best first; none is a normal result.

    A picture without a find is looked at again with a margin, since palms that fill it are missed, and then
    mirrored: of 164 test hands 56, 83 and 86 % were found after each look.
    """
    check_image(image)
    found = _look(image, max_hands, min_score)
    if not found:
        margin = round(_MARGIN * max(image.shape[:2]))
        wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        found = _look(wide, max_hands, min_score)
        if not found:
            found = [_mirrored(d, wide.shape[1]) for d in _look(wide[:, ::-1], max_hands, min_score)]
        found = [replace(d, points_px=d.points_px - margin) for d in found]
    return found


def recognise(image: np.ndarray) -> list[tuple[str, float]]:
    """(gesture, score) of each hand, surest first, in MediaPipe's own names: "Thumb_Up", "None", ..."""
    check_image(image)
    with _lock:
        result = _recognizer(os.getpid()).recognize(_mp_image(_resized(image)))
    best = [(hand[0].category_name, float(hand[0].score)) for hand in result.gestures if hand]
    return sorted(best, key=lambda pair: -pair[1])


def check_image(image: np.ndarray) -> None:
    """UserError unless `image` is (H, W, 3) uint8 with at least one pixel."""
    good = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.size
    if not (good and image.dtype == np.uint8):
        raise UserError("The picture must be an RGB image of 8 bits a channel.", code="bad_image")


def _look(image: np.ndarray, max_hands: int, min_score: float) -> list[Detection]:
    with _lock:
        result = _landmarker(os.getpid(), max_hands, min_score).detect(_mp_image(_resized(image)))
    height, width = image.shape[:2]
    found = []
    for label, points, world in zip(
        result.handedness, result.hand_landmarks, result.hand_world_landmarks, strict=True
    ):
        found.append(
            Detection(
                side=label[0].category_name.lower(),
                score=float(label[0].score),
                points_px=np.array([(p.x * width, p.y * height) for p in points]),
                world_m=np.array([(p.x, p.y, p.z) for p in world]),
            )
        )
    return _without_doubles(sorted(found, key=lambda d: -d.score))


def _without_doubles(found: list[Detection]) -> list[Detection]:
    """The detections that are not a better one again: MediaPipe sometimes reports a hand twice."""
    kept: list[Detection] = []
    for candidate in found:
        size = max(float(np.ptp(candidate.points_px, axis=0).max()), 1.0)
        gaps = [np.linalg.norm(candidate.points_px - k.points_px, axis=1).mean() / size for k in kept]
        if all(gap > _SAME_HAND for gap in gaps):
            kept.append(candidate)
    return kept


def _mirrored(detection: Detection, width_px: int) -> Detection:
    """What was detected in the mirror image of a picture, in the picture."""
    return replace(
        detection,
        side="left" if detection.side == "right" else "right",
        points_px=detection.points_px * (-1, 1) + (width_px, 0),
        world_m=detection.world_m * (-1, 1, 1),
    )


def _resized(image: np.ndarray) -> np.ndarray:
    """`image` scaled, aspect kept, so that its sides lie within what MediaPipe does well on."""
    import cv2

    height, width = image.shape[:2]
    scale = min(max(1.0, MIN_SIDE_PX / min(height, width)), MAX_SIDE_PX / max(height, width))
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _mp_image(image: np.ndarray) -> Any:
    import mediapipe as mp

    return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def _landmarker_bytes() -> bytes:
    """Google's hand_landmarker.task out of the container; UserError when it is not there."""
    try:
        with zipfile.ZipFile(CONTAINER) as container:
            return container.read(LANDMARKER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"MediaPipe's models ({CONTAINER.name}) are missing or broken; "
            "make them with `python -m engine.hand.build.mediapipe_tasks`.",
            code="no_mediapipe_model",
            file=CONTAINER.name,
        ) from error


@lru_cache(maxsize=4)
def _landmarker(pid: int, max_hands: int, min_score: float) -> Any:
    """Keyed by the process: MediaPipe's threads do not survive a fork."""
    from mediapipe.tasks.python import BaseOptions, vision

    return vision.HandLandmarker.create_from_options(
        vision.HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=_landmarker_bytes()),
            num_hands=max_hands,
            min_hand_detection_confidence=min_score,
            min_hand_presence_confidence=min_score,
        )
    )


@lru_cache(maxsize=1)
def _recognizer(pid: int) -> Any:
    from mediapipe.tasks.python import BaseOptions, vision

    _landmarker_bytes()  # for its sentence; MediaPipe's own is long
    options = BaseOptions(model_asset_path=str(CONTAINER))
    return vision.GestureRecognizer.create_from_options(
        vision.GestureRecognizerOptions(base_options=options, num_hands=2)
    )
