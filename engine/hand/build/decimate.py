"""Cutting and thinning a mesh so that every vertex kept is one of the old ones, or lies on an old edge.

Half-edge collapses ordered by quadric error (Garland and Heckbert, "Surface Simplification Using Quadric
Error Metrics", SIGGRAPH 1997). No vertex moves, so skinning weights and shape vectors carry over exactly.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

_BOUNDARY_WEIGHT = 10.0  # of the planes that hold the rim in place
_LENGTH_COST = 1e-3  # keeps flat parts from collapsing into slivers
_SLIVER = 0.02  # least ratio of a face's height to its longest side
_NORMAL_COSINE = 0.2  # a collapse may not turn a face further than this


@dataclass(frozen=True, eq=False, kw_only=True)
class Cut:
    """A mesh whose vertices are mixes of two vertices of another mesh."""

    ids: np.ndarray  # (N, 2) the two
    share: np.ndarray  # (N,) of the second; 0 where the vertex is an old one
    faces: np.ndarray  # (F, 3)

    def mix(self, values: np.ndarray) -> np.ndarray:
        """Carry values (V, ...) of the other mesh's vertices over to (N, ...)."""
        near, far = values[self.ids[:, 0]], values[self.ids[:, 1]]
        return near + self.share.reshape(-1, *[1] * (near.ndim - 1)) * (far - near)


