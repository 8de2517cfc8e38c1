"""The mesh image's look, shared by both renderers: SesaHand's condition, as AttentionHand's release shows it.

A near-white matte surface on pure black, three directional lights from around the camera (Raymond lighting).
"""

from __future__ import annotations

import numpy as np

BASE_COLOR = (1.0, 1.0, 0.9)  # RGB, also HaMeR's default on black
AMBIENT = 0.3
METALLIC = 0.0
ROUGHNESS = 1.0
LIGHT_INTENSITY = 0.75
_DIELECTRIC = 0.04  # glTF's reflectance of a non-metal at normal incidence
_GAMMA = 2.2


def light_directions() -> np.ndarray:
    """(3, 3) unit vectors towards the lights, camera frame: 30 degrees off the view axis, 120 apart."""
    tilt = np.pi / 6
    turns = np.arange(3) * 2 * np.pi / 3
    x, y = np.sin(tilt) * np.cos(turns), np.sin(tilt) * np.sin(turns)
    return np.stack([x, -y, np.full(3, -np.cos(tilt))], axis=1)


def shade(normals: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., 3) unit normals and (..., 3) m points, camera frame -> (..., 3) float in [0, 1], display RGB.

    glTF 2.0's metallic-roughness model (appendix B) for a rough non-metal, with gamma 2.2: what pyrender's
    shader computes, so that the picture is the same when OpenGL cannot be had.
    """
    albedo = np.array(BASE_COLOR)
    diffuse_albedo = albedo * (1 - _DIELECTRIC) * (1 - METALLIC)
    view = -points / np.linalg.norm(points, axis=-1, keepdims=True)
    n_v = np.clip(np.abs(_dot(normals, view)), 1e-3, 1)
    k = (ROUGHNESS + 1) ** 2 / 8
    alpha_squared = ROUGHNESS**4

    color = np.broadcast_to(albedo * AMBIENT, normals.shape).copy()
    for light in light_directions():
        half = light + view
        half /= np.linalg.norm(half, axis=-1, keepdims=True)
        n_l = np.clip(normals @ light, 1e-3, 1)[..., None]
        n_h = np.clip(_dot(normals, half), 0, 1)
        v_h = np.clip(_dot(view, half), 0, 1)
        fresnel = _DIELECTRIC + (1 - _DIELECTRIC) * (1 - v_h) ** 5
        geometry = n_v / (n_v * (1 - k) + k) * n_l / (n_l * (1 - k) + k)
        distribution = alpha_squared / (np.pi * (n_h**2 * (alpha_squared - 1) + 1) ** 2)
        specular = fresnel * geometry * distribution / (4 * n_l * n_v + 1e-3)
        color += n_l * LIGHT_INTENSITY * ((1 - fresnel) * diffuse_albedo / np.pi + specular)
    return np.clip(color, 0, 1) ** (1 / _GAMMA)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 1) inner products."""
    return np.einsum("...i,...i->...", a, b)[..., None]
