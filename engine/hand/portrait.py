"""Pictures of gestures for people: a skin-coloured hand in soft light, transparent around it.

`python -m engine.hand.portrait` writes every gesture's thumbnail, presets/gestures/NAME.webp.
"""

from __future__ import annotations

import argparse
import io
import logging
from typing import TYPE_CHECKING

import numpy as np

from engine.hand.gesture import PORTRAIT_CAMERA, Gesture, load_gestures
from engine.hand.model import PosedHand, pose_hand
from engine.types import Camera, HandPose

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger("engine.hand.portrait")

THUMBNAIL_PX = 160
_SEEN = 60  # alpha from which a thumbnail's pixel counts for its framing
_MARGIN = 1.14  # of the thumbnail's side to the hand's longer side
_SAMPLES = 3  # rays along each side of a pixel
_SKIN = np.array([0.80, 0.52, 0.40])  # linear RGB
_SHADE = np.array([0.30, 0.13, 0.10])  # where no light falls: skin glows red
_LIGHTS = (
    ((-0.5, -0.75, -0.65), 0.85),
    ((0.9, 0.1, -0.5), 0.22),
)  # towards key and fill, camera frame; strength
_RIM = 0.35  # how dark grazing skin gets: outlines fingers against the palm
_FADE_M = (-0.025, 0.010)  # past the wrist joint, where the arm fades from whole to nothing
_OCCLUSION_M = 0.012  # how much nearer the surroundings are where the shade is full


def portrait(hand: HandPose, camera: Camera, size_px: int, *, fade: bool = True) -> np.ndarray:
    """(size_px, size_px, 4) uint8 RGBA of one hand, transparent around it; `fade` the arm out at its end."""
    from engine.render import raycast

    fine_px = size_px * _SAMPLES
    camera = camera.resized(width_px=fine_px, height_px=fine_px)
    posed = pose_hand(hand)
    maps = raycast([posed], camera)
    cover = maps.mask[..., None].astype(float)
    if fade:
        cover *= _arm_fade(maps.depth_m, posed, camera)[..., None]
    alpha = _pooled(cover)
    rgb = _pooled(_shaded(maps.normals, _occlusion(maps.depth_m)) * cover) / np.maximum(alpha, 1e-6)
    srgb = np.clip(rgb, 0, 1) ** (1 / 2.2)
    return np.round(np.concatenate([srgb, alpha], axis=-1) * 255).astype(np.uint8)


def thumbnail(gesture: Gesture, size_px: int = THUMBNAIL_PX) -> Image.Image:
    """The gesture's portrait, filling a square picture."""
    from PIL import Image

    large = Image.fromarray(portrait(gesture.portrait, PORTRAIT_CAMERA, 2 * size_px))
    left, top, right, bottom = large.getchannel("A").point(lambda a: 255 * (a > _SEEN)).getbbox()
    half = _MARGIN * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    square = tuple(round(v) for v in (x - half, y - half, x + half, y + half))
    return large.crop(square).resize((size_px, size_px), Image.Resampling.LANCZOS)


def on_ground(image: np.ndarray, grey: int = 110) -> np.ndarray:
    """(H, W, 3) uint8: an RGBA picture on plain grey."""
    alpha = image[..., 3:] / 255
    return np.round(image[..., :3] * alpha + grey * (1 - alpha)).astype(np.uint8)


def _arm_fade(depth_m: np.ndarray, posed: PosedHand, camera: Camera) -> np.ndarray:
    """(H, W) 0..1: the stump of the arm fades out instead of ending in a cut."""
    rows, columns = np.indices(depth_m.shape) + 0.5
    depth = np.where(np.isfinite(depth_m), depth_m, 0.0)
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(camera.K).T
    R, wrist = posed.T_world_joint[0, :3, :3], posed.T_world_joint[0, :3, 3]
    along_arm = (rays * depth[..., None] - wrist) @ R[
        :, 0
    ]  # X runs from the fingers to the arm of a right hand
    if posed.side == "left":
        along_arm = -along_arm
    from_m, to_m = _FADE_M
    share = np.clip((to_m - along_arm) / (to_m - from_m), 0, 1)
    return share * share * (3 - 2 * share)


def _shaded(normals: np.ndarray, occlusion: np.ndarray) -> np.ndarray:
    """(H, W, 3) linear RGB."""
    light = np.zeros(normals.shape[:2])
    for towards, strength in _LIGHTS:
        direction = np.array(towards) / np.linalg.norm(towards)
        wrapped = np.clip((normals @ direction + 0.3) / 1.3, 0, None)  # light goes round soft things
        light += strength * wrapped
    facing = np.clip(-normals[..., 2], 0, 1)
    light = (0.12 + light) * (1 - _RIM * (1 - facing) ** 2) * (1 - 0.6 * occlusion)
    share = np.clip(light, 0, 1)[..., None]
    return _SHADE * share + (_SKIN - _SHADE) * share**1.5 + 0.06 * share**6


def _occlusion(depth_m: np.ndarray) -> np.ndarray:
    """(H, W) 0..1: how far the surroundings stand out before a pixel; darkens the clefts between fingers."""
    from scipy.ndimage import gaussian_filter

    mask = np.isfinite(depth_m)
    depth = np.where(mask, depth_m, 0.0)
    out = np.zeros(depth.shape)
    for share in (0.012, 0.03):
        sigma = share * depth.shape[0]
        near = gaussian_filter(depth, sigma) / np.maximum(gaussian_filter(mask.astype(float), sigma), 1e-3)
        out += 0.5 * np.clip((depth - near) / _OCCLUSION_M, 0, 1)
    return out * mask


def _pooled(image: np.ndarray) -> np.ndarray:
    """Mean of each block of samples."""
    height, width, channels = image.shape
    blocks = image.reshape(height // _SAMPLES, _SAMPLES, width // _SAMPLES, _SAMPLES, channels)
    return blocks.mean(axis=(1, 3))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.hand.portrait", description=__doc__)
    parser.add_argument("names", nargs="*", help="gestures; all when none is named")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    gestures = load_gestures()
    for name in args.names or gestures:
        gesture = gestures[name]
        buffer = io.BytesIO()
        thumbnail(gesture).save(buffer, "webp", quality=90, method=6)
        gesture.thumbnail.write_bytes(buffer.getvalue())
        log.info("%s: %d bytes", gesture.thumbnail.name, len(buffer.getvalue()))


if __name__ == "__main__":
    main()