def clip(faces: np.ndarray, height: np.ndarray) -> Cut:
    """Keep the part of a mesh where height (V,) < 0; faces that cross 0 are cut there."""
    ids: list[tuple[int, int]] = []
    share: list[float] = []
    number: dict[tuple[int, int], int] = {}

    def vertex(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in number:
            number[key] = len(ids)
            ids.append(key)
            share.append(0.0 if a == b else height[key[0]] / (height[key[0]] - height[key[1]]))
        return number[key]

    out = []
    for face in faces[(height[faces] < 0).any(axis=1)]:
        ring = []
        for a, b in zip(face, np.roll(face, -1), strict=True):
            if height[a] < 0:
                ring.append(vertex(a, a))
            if (height[a] < 0) != (height[b] < 0):
                ring.append(vertex(a, b))
        out += [(ring[0], ring[i], ring[i + 1]) for i in range(1, len(ring) - 1)]
    return Cut(ids=np.array(ids), share=np.array(share), faces=np.array(out))


def largest_component(faces: np.ndarray, count: int) -> np.ndarray:
    """The faces of the biggest connected piece."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    return faces[label[faces[:, 0]] == np.bincount(label[faces[:, 0]]).argmax()]


def boundary_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    """Edges of one face only, in that face's direction."""
    seen = Counter((min(a, b), max(a, b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True))
    return [
        (int(a), int(b))
        for f in faces
        for a, b in zip(f, np.roll(f, -1), strict=True)
        if seen[min(a, b), max(a, b)] == 1
    ]


class _Mesh:
    """A triangle mesh under half-edge collapses."""

    def __init__(self, verts: np.ndarray, faces: np.ndarray, attributes: np.ndarray, keep: Collection[int]):
        self.verts, self.attributes, self.keep = verts, attributes, set(keep)
        self.faces = {i: tuple(int(v) for v in face) for i, face in enumerate(faces)}
        self.around: dict[int, set[int]] = defaultdict(set)
        for i, face in self.faces.items():
            for v in face:
                self.around[v].add(i)
        rim = boundary_edges(faces)
        self.rim = {v for edge in rim for v in edge}
        self.rim_edges = {frozenset(edge) for edge in rim}
        self.quadrics = self._quadrics(faces, rim)

    def _quadrics(self, faces: np.ndarray, rim: list[tuple[int, int]]) -> np.ndarray:
        a, b, c = (self.verts[faces[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        area = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = normal / np.maximum(area, 1e-20)
        Q = np.zeros((len(self.verts), 4, 4))

        def add(v: int, n: np.ndarray, point: np.ndarray, weight: float) -> None:
            plane = np.append(n, -n @ point)
            Q[v] += weight * np.outer(plane, plane)

        by_edge = {}
        for i, face in enumerate(faces):
            for v in face:
                add(v, normal[i], a[i], float(area[i, 0]))
            for u, v in zip(face, np.roll(face, -1), strict=True):
                by_edge[u, v] = normal[i]
        for u, v in rim:
            along = self.verts[v] - self.verts[u]
            n = np.cross(along, by_edge[u, v])
            length = np.linalg.norm(n)
            for w in (u, v):
                add(w, n / length, self.verts[u], _BOUNDARY_WEIGHT * length**2)
        return Q

    def neighbours(self, v: int) -> set[int]:
        return {w for i in self.around[v] for w in self.faces[i]} - {v}

    def cost(self, gone: int, stays: int) -> float:
        """Squared distance to the planes around both, plus what the attributes would jump by."""
        point = np.append(self.verts[stays], 1.0)
        jump = self.attributes[gone] - self.attributes[stays]
        length = np.sum((self.verts[gone] - self.verts[stays]) ** 2)
        error = point @ (self.quadrics[gone] + self.quadrics[stays]) @ point
        return float(error + length**2 * (_LENGTH_COST + jump @ jump))

    def allowed(self, gone: int, stays: int) -> bool:
        if gone in self.keep or (gone in self.rim and frozenset((gone, stays)) not in self.rim_edges):
            return False
        shared = self.around[gone] & self.around[stays]
        if len(self.neighbours(gone) & self.neighbours(stays)) != len(shared):
            return False  # the link condition: the result would not be a manifold
        for i in self.around[gone] - shared:
            old = self.verts[list(self.faces[i])]
            new = self.verts[[stays if v == gone else v for v in self.faces[i]]]
            n_old, n_new = (np.cross(p[1] - p[0], p[2] - p[0]) for p in (old, new))
            area = np.linalg.norm(n_new)
            if n_old @ n_new <= _NORMAL_COSINE * np.linalg.norm(n_old) * area:
                return False
            if area < _SLIVER * np.sum((new - np.roll(new, 1, axis=0)) ** 2, axis=1).max():
                return False
        return True

    def collapse(self, gone: int, stays: int) -> set[int]:
        """Remove `gone`; the vertices whose costs changed."""
        for i in self.around.pop(gone):
            face = self.faces[i]
            if stays in face:
                for v in face:
                    if v != gone:
                        self.around[v].discard(i)
                del self.faces[i]
            else:
                self.faces[i] = tuple(stays if v == gone else v for v in face)
                self.around[stays].add(i)
        self.quadrics[stays] += self.quadrics[gone]
        if gone in self.rim:
            self.rim.discard(gone)
            others = [next(iter(e - {gone})) for e in self.rim_edges if gone in e]
            self.rim_edges = {e for e in self.rim_edges if gone not in e}
            self.rim_edges |= {frozenset((stays, v)) for v in others if v != stays}
        return {stays, *self.neighbours(stays)}


def decimate(
    verts: np.ndarray,
    faces: np.ndarray,
    *,
    count: int,
    rim: int,
    keep: Collection[int] = (),
    attributes: np.ndarray | None = None,
) -> np.ndarray:
    """Faces (F, 3) of a mesh with `count` of the vertices, `rim` of them on its boundary; `keep` all stay.

    attributes: (V, K), and a collapse costs the more the more they differ.
    """
    mesh = _Mesh(verts, faces, np.zeros((len(verts), 1)) if attributes is None else attributes, keep)
    _collapse_until(mesh, lambda: len(mesh.rim) <= rim, only=lambda v: v in mesh.rim)
    _collapse_until(mesh, lambda: len(mesh.around) <= count, only=lambda v: v not in mesh.rim)
    return np.array(list(mesh.faces.values()))


def _collapse_until(mesh: _Mesh, done: Callable[[], bool], only: Callable[[int], bool]) -> None:
    """Collapse the cheapest edge whose vertex to go passes `only`, until done."""
    stamp: dict[int, int] = defaultdict(int)
    heap: list[tuple[float, int, int, int]] = []

    def push(v: int) -> None:
        if only(v):
            for w in mesh.neighbours(v):
                heapq.heappush(heap, (mesh.cost(v, w), v, w, stamp[v]))

    for v in list(mesh.around):
        push(v)
    while not done():
        if not heap:
            raise RuntimeError("no collapse is left that keeps the mesh whole")
        _, gone, stays, when = heapq.heappop(heap)
        if gone not in mesh.around or stays not in mesh.around or when != stamp[gone]:
            continue
        if stays not in mesh.neighbours(gone) or not mesh.allowed(gone, stays):
            continue
        for v in mesh.collapse(gone, stays):
            stamp[v] += 1
            push(v)
