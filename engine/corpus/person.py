"""From a posed body to Geometry: skin, eyes, shirt and hair."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from engine.corpus.body import GROUPS, Body, load_body, vertex_normals
from engine.corpus.raster import CLOTH, EYE, HAIR, SKIN, Geometry
from engine.corpus.wardrobe import HAIR_SHAPES

SHIRT_EASE_M = 0.007  # how far the cloth stands off the skin
HEAD_CENTRE = np.array([0.0, -0.055, 0.745])  # on the template
CURTAIN_COLUMNS, CURTAIN_ROWS = 48, 14


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """What is worn; names in wardrobe."""

    hair: str  # of HAIR_SHAPES
    sleeve: str  # "short" or "long"
    neck: str  # "round" or "V"
    shirt: str  # of SHIRTS
    pattern: str  # of PATTERNS
    trim: str  # of SHIRTS: the pattern's second colour
    trousers: str  # of TROUSERS
    glasses: bool
    hat: str | None  # of HATS
    hat_colour: str  # of SHIRTS


@dataclass(frozen=True, kw_only=True, eq=False)
class Surfaces:
    """What never changes: faces by group and the paint of the template."""

    skin: np.ndarray  # (F, 3) over drawn vertices
    eyes: np.ndarray
    shirt: np.ndarray
    scalp: np.ndarray
    scalp_faces: np.ndarray  # (F, 3) over V
    body_faces: np.ndarray  # (F, 3) over V, skin and eyes together, for normals
    shirt_faces: np.ndarray  # (F, 3) over V
    palm: np.ndarray  # (V,) 0 back .. 1 palm
    flush: np.ndarray  # (V,)
    hand_verts: dict[str, np.ndarray]  # "L", "R" -> vertex numbers
    hand_faces: dict[str, np.ndarray]  # over those


@functools.lru_cache(maxsize=1)
def surfaces() -> Surfaces:
    body = load_body()
    group = body.group[body.faces[:, 0]]
    pick = {name: body.faces[group == number] for name, number in GROUPS.items()}
    skin = pick["body"]
    on_head = body.template[body.source[skin]].mean(1)
    radial = on_head - HEAD_CENTRE
    scalp = skin[
        (on_head[:, 2] > 0.60)
        & (np.linalg.norm(radial[:, :2], axis=1) > 0.03 * (on_head[:, 2] < 0.8))
        & ((radial[:, 1] > -0.02) | (on_head[:, 2] > 0.745))
        & (body.weights[:, body.bone("head")][body.source[skin]].mean(1) > 0.3)
    ]
    ears = _sample(body, 2) > 0.3
    scalp = scalp[~ears[body.source[scalp]].any(1)]
    vertices = {side: _hand_vertices(body, side) for side in "LR"}
    body_faces = body.source[np.concatenate([pick["body"], pick["eye"]])]
    return Surfaces(
        skin=skin, eyes=pick["eye"], shirt=pick["helper-tights"], scalp=scalp,
        scalp_faces=body.source[scalp],
        body_faces=body_faces, shirt_faces=body.source[pick["helper-tights"]],
        palm=_palm(body, body_faces), flush=_flush(body),
        hand_verts=vertices,
        hand_faces={side: _faces_over(body.source[skin], vertices[side]) for side in "LR"},
    )  # fmt: skip


def _sample(body: Body, channel: int) -> np.ndarray:
    """(V,) the feature atlas at each vertex of the skin."""
    atlas = body.features[..., channel]
    drawn = body.group == GROUPS["body"]
    h, w = atlas.shape
    u = np.clip((body.uv[drawn, 0] * w).astype(int), 0, w - 1)
    v = np.clip(((1 - body.uv[drawn, 1]) * h).astype(int), 0, h - 1)
    out = np.zeros(len(body.template))
    out[body.source[drawn]] = atlas[v, u] / 255
    return out


def _hand_bones(body: Body, side: str) -> list[int]:
    return [
        i
        for i, b in enumerate(body.bones)
        if b.startswith(("wrist", "finger", "metacarpal")) and b[-1] == side
    ]


def _hand_vertices(body: Body, side: str) -> np.ndarray:
    drawn = np.unique(body.source[body.group == GROUPS["body"]])
    return drawn[body.weights[drawn][:, _hand_bones(body, side)].sum(1) > 0.5]


def _faces_over(faces: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    number = np.full(faces.max() + 1, -1)
    number[vertices] = np.arange(len(vertices))
    out = number[faces]
    return out[(out >= 0).all(1)]


@functools.lru_cache(maxsize=1)
def face_vertices() -> np.ndarray:
    """The part of the face that must stay in view: brows to chin."""
    body = load_body()
    drawn = np.unique(body.source[body.group == GROUPS["body"]])
    x, y, z = body.template[drawn].T
    front = (y < -0.09) & (z > 0.632) & (z < 0.79) & (np.abs(x) < 0.065)
    return drawn[front & (body.weights[drawn, body.bone("head")] > 0.3)]


def palm_frame(heads: np.ndarray, body: Body, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(fingers' direction, palm's normal) of an open hand whose bones begin at `heads`."""
    wrist, index, middle, pinky = (
        heads[body.bone(f"{n}.{side}")] for n in ("wrist", "finger2-1", "finger3-1", "finger5-1")
    )
    up = middle - wrist
    up /= np.linalg.norm(up)
    normal = np.cross(index - wrist, pinky - wrist) * (1 if side == "R" else -1)
    normal -= up * (up @ normal)
    return up, normal / np.linalg.norm(normal)


