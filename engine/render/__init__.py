"""Pictures of posed hands: the mesh image and the other conditions, by OpenGL or by ray casting.

Everything is in the camera's frame (OpenCV axes, metres) and every picture is (H, W, 3) uint8 RGB.
"""

from engine.render.hints import HINT_KINDS, depth_image, normals_image, render_hint
from engine.render.keypoints import draw_keypoints, keypoints_px
from engine.render.mesh import mesh_backend, mesh_image
from engine.render.projection import project
from engine.render.raycast import Maps, raycast

__all__ = [
    "HINT_KINDS", "Maps", "depth_image", "draw_keypoints", "keypoints_px", "mesh_backend", "mesh_image",
    "normals_image", "project", "raycast", "render_hint",
]  # fmt: skip
