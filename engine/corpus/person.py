"""From a posed body to Geometry: skin, eyes, clothes, hair and what the hands hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.corpus import props
from engine.corpus.body import Body, vertex_normals
from engine.corpus.clothes import Cut, hair_cover, pieces
from engine.corpus.raster import Geometry
from engine.corpus.surfaces import surfaces
from engine.corpus.wardrobe import HAIR_SHAPES

SHIRT_EASE_M, TROUSERS_EASE_M = 0.007, 0.004  # how far cloth stands off the skin
HAT_EASE_M, CUFF_M = 0.013, 0.006  # a hat's; how much more its rolled rim
UNDER_HAT_M = 0.004  # hair pressed by a hat


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

    @property
    def cut(self) -> Cut:
        return Cut(hair=self.hair, sleeve=self.sleeve, neck=self.neck, hat=self.hat)


def build(body: Body, verts: np.ndarray, outfit: Outfit, held: list[Geometry]) -> Geometry:
    """Geometry in the world's frame from posed `verts` (V, 3) and what is `held`, in that frame too."""
    s, worn, shape = surfaces(), pieces(outfit.cut), HAIR_SHAPES[outfit.hair]
    skin_normals, cloth_normals = s.skin_normals(verts), s.cloth_normals(verts)
    most = shape["thick"] if outfit.hat is None else min(shape["thick"], UNDER_HAT_M)
    above = hair_cover(body.template, shape["line"])
    hair = verts + (most * np.clip(above / 0.022, 0.0, 1)[:, None] ** 0.6 + 0.0012) * skin_normals
    parts = [
        worn["skin"].at(verts, skin_normals),
        worn["eyes"].at(verts, skin_normals),
        worn["shirt"].at(verts + SHIRT_EASE_M * cloth_normals, cloth_normals),
        worn["trousers"].at(verts + TROUSERS_EASE_M * cloth_normals, cloth_normals),
        worn["hair"].at(hair, s.scalp_normals(hair)),
        *held,
    ]
    if outfit.hat is not None:
        parts.append(_hat(worn["hat"].at(verts, skin_normals), outfit.hat))
    head = props.head_map(body, verts)
    if shape["curtain"] is not None:
        parts.append(props.moved(props.curtain(shape["curtain"], most), head))
    if outfit.glasses:
        parts.append(props.moved(props.glasses(), head))
    if outfit.hat == "cap":
        parts.append(props.moved(props.visor(), head))
    return props.merge(parts)


def _hat(on_skin: Geometry, kind: str) -> Geometry:
    """The scalp's part of a hat, puffed off the skin."""
    inside = on_skin.paint[:, 1:2]
    rim = CUFF_M * np.clip((0.034 - inside) / 0.004, 0, 1) if kind == "beanie" else 0.0
    crown = 0.012 * np.clip(inside / 0.06, 0, 1)
    verts = on_skin.verts + (HAT_EASE_M + rim + crown) * on_skin.normals
    return Geometry(
        verts=verts, normals=vertex_normals(verts, on_skin.faces), rest=on_skin.rest, uv=on_skin.uv,
        paint=on_skin.paint, faces=on_skin.faces,
    )  # fmt: skip
