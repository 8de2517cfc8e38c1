"""Hands as mesh files: .glb for a light viewer, .obj for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.types import HandPose, Reconstruction

ASKED_COLOR = (148, 163, 184, 110)  # RGBA; see-through, so that the hand inside shows
METHOD_COLORS = (
    (99, 102, 241), (13, 148, 136), (217, 119, 6), (219, 39, 119),
    (37, 99, 235), (101, 163, 13), (147, 51, 234), (220, 38, 38),
)  # fmt: skip
_GLTF_AXES = np.array([1.0, -1.0, -1.0])  # OpenCV's camera axes to glTF's: +Y up, +Z towards the viewer


@dataclass(frozen=True, eq=False)
class NamedMesh:
    """A mesh in the camera's frame. `color` is RGBA, 0..255."""

    name: str
    verts: np.ndarray  # (V, 3) m
    faces: np.ndarray  # (F, 3)
    color: tuple[int, ...]


def asked_meshes(hands: Sequence[HandPose]) -> list[NamedMesh]:
    """The hands that were asked for."""
    from engine.hand import pose_hand

    posed = [pose_hand(hand) for hand in hands]
    return [NamedMesh(f"asked-{hand.side}", hand.verts, hand.faces, ASKED_COLOR) for hand in posed]


def aligned_mesh(name: str, found: Reconstruction, asked: HandPose, color: tuple[int, ...]) -> NamedMesh:
    """The found hand laid onto the asked-for one by PA-MPJPE's similarity, so that poses compare."""
    from engine.evaluate.metrics_hand import fit_similarity
    from engine.hand import pose_hand

    onto = fit_similarity(found.joints, pose_hand(asked).joints)
    return NamedMesh(name, onto(found.verts), _faces(found), color)


def found_mesh(name: str, found: Reconstruction, color: tuple[int, ...]) -> NamedMesh:
    """The found hand where its own camera sees it."""
    return NamedMesh(name, found.verts, _faces(found), color)


def glb(meshes: Sequence[NamedMesh]) -> bytes:
    """A binary glTF scene around the middle of `meshes`."""
    import trimesh

    scene = trimesh.Scene()
    middle = np.concatenate([mesh.verts for mesh in meshes]).mean(axis=0)
    for mesh in meshes:
        material = trimesh.visual.material.PBRMaterial(
            baseColorFactor=_rgba(mesh.color),
            metallicFactor=0.0,
            roughnessFactor=0.7,
            alphaMode="BLEND" if len(mesh.color) == 4 and mesh.color[3] < 255 else "OPAQUE",
            doubleSided=True,
        )
        scene.add_geometry(
            trimesh.Trimesh(
                (mesh.verts - middle) * _GLTF_AXES,
                mesh.faces,
                process=False,
                visual=trimesh.visual.TextureVisuals(material=material),
            ),
            geom_name=mesh.name,
            node_name=mesh.name,
        )
    return scene.export(file_type="glb", include_normals=True)


def obj(mesh: NamedMesh) -> str:
    """A Wavefront .obj in the camera's frame (OpenCV axes, metres)."""
    lines = [f"# {mesh.name}: metres, OpenCV camera axes", f"o {mesh.name}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.verts]
    lines += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    return "\n".join(lines) + "\n"


def colors_of(methods: Mapping[str, object] | Sequence[str]) -> dict[str, tuple[int, ...]]:
    """A colour a method, by its place in the registry: the same everywhere."""
    return {name: METHOD_COLORS[i % len(METHOD_COLORS)] for i, name in enumerate(methods)}


def _rgba(color: tuple[int, ...]) -> list[int]:
    return [*color[:3], color[3] if len(color) == 4 else 255]


def _faces(found: Reconstruction) -> np.ndarray:
    from engine.hand import pose_hand

    return found.faces if found.faces is not None else pose_hand(found.hand).faces
