"""The mesh image: SesaHand's condition (its section 4; look and camera as in AttentionHand's release)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.render.gl import gl_thread
from engine.render.projection import check_camera, pixel_box
from engine.render.raycast import cast
from engine.render.shading import shade
from engine.render.surface import Surface, surface
from engine.types import Camera, UserError

if TYPE_CHECKING:
    from engine.hand import PosedHand

MeshBackend = Literal["pyrender", "raycast"]
_SAMPLES = 2  # rays along each side of a pixel, against jagged edges; OpenGL takes 4 samples too


def mesh_backend() -> MeshBackend:
    """What mesh_image uses on this machine: OpenGL if a context can be had and has not failed since."""
    return "pyrender" if gl_thread().failure is None else "raycast"


def mesh_image(hands: Sequence[PosedHand], camera: Camera, backend: MeshBackend | None = None) -> np.ndarray:
    """(H, W, 3) uint8: all hands near-white and shaded on black, in the camera's whole frame.

    Hands out of sight leave the picture black. A `backend` asked for by name is used or UserError raised.
    """
    check_camera(camera)
    scene = surface(hands)
    box = pixel_box(scene.verts, camera)
    if box[2] <= box[0]:
        return np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
    if backend != "raycast":
        thread = gl_thread()
        image = thread.render(scene, camera)
        if image is not None:
            return image
        if backend == "pyrender":
            raise UserError(
                f"OpenGL cannot be had here ({thread.failure}); use ray casting.",
                code="no_gl",
                reason=thread.failure,
            )
    return _by_raycasting(scene, camera, box)


def _by_raycasting(scene: Surface, camera: Camera, box: tuple[int, int, int, int]) -> np.ndarray:
    """The same picture without OpenGL."""
    x0, y0, x1, y1 = box
    height, width = y1 - y0, x1 - x0
    K = np.array(camera.K)
    K[:2] *= _SAMPLES
    fine = tuple(_SAMPLES * edge for edge in box)
    maps = cast(scene, K, fine)
    rows, columns = np.nonzero(maps.mask)
    rays = np.stack([columns + fine[0] + 0.5, rows + fine[1] + 0.5, np.ones(len(rows))], axis=1)
    points = rays @ np.linalg.inv(K).T * maps.depth_m[maps.mask][:, None]
    fine_image = np.zeros((*maps.mask.shape, 3))
    fine_image[maps.mask] = shade(maps.normals[maps.mask].astype(np.float64), points)
    image = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
    samples = fine_image.reshape(height, _SAMPLES, width, _SAMPLES, 3)
    image[y0:y1, x0:x1] = np.round(samples.mean(axis=(1, 3)) * 255).astype(np.uint8)
    return image