def _palm(body: Body, faces: np.ndarray) -> np.ndarray:
    normals = vertex_normals(body.template, faces)
    out = np.zeros(len(body.template))
    for side in "LR":
        _, palmar = palm_frame(body.heads, body, side)
        share = body.weights[:, _hand_bones(body, side)].sum(1)
        out += share * np.clip(normals @ palmar * 1.6 + 0.35, 0, 1)
    return np.clip(out, 0, 1)


def _flush(body: Body) -> np.ndarray:
    """(V,) where blood shows: ears, nose, cheeks, fingertips, knuckles."""
    t = body.template
    out = 0.6 * _sample(body, 2)
    for centre, radius, strength in (
        ((0.0, -0.168, 0.700), 0.016, 0.7), ((0.042, -0.135, 0.690), 0.026, 0.55), ((-0.042, -0.135, 0.690), 0.026, 0.55),
    ):  # fmt: skip
        out += strength * np.exp(-((np.linalg.norm(t - centre, axis=1) / radius) ** 2))
    for side in "LR":
        for finger in range(1, 6):
            out += 0.35 * body.weights[:, body.bone(f"finger{finger}-3.{side}")]
            for joint in (1, 2):
                head = body.heads[body.bone(f"finger{finger}-{joint}.{side}")]
                out += 0.35 * np.exp(-((np.linalg.norm(t - head, axis=1) / 0.009) ** 2))
    return np.clip(out, 0, 1)


# --- cloth and hair -----------------------------------------------------------------------------------


def shirt_cover(template: np.ndarray, sleeve: str, neck: str) -> np.ndarray:
    """(V,) m, how far inside the shirt's edge each vertex of the template lies; negative is bare."""
    x, y, z = template.T
    end = {"short": 0.285, "long": 0.436}[sleeve]
    along = np.abs(x) + 0.55 * np.clip(0.30 - z, 0, None)  # the arm runs outward and down
    arm = (end - along) * 1.1
    front = np.clip((-0.02 - y) / 0.05, 0, 1)
    lowest = 0.455 + 1.6 * np.abs(x) if neck == "V" else 0.530 + 8.5 * x**2
    edge = np.minimum(front * lowest + (1 - front) * (0.568 + 3.0 * x**2), 0.590)
    return np.minimum(arm, edge - z)


def hair_cover(template: np.ndarray, line: tuple[float, ...]) -> np.ndarray:
    """(V,) m above the hairline, which runs through `line` at forehead, temple, ear and nape."""
    offset = template - HEAD_CENTRE
    azimuth = np.abs(np.arctan2(offset[:, 0], -offset[:, 1]))
    height = np.interp(azimuth, np.radians([0, 25, 52, 72, 96, 125, 180]),
                       [line[0], line[0] - 0.002, line[1], line[1] - 0.012, line[2], line[3] + 0.02, line[3]])  # fmt: skip
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
def _pieces(outfit: Outfit) -> dict[str, Piece]:
    """What an outfit leaves bare, and what it adds."""
    body, s = load_body(), surfaces()
    t, source = body.template, body.source
    cover = shirt_cover(t, outfit.sleeve, outfit.neck)
    above = hair_cover(t, HAIR_SHAPES[outfit.hair]["line"])
    zero = np.zeros(len(t))

    def piece(faces: np.ndarray, second, third, material: int) -> Piece:
        drawn, index = np.unique(faces, return_inverse=True)
        v = source[drawn]
        mix = sparse.csr_matrix((np.ones(len(v)), (np.arange(len(v)), v)), shape=(len(v), len(t)))
        paint = np.stack([body.occlusion[v], second[v], third[v], np.full(len(v), float(material))], axis=1)
        return Piece(mix=mix, rest=t[v], uv=body.uv[drawn], paint=paint, faces=index.reshape(-1, 3))

    return {
        "skin": piece(s.skin[(cover[source[s.skin]] < 0.02).any(1)], s.palm, s.flush, SKIN),
        "eyes": piece(s.eyes, zero, zero, EYE),
        "shirt": _shirt(body, s, outfit),
        "hair": piece(s.scalp[(above[source[s.scalp]] > -0.015).any(1)], above, zero, HAIR),
    }


