"""The body's surfaces: which triangles are skin, eyes, cloth and scalp, and how the skin is painted."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from engine.corpus.body import GROUPS, Body, Normals, load_body

EARS = 2  # channel of the feature atlas
HEAD_CENTRE = np.array([0.0, -0.055, 0.745])  # m, on the template


@dataclass(frozen=True, kw_only=True, eq=False)
class Surfaces:
    """Faces over drawn vertices unless said otherwise; paint per vertex of the body."""

    skin: np.ndarray  # (F, 3)
    eyes: np.ndarray  # (F, 3)
    scalp: np.ndarray  # (F, 3) the skin that hair and hats can cover
    cloth_of_verts: np.ndarray  # (F, 3) over V: MakeHuman's tights, from neck to wrists and ankles
    scalp_of_verts: np.ndarray  # (F, 3) over V
    skin_normals: Normals  # of skin and eyes
    cloth_normals: Normals
    scalp_normals: Normals
    palm: np.ndarray  # (V,) 0 back of the hand .. 1 palm
    flush: np.ndarray  # (V,) 0..1 where blood shows through
    hand_verts: dict[str, np.ndarray]  # "L", "R" -> vertices of the hand
    face_verts: np.ndarray  # vertices of what must stay in view: brows to chin


@functools.lru_cache(maxsize=1)
def surfaces() -> Surfaces:
    body = load_body()
    group = body.group[body.faces[:, 0]]
    pick = {name: body.faces[group == number] for name, number in GROUPS.items()}
    skin = pick["body"]
    scalp = _scalp(body, skin)
    skin_normals = Normals(body.source[np.concatenate([skin, pick["eye"]])], len(body.template))
    cloth, scalp_of_verts = body.source[pick["helper-tights"]], body.source[scalp]
    drawn = np.unique(body.source[skin])
    return Surfaces(
        skin=skin, eyes=pick["eye"], scalp=scalp, cloth_of_verts=cloth, scalp_of_verts=scalp_of_verts,
        skin_normals=skin_normals, cloth_normals=Normals(cloth, len(body.template)),
        scalp_normals=Normals(scalp_of_verts, len(body.template)),
        palm=_palm(body, skin_normals(body.template)), flush=_flush(body),
        hand_verts={s: drawn[body.weights[drawn][:, _hand_bones(body, s)].sum(1) > 0.5] for s in "LR"},
        face_verts=_face(body, drawn),
    )  # fmt: skip


def _scalp(body: Body, skin: np.ndarray) -> np.ndarray:
    """The head's skin without face and ears."""
    centre = body.template[body.source[skin]].mean(1)
    radial, height = centre - HEAD_CENTRE, centre[:, 2]
    chosen = skin[
        (height > 0.60)
        & (np.linalg.norm(radial[:, :2], axis=1) > 0.03 * (height < 0.8))
        & ((radial[:, 1] > -0.02) | (height > 0.745))
        & (body.weights[:, body.bone("head")][body.source[skin]].mean(1) > 0.3)
    ]
    ears = _sample(body, EARS) > 0.3
    return chosen[~ears[body.source[chosen]].any(1)]


def _face(body: Body, drawn: np.ndarray) -> np.ndarray:
    x, y, z = body.template[drawn].T
    front = (y < -0.09) & (z > 0.632) & (z < 0.79) & (np.abs(x) < 0.065)
    return drawn[front & (body.weights[drawn, body.bone("head")] > 0.3)]


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


def _palm_normal(body: Body, side: str) -> np.ndarray:
    """(3,) where the template's palm faces."""
    wrist, index, pinky = (body.heads[body.bone(f"{n}.{side}")] for n in ("wrist", "finger2-1", "finger5-1"))
    normal = np.cross(index - wrist, pinky - wrist) * (1 if side == "R" else -1)
    return normal / np.linalg.norm(normal)


def _palm(body: Body, normals: np.ndarray) -> np.ndarray:
    out = np.zeros(len(body.template))
    for side in "LR":
        share = body.weights[:, _hand_bones(body, side)].sum(1)
        out += share * np.clip(normals @ _palm_normal(body, side) * 1.6 + 0.35, 0, 1)
    return np.clip(out, 0, 1)


def _flush(body: Body) -> np.ndarray:
    """(V,) where blood shows: ears, nose, cheeks, fingertips, knuckles."""
    t = body.template
    out = 0.6 * _sample(body, EARS)
    nose, cheeks = (0.0, -0.168, 0.700), [(side * 0.042, -0.135, 0.690) for side in (-1, 1)]
    for centre, radius, strength in ((nose, 0.016, 0.7), (cheeks[0], 0.026, 0.55), (cheeks[1], 0.026, 0.55)):
        out += strength * np.exp(-((np.linalg.norm(t - centre, axis=1) / radius) ** 2))
    for side in "LR":
        for finger in range(1, 6):
            out += 0.35 * body.weights[:, body.bone(f"finger{finger}-3.{side}")]
            for joint in (1, 2):
                head = body.heads[body.bone(f"finger{finger}-{joint}.{side}")]
                out += 0.35 * np.exp(-((np.linalg.norm(t - head, axis=1) / 0.009) ** 2))
    return np.clip(out, 0, 1)
