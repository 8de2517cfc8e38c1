"""What covers the body: shirt, trousers, hair and hats, cut from surfaces that the body carries along.

A cover function says for each point of the resting body how many metres inside the garment's edge it lies;
the shader throws away what is outside. Garments are split near their edges until those are smooth lines.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from engine.corpus.body import Body, load_body
from engine.corpus.raster import CLOTH, EYE, HAIR, HAT, SKIN, TROUSERS, Geometry
from engine.corpus.surfaces import HEAD_CENTRE, surfaces
from engine.corpus.wardrobe import HAIR_SHAPES

HEM_M = -0.015  # height of the shirt's lower edge on the template
TUCK_M = 0.02  # skin is drawn this far under cloth
HAT_LINES = {
    "cap": (0.786, 0.784, 0.768, 0.745),
    "beanie": (0.778, 0.770, 0.748, 0.715),
}  # as HAIR_SHAPES' line


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The shapes worn, without colours: equal cuts share their pieces."""

    hair: str  # names in wardrobe
    sleeve: str
    neck: str
    hat: str | None


def shirt_cover(template: np.ndarray, sleeve: str, neck: str) -> np.ndarray:
    """(V,) m, how far inside the shirt's edge each vertex of the template lies; negative is bare."""
    x, y, z = template.T
    end = {"short": 0.285, "long": 0.436}[sleeve]
    along = np.abs(x) + 0.55 * np.clip(0.30 - z, 0, None)  # the arm runs outward and down
    trunk = (np.abs(x) < 0.25) & (z < 0.30)
    arm = np.where(trunk, 1.0, (end - along) * 1.1)
    front = np.clip((-0.02 - y) / 0.05, 0, 1)
    lowest = 0.455 + 1.6 * np.abs(x) if neck == "V" else 0.530 + 8.5 * x**2
    edge = np.minimum(front * lowest + (1 - front) * (0.568 + 3.0 * x**2), 0.590)
    hem = np.where(np.abs(x) < 0.25, z - HEM_M, 1.0)  # hands hang lower than that
    return np.minimum(np.minimum(arm, edge - z), hem)


def trousers_cover(template: np.ndarray) -> np.ndarray:
    """(V,) m below the waist; the ankles are the surface's own end."""
    x, _, z = template.T
    return np.where(np.abs(x) < 0.25, HEM_M + 0.03 - z, -1.0)


def hair_cover(template: np.ndarray, line: tuple[float, ...]) -> np.ndarray:
    """(V,) m above the hairline, which runs through `line` at forehead, temple, ear and nape."""
    offset = template - HEAD_CENTRE
    azimuth = np.abs(np.arctan2(offset[:, 0], -offset[:, 1]))
    front, temple, ear, nape = line
    heights = (front, front - 0.002, temple, temple - 0.012, ear, nape + 0.02, nape)
    height = np.interp(azimuth, np.radians([0, 25, 52, 72, 96, 125, 180]), heights)
    return template[:, 2] - height


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Some triangles of the body, with vertices of their own: each a mix of the body's."""

    mix: sparse.csr_matrix  # (N, V)
    rest: np.ndarray  # (N, 3)
    uv: np.ndarray  # (N, 2)
    paint: np.ndarray  # (N, 4)
    faces: np.ndarray  # (F, 3) over N

    def at(self, verts: np.ndarray, normals: np.ndarray) -> Geometry:
        n = self.mix @ normals
        n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-9)
        return Geometry(
            verts=self.mix @ verts, normals=n, rest=self.rest, uv=self.uv, paint=self.paint, faces=self.faces
        )


@functools.lru_cache(maxsize=64)
def pieces(cut: Cut) -> dict[str, Piece]:
    """What a cut leaves bare, and what it adds."""
    body, s = load_body(), surfaces()
    t = body.template
    shirt = functools.partial(shirt_cover, sleeve=cut.sleeve, neck=cut.neck)
    hair = functools.partial(hair_cover, line=HAIR_SHAPES[cut.hair]["line"])
    bare = np.maximum(shirt(t), trousers_cover(t))[body.source[s.skin]] < TUCK_M
    zero = np.zeros(len(t))
    out = {
        "skin": _of_body(body, s.skin[bare.any(1)], s.palm, s.flush, SKIN),
        "eyes": _of_body(body, s.eyes, zero, zero, EYE),
        "shirt": _garment(body, s.cloth_of_verts, shirt, CLOTH),
        "trousers": _garment(body, s.cloth_of_verts, trousers_cover, TROUSERS),
    }
    above = hair(t)
    shell = s.scalp[(above[body.source[s.scalp]] > -0.015).any(1)]
    out["hair"] = _of_body(body, shell, above, zero, HAIR)
    if cut.hat is not None:
        hat = functools.partial(hair_cover, line=HAT_LINES[cut.hat])
        out["hat"] = _garment(body, s.scalp_of_verts, hat, HAT)
    return out


def _of_body(body: Body, faces: np.ndarray, second: np.ndarray, third: np.ndarray, material: int) -> Piece:
    """Faces over drawn vertices as they are, with their texture coordinates."""
    drawn, index = np.unique(faces, return_inverse=True)
    v = body.source[drawn]
    return Piece(
        mix=_identity(v, len(body.template)), rest=body.template[v], uv=body.uv[drawn],
        paint=np.stack([body.occlusion[v], second[v], third[v], np.full(len(v), float(material))], axis=1),
        faces=index.reshape(-1, 3),
    )  # fmt: skip


def _garment(body: Body, of_verts: np.ndarray, cover, material: int) -> Piece:
    """Faces over V where `cover` is positive, split near its edge."""
    used, index = np.unique(of_verts, return_inverse=True)
    mix, faces = _identity(used, len(body.template)), index.reshape(-1, 3)
    for _ in range(2):
        inside = cover(mix @ body.template)[faces]
        at_edge = (np.abs(inside).min(1) < 0.02) | ((inside > 0).any(1) & (inside < 0).any(1))
        mix, faces = _split(mix, faces, at_edge)
    inside = cover(mix @ body.template)
    faces = faces[(inside[faces] > 0).any(1)]
    used, index = np.unique(faces, return_inverse=True)
    mix, inside = mix[used], inside[used]
    paint = np.stack([mix @ body.occlusion, inside, 0 * inside, np.full(len(used), float(material))], axis=1)
    return Piece(
        mix=mix,
        rest=mix @ body.template,
        uv=np.zeros((len(used), 2)),
        paint=paint,
        faces=index.reshape(-1, 3),
    )


def _identity(vertices: np.ndarray, count: int) -> sparse.csr_matrix:
    n = len(vertices)
    return sparse.csr_matrix((np.ones(n), (np.arange(n), vertices)), shape=(n, count))


def _split(
    mix: sparse.csr_matrix, faces: np.ndarray, which: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Each triangle in `which` made four at the middles of its sides."""
    chosen = faces[which]
    sides = np.sort(np.stack([chosen, np.roll(chosen, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    unique, number = np.unique(sides, axis=0, return_inverse=True)
    m = number.reshape(-1, 3) + mix.shape[0]
    middles = 0.5 * (mix[unique[:, 0]] + mix[unique[:, 1]])
    a, b, c = chosen.T
    ab, bc, ca = m.T
    new = np.stack([(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]).transpose(0, 2, 1).reshape(-1, 3)
    return sparse.vstack([mix, middles]).tocsr(), np.concatenate([faces[~which], new])
