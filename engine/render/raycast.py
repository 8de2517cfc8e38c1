"""Depth, normals, masks and parts by ray casting: exact, no OpenGL context, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.render.projection import check_camera, pixel_box
from engine.render.surface import Surface, surface
from engine.types import Camera

if TYPE_CHECKING:
    from engine.hand import PosedHand


@dataclass(frozen=True, eq=False)
class Maps:
    """What each pixel's centre sees."""

    depth_m: np.ndarray  # (H, W) float32, z in the camera's frame, inf where no hand is
    normals: np.ndarray  # (H, W, 3) float32, unit, smooth, camera frame, 0 where no hand is
    mask: np.ndarray  # (H, W) bool
    parts: np.ndarray  # (H, W) int, joint index in MANO order, -1 where no hand is
    hand_index: np.ndarray  # (H, W) int, index into hands, -1 where no hand is


def raycast(hands: Sequence[PosedHand], camera: Camera) -> Maps:
    """Maps of all hands in one scene, so that the nearer hides the farther."""
    check_camera(camera)
    scene = surface(hands)
    box = pixel_box(scene.verts, camera)
    maps = _nothing(camera.height_px, camera.width_px)
    x0, y0, x1, y1 = box
    if x1 > x0:
        crop = cast(scene, np.array(camera.K), box)
        for name in ("depth_m", "normals", "mask", "parts", "hand_index"):
            getattr(maps, name)[y0:y1, x0:x1] = getattr(crop, name)
    return maps


def cast(scene: Surface, K: np.ndarray, box: tuple[int, int, int, int]) -> Maps:
    """Maps of the pixels in `box` (x0, y0, x1, y1) alone; a hand fills little of most pictures."""
    import open3d as o3d

    x0, y0, x1, y1 = box
    height, width = y1 - y0, x1 - x0
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(scene.verts), o3d.core.Tensor(scene.faces.astype(np.uint32)))
    K = K.copy()
    K[0, 2] -= x0
    K[1, 2] -= y0
    rays = caster.create_rays_pinhole(o3d.core.Tensor(K), o3d.core.Tensor(np.eye(4)), width, height)
    hits = caster.cast_rays(rays)

    depth = hits["t_hit"].numpy()  # the rays have z = 1, so their parameter is z
    mask = np.isfinite(depth)
    corners = scene.faces[hits["primitive_ids"].numpy()[mask]]  # (hits, 3)
    u, v = hits["primitive_uvs"].numpy()[mask].T
    weights = np.stack([1 - u - v, u, v], axis=1)  # barycentric, of the three corners
    smooth = np.einsum("hc,hcx->hx", weights, scene.normals[corners])
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    nearest = corners[np.arange(len(corners)), weights.argmax(axis=1)]

    maps = _nothing(height, width)
    maps.depth_m[mask] = depth[mask]
    maps.normals[mask] = smooth
    maps.mask[mask] = True
    maps.parts[mask] = scene.parts[nearest]
    maps.hand_index[mask] = scene.hand_of_vert[nearest]
    return maps


def _nothing(height: int, width: int) -> Maps:
    """Maps of an empty scene."""
    return Maps(
        depth_m=np.full((height, width), np.inf, np.float32),
        normals=np.zeros((height, width, 3), np.float32),
        mask=np.zeros((height, width), bool),
        parts=np.full((height, width), -1),
        hand_index=np.full((height, width), -1),
    )
