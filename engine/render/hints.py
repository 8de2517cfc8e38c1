"""Conditioning images: what a ControlNet is shown of the asked-for hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.render.keypoints import draw_keypoints, keypoints_px
from engine.render.mesh import mesh_image
from engine.render.raycast import Maps, raycast
from engine.types import Camera, HandPose, UserError

if TYPE_CHECKING:
    from engine.hand import PosedHand

_FAR_SHARE = 0.8  # HandRefiner: the farthest point keeps 1 - 0.8 of the brightness


def render_hint(kind: str, hands: tuple[HandPose, ...], camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """The hint `kind` (a key of HINT_KINDS) of `hands` at `size` (height_px, width_px): (H, W, 3) uint8.

    UserError when there is nothing to see: an empty hint would silently ask for no hand.
    """
    from engine.hand import pose_hand

    if kind not in HINT_KINDS:
        raise UserError(f"There is no hint {kind!r}; choose one of {', '.join(HINT_KINDS)}.", code="bad_hint")
    if not hands:
        raise UserError("This method needs a hand; pose one or pick a gesture.", code="no_hand")
    height_px, width_px = size
    view = camera.resized(width_px=width_px, height_px=height_px)
    image = HINT_KINDS[kind]([pose_hand(hand) for hand in hands], view)
    if not image.any():
        raise UserError("The hand is outside the picture; move it into view.", code="hand_out_of_view")
    return image


def depth_image(maps: Maps) -> np.ndarray:
    """HandRefiner's depth: near 255, far 51, each hand over its own range; background 0."""
    gray = np.zeros(maps.mask.shape)
    for index in np.unique(maps.hand_index[maps.mask]):
        pixels = maps.hand_index == index
        depth = maps.depth_m[pixels]
        span = max(float(np.ptp(depth)), 1e-6)  # a flat hand is near everywhere
        gray[pixels] = 1 - _FAR_SHARE * (depth - depth.min()) / span
    return _gray(np.round(gray * 255))


def normals_image(maps: Maps) -> np.ndarray:
    """Normals as colours in the usual axes: red to the right, green up, blue towards the viewer."""
    colors = (maps.normals * (1, -1, -1) + 1) / 2 * 255
    return np.where(maps.mask[..., None], np.round(colors), 0).astype(np.uint8)


def _keypoints(hands: Sequence[PosedHand], camera: Camera) -> np.ndarray:
    image = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
    for hand in hands:
        image = draw_keypoints(image, keypoints_px(hand, camera))
    return image


def _gray(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


HINT_KINDS: dict[str, Callable[[Sequence[PosedHand], Camera], np.ndarray]] = {
    "mesh": mesh_image,
    "depth": lambda hands, camera: depth_image(raycast(hands, camera)),
    "normals": lambda hands, camera: normals_image(raycast(hands, camera)),
    "keypoints": _keypoints,
    "mask": lambda hands, camera: _gray(raycast(hands, camera).mask * 255),
}