def _shirt(body: Body, s: Surfaces, outfit: Outfit) -> Piece:
    """The shirt, its triangles split finely enough that its edges are smooth lines."""
    t = body.template
    drawn, index = np.unique(s.shirt_faces, return_inverse=True)
    faces = index.reshape(-1, 3)
    mix = sparse.csr_matrix((np.ones(len(drawn)), (np.arange(len(drawn)), drawn)), shape=(len(drawn), len(t)))
    for _ in range(2):
        cover = shirt_cover(mix @ t, outfit.sleeve, outfit.neck)[faces]
        mix, faces = _split(
            mix, faces, (np.abs(cover).min(1) < 0.02) | ((cover > 0).any(1) & (cover < 0).any(1))
        )
    rest = np.asarray(mix @ t)
    cover = shirt_cover(rest, outfit.sleeve, outfit.neck)
    paint = np.stack([mix @ body.occlusion, cover, 0 * cover, np.full(len(cover), float(CLOTH))], axis=1)
    return Piece(
        mix=mix, rest=rest, uv=np.zeros((len(rest), 2)), paint=paint, faces=faces[(cover[faces] > 0).any(1)]
    )


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


def build(body: Body, verts: np.ndarray, outfit: Outfit) -> Geometry:
    """Geometry in the world's frame from posed `verts` (V, 3)."""
    s, pieces, shape = surfaces(), _pieces(outfit), HAIR_SHAPES[outfit.hair]
    skin_normals = vertex_normals(verts, s.body_faces)
    shirt_normals = vertex_normals(verts, s.shirt_faces)
    above = hair_cover(body.template, shape["line"])
    thick = shape["thick"] * np.clip(above / 0.022, 0.0, 1)[:, None] ** 0.6 + 0.0012
    hair = verts + thick * skin_normals
    parts = [
        pieces["skin"].at(verts, skin_normals),
        pieces["eyes"].at(verts, skin_normals),
        pieces["shirt"].at(verts + SHIRT_EASE_M * shirt_normals, shirt_normals),
        pieces["hair"].at(hair, vertex_normals(hair, s.scalp_faces)),
    ]
    if shape["curtain"] is not None:
        parts.append(_curtain(body, verts, shape["curtain"], shape["thick"]))
    return merge(parts)


def _curtain(body: Body, verts: np.ndarray, bottom: float, thick: float) -> Geometry:
    """Hair that hangs from the crown round the sides and back, rigid with the head."""
    on_head = np.flatnonzero(body.weights[:, body.bone("head")] > 0.95)
    source = body.template[on_head]
    target = verts[on_head]
    # The head's affine map from template to pose, so that the curtain follows turn and phenotype.
    ones = np.concatenate([source, np.ones((len(source), 1))], axis=1)
    affine, *_ = np.linalg.lstsq(ones, target, rcond=None)

    azimuth = np.radians(np.linspace(72, 288, CURTAIN_COLUMNS))
    top = 0.838
    t = np.linspace(0, 1, CURTAIN_ROWS)[:, None]
    heights = top + (bottom - top) * t
    falls = np.clip(
        (0.70 - heights) / 0.15, 0, 1
    )  # below the jaw the hair closes on the neck and falls behind
    dome = np.sqrt(1 - np.clip((heights - HEAD_CENTRE[2]) / 0.112, 0, 1) ** 2)
    wide = 0.077 * dome + thick * 0.9 - 0.008 * falls
    deep = 0.098 * dome + thick - 0.022 * falls
    waves = 1 + 0.025 * np.sin(azimuth * 17)[None] * (0.3 + t)
    x = wide * np.sin(azimuth)[None] * waves
    y = HEAD_CENTRE[1] + 0.008 - deep * np.cos(azimuth)[None] * waves
    y = np.maximum(y, HEAD_CENTRE[1] - 0.030 + 0.02 * falls)
    z = np.broadcast_to(heights, x.shape) + 0.012 * np.sin(azimuth * 5)[None] * t
    rest = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    posed = np.concatenate([rest, np.ones((len(rest), 1))], axis=1) @ affine
    index = np.arange(len(rest)).reshape(CURTAIN_ROWS, CURTAIN_COLUMNS)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    hang = (heights - bottom) + 0.0 * x
    ao = 0.95 - 0.25 * np.clip(t, 0, 1) + 0.0 * x
    paint = np.stack([ao.ravel(), hang.ravel(), 0 * ao.ravel(), np.full(ao.size, float(HAIR))], axis=1)
    return Geometry(
        verts=posed, normals=vertex_normals(posed, faces), rest=rest, uv=np.zeros((len(rest), 2)),
        paint=paint, faces=faces,
    )  # fmt: skip


def merge(parts: list[Geometry]) -> Geometry:
    """One Geometry of many."""
    starts = np.cumsum([0] + [len(p.verts) for p in parts[:-1]])
    joined = {
        name: np.concatenate([getattr(p, name) for p in parts])
        for name in ("verts", "normals", "rest", "uv", "paint")
    }
    return Geometry(**joined, faces=np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=True)]))
