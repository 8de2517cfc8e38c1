"""A posed hand as a closed surface wound outwards, whatever its side: what a renderer needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from engine.types import UserError

if TYPE_CHECKING:
    from engine.hand import PosedHand

WRIST = 0  # joint index


@dataclass(frozen=True, eq=False)
class Surface:
    """All hands of a picture as one triangle mesh."""

    verts: np.ndarray  # (V, 3) float32 m, camera frame
    faces: np.ndarray  # (F, 3) int32, counter-clockwise seen from outside
    normals: np.ndarray  # (V, 3) float32, unit, outwards
    parts: np.ndarray  # (V,) int, joint index in MANO order
    hand_of_vert: np.ndarray  # (V,) int, index of the hand


def surface(hands: Sequence[PosedHand]) -> Surface:
    """The hands' meshes with closed wrists, joined; UserError for coordinates that are not finite."""
    verts, faces, parts, owner = [], [], [], []
    offset = 0
    for index, hand in enumerate(hands):
        points = np.asarray(hand.verts, dtype=np.float32)
        if not np.isfinite(points).all():
            raise UserError(
                "The hand has coordinates that are not numbers; reset its pose.", code="bad_numbers"
            )
        closed = _closed(np.asarray(hand.faces))
        verts.append(points)
        faces.append(_outward(points, closed) + offset)
        parts.append(np.asarray(hand.part_of_vert))
        owner.append(np.full(len(points), index))
        offset += len(points)
    if not hands:
        none = np.zeros((0, 3), np.float32)
        nobody = np.zeros(0, int)
        return Surface(none, np.zeros((0, 3), np.int32), none, nobody, nobody)
    all_verts, all_faces = np.concatenate(verts), np.concatenate(faces).astype(np.int32)
    return Surface(
        verts=all_verts,
        faces=all_faces,
        normals=vertex_normals(all_verts, all_faces),
        parts=np.concatenate(parts).astype(int),
        hand_of_vert=np.concatenate(owner),
    )


def vertex_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, the faces' normals averaged by area."""
    corners = verts[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(verts)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(lengths, np.finfo(np.float32).tiny)


def _outward(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """`faces` with the winding for which the closed mesh has positive volume.

    A mirrored left hand often keeps the right hand's faces, which then wind inwards.
    """
    a, b, c = (verts[faces[:, i]].astype(np.float64) for i in range(3))
    volume = np.einsum("fi,fi->", a - verts.mean(axis=0), np.cross(b - a, c - a))
    return faces if volume >= 0 else faces[:, ::-1]


def _closed(faces: np.ndarray) -> np.ndarray:
    """`faces` and a fan over each open rim: MANO's mesh is open at the wrist."""
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    return np.concatenate([faces, _caps(faces.tobytes())])


@lru_cache(maxsize=8)
def _caps(faces_bytes: bytes) -> np.ndarray:
    """Faces that close the rims of the mesh whose (F, 3) int32 faces are given as bytes."""
    faces = np.frombuffer(faces_bytes, dtype=np.int32).reshape(-1, 3)
    edges = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}  # a rim's edges have no twin
    caps: list[tuple[int, int, int]] = []
    while following:
        first = min(following)  # so that the fan is the same for either winding
        second = following.pop(first)
        loop = [first]
        while second != first and second in following:
            loop.append(second)
            second = following.pop(second)
        caps += [(first, loop[i + 1], loop[i]) for i in range(1, len(loop) - 1)]
    return np.array(caps, dtype=np.int32).reshape(-1, 3)
