"""Pictures of hands of known truth. Sizes are not square; sides alternate."""

from __future__ import annotations

import numpy as np
import pytest

from engine.hand import anatomy, pose_hand
from engine.hand.gesture import PORTRAIT_CAMERA, load_gestures
from engine.reconstruct.trials import Trial, painted
from engine.render import mesh_image
from engine.types import Camera

_SMALLER = 0.7  # than the presets' cameras show a hand: MediaPipe wants some room around it


def picture(gesture: str, side: str, *, height_px: int = 300, width_px: int = 400, seed: int = 0) -> Trial:
    """The preset gesture, half the picture's height, painted like skin."""
    preset = load_gestures()[gesture]
    focal_px = _SMALLER * PORTRAIT_CAMERA.K[0][0] * height_px / PORTRAIT_CAMERA.height_px
    camera = Camera.simple(focal_px=focal_px, width_px=width_px, height_px=height_px)
    hand = preset.portrait if preset.portrait.side == side else anatomy.mirror(preset.portrait)
    mesh = mesh_image([pose_hand(hand)], camera, "raycast")
    return Trial(image=painted(mesh, np.random.default_rng(seed)), hand=hand, camera=camera)


@pytest.fixture(scope="session")
def take():
    """The function above."""
    return picture
