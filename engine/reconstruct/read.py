"""From a picture to hands: MediaPipe's landmarks, then the hand model fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.reconstruct.fit import fit_hand
from engine.reconstruct.landmarks import Detection, check_image, detect
from engine.types import Camera, Reconstruction, Side

DEFAULT_FOCAL = 1.2  # of the picture's longer side, when the camera is not known: about 45 degrees


def reconstruct(
    image: np.ndarray, camera: Camera | None = None, side: Side | None = None, max_hands: int = 2
) -> list[Reconstruction]:
    """The hands in `image` (H, W, 3) uint8 RGB, surest first; a picture without hands gives [].

    `camera` is scaled to the picture's size; without one a usual lens is assumed, so distance is a guess.
    `side`, when known, is not left to MediaPipe, whose label can be wrong: then one hand at most is read.
    """
    camera = camera_of(image, camera)
    found = one_side(detect(image, max_hands), side)
    return [fit_detection(d, camera, side or d.side) for d in found]


def camera_of(image: np.ndarray, camera: Camera | None) -> Camera:
    """`camera` at the size of `image`, or a usual lens."""
    check_image(image)
    height, width = image.shape[:2]
    return usual_camera(height, width) if camera is None else camera.resized(width_px=width, height_px=height)


def usual_camera(height_px: int, width_px: int) -> Camera:
    """A usual lens over a picture of this size."""
    focal_px = DEFAULT_FOCAL * max(height_px, width_px)
    return Camera.simple(focal_px=focal_px, width_px=width_px, height_px=height_px)


def one_side(found: list[Detection], side: Side | None) -> list[Detection]:
    """All of `found` when no side is known, else the one that is most likely a hand of `side`."""
    return found if side is None or not found else [best_of_side(found, side)]


def best_of_side(found: Sequence[Detection], side: Side) -> Detection:
    """The surest detection labelled `side`, else the surest of all; `found` has one at least."""
    return max(found, key=lambda d: (d.side == side, d.score))


def fit_detection(detection: Detection, camera: Camera, side: Side) -> Reconstruction:
    """The hand of `side` that was detected, in the frame of `camera`, whose size is the picture's.

    A hand labelled as the other one was read inside out: palm for back. Under a distant camera the mirror
    image in depth looks the same and is a hand of the right side, so that reading is tried too.
    """
    from engine.hand import pose_hand

    worlds = [detection.world_m]
    if detection.side != side:
        worlds.append(detection.world_m * (1, 1, -1))
    fits = [fit_hand(detection.points_px, world, camera, side) for world in worlds]
    hand = min(fits, key=lambda fit: fit.cost).hand
    posed = pose_hand(hand)
    return Reconstruction(
        verts=posed.verts,
        joints=posed.joints,
        hand=hand,
        camera=camera,
        score=detection.score,
        keypoints_px=detection.points_px,
        faces=posed.faces,
    )
