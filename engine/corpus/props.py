"""Things made of simple shapes: long hair's curtain, glasses, a cap's visor, and what hands hold."""

from __future__ import annotations

import numpy as np

from engine.corpus.body import Body, vertex_normals
from engine.corpus.raster import FRAME, HAIR, HAT, OBJECT, Geometry
from engine.corpus.surfaces import HEAD_CENTRE

EYE_CENTRES = np.array([[-0.031, -0.139, 0.728], [0.031, -0.139, 0.728]])  # m, on the template
CURTAIN_COLUMNS, CURTAIN_ROWS = 48, 14


def head_map(body: Body, verts: np.ndarray) -> np.ndarray:
    """(4, 3) affine map from the template's head to the posed one, by least squares."""
    on_head = np.flatnonzero(body.weights[:, body.bone("head")] > 0.95)
    affine, *_ = np.linalg.lstsq(_homogeneous(body.template[on_head]), verts[on_head], rcond=None)
    return affine


def moved(part: Geometry, affine: np.ndarray) -> Geometry:
    """`part` carried by a (4, 3) affine map."""
    verts = _homogeneous(part.verts) @ affine
    return Geometry(
        verts=verts, normals=vertex_normals(verts, part.faces), rest=part.rest, uv=part.uv, paint=part.paint,
        faces=part.faces,
    )  # fmt: skip


def flipped(part: Geometry) -> Geometry:
    """`part` with its triangles turned inside out, for a map that mirrors."""
    return Geometry(
        verts=part.verts, normals=-part.normals, rest=part.rest, uv=part.uv, paint=part.paint,
        faces=part.faces[:, ::-1],
    )  # fmt: skip


def merge(parts: list[Geometry]) -> Geometry:
    """One Geometry of many."""
    starts = np.cumsum([0] + [len(p.verts) for p in parts[:-1]])
    joined = {
        name: np.concatenate([getattr(p, name) for p in parts])
        for name in ("verts", "normals", "rest", "uv", "paint")
    }
    return Geometry(**joined, faces=np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=True)]))


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


# --- on the head, in the template's frame -------------------------------------------------------------


def curtain(bottom: float, thick: float) -> Geometry:
    """Hair that hangs from the crown round the sides and back down to height `bottom`."""
    azimuth = np.radians(np.linspace(72, 288, CURTAIN_COLUMNS))
    top = 0.838
    t = np.linspace(0, 1, CURTAIN_ROWS)[:, None]
    heights = top + (bottom - top) * t
    falls = np.clip((0.70 - heights) / 0.15, 0, 1)  # below the jaw it closes on the neck and falls behind
    dome = np.sqrt(1 - np.clip((heights - HEAD_CENTRE[2]) / 0.112, 0, 1) ** 2)
    wide = 0.077 * dome + thick * 0.9 - 0.008 * falls
    deep = 0.098 * dome + thick - 0.022 * falls
    waves = 1 + 0.025 * np.sin(azimuth * 17)[None] * (0.3 + t)
    x = wide * np.sin(azimuth)[None] * waves
    y = HEAD_CENTRE[1] + 0.008 - deep * np.cos(azimuth)[None] * waves
    y = np.maximum(y, HEAD_CENTRE[1] - 0.030 + 0.02 * falls)
    z = np.broadcast_to(heights, x.shape) + 0.012 * np.sin(azimuth * 5)[None] * t
    light = np.broadcast_to(0.95 - 0.25 * t, x.shape)
    hang = np.broadcast_to(heights - bottom, x.shape)
    return _sheet(np.stack([x, y, z], axis=-1), HAIR, light=light, second=hang)


def glasses() -> Geometry:
    """Two rings, a bridge and temples."""
    parts = []
    turn = np.linspace(0, 2 * np.pi, 25)
    for centre in EYE_CENTRES:
        ring = np.stack(
            [
                centre[0] + 0.0245 * np.cos(turn),
                -0.152 + 0.35 * np.abs(centre[0] + 0.0245 * np.cos(turn)) ** 1.5,
                centre[2] - 0.002 + 0.0195 * np.sin(turn),
            ],
            axis=-1,
        )
        parts.append(_tube(ring, 0.0017, FRAME))
        side = np.sign(centre[0])
        temple = [
            (side * 0.0560, -0.147, 0.731),
            (side * 0.073, -0.120, 0.733),
            (side * 0.078, -0.050, 0.730),
        ]
        parts.append(_tube(np.array(temple), 0.0016, FRAME))
    arch = np.linspace(-1.5, 1.5, 6)
    bridge = np.stack([0.005 * arch, np.full(6, -0.1535), 0.731 + 0.002 * np.cos(arch)], axis=-1)
    return merge([*parts, _tube(bridge, 0.0015, FRAME)])


def visor() -> Geometry:
    """The peak of a cap."""
    across = np.radians(np.linspace(-64, 64, 21))[None]
    out = np.linspace(0, 1, 7)[:, None]
    reach = 0.083 + out * 0.068 * np.cos(across) ** 0.7
    x = (0.080 + out * 0.012) * np.sin(across)
    y = HEAD_CENTRE[1] - reach * np.cos(across) * 1.12 + 0.004
    z = 0.797 - 0.022 * out**1.2 - 0.09 * (x / 0.08) ** 2 * 0.12 * (1 + out)
    top = np.stack([x, y, z], axis=-1)
    return merge([_sheet(top, HAT), _sheet(top[:, ::-1] - [0, 0, 0.003], HAT)])


# --- in the hand, in MANO's frame of a right hand, the wrist at the origin ----------------------------


def held(kind: str, joints: np.ndarray) -> Geometry:
    """What a hand with `joints` (21, 3) m (OpenPose order, MANO's frame, right hand, wrist at 0) holds."""
    return {"cup": _cup, "ball": _ball, "phone": _phone, "pen": _pen}[kind](joints)


def _grasp_circle(joints: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (3,) and radius (m) of the arc that the fingers' bones make around an axis along Z."""
    arc = joints[[6, 7, 8, 10, 11, 12, 14, 15, 16, 3, 4]][:, :2]
    A = np.concatenate([2 * arc, np.ones((len(arc), 1))], axis=1)
    cx, cy, c = np.linalg.lstsq(A, (arc**2).sum(1), rcond=None)[0]
    radius = float(np.sqrt(c + cx * cx + cy * cy))
    return np.array([cx, cy, joints[[5, 9, 13, 17], 2].mean()]), radius


def _cup(joints: np.ndarray) -> Geometry:
    centre, radius = _grasp_circle(joints)
    radius = float(np.clip(radius - 0.009, 0.022, 0.040))
    heights = np.array([-0.055, -0.055, -0.05, 0.055, 0.057, 0.055, -0.045, -0.045])
    radii = radius * np.array([0.0, 0.86, 0.9, 1.0, 0.98, 0.93, 0.84, 0.0])
    return _turned(radii, heights, centre)


def _ball(joints: np.ndarray) -> Geometry:
    centre, radius = _grasp_circle(joints)
    radius = float(np.clip(radius - 0.007, 0.022, 0.045))
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    return _turned(radius * np.cos(angle), radius * np.sin(angle), centre)


def _phone(joints: np.ndarray) -> Geometry:
    palm = joints[[0, 5, 17]].mean(0)
    centre = np.array([palm[0] - 0.030, palm[1] - 0.027, 0.0])
    return _box(centre, np.array([0.140, 0.008, 0.064]))


def _pen(joints: np.ndarray) -> Geometry:
    """Through the pinch of thumb and index, resting on the web between them."""
    tip = (joints[4] + joints[8]) / 2
    web = joints[5] + [0.0, 0.012, 0.010]
    along = (web - tip) / np.linalg.norm(web - tip)
    points = tip + along * np.linspace(-0.035, 0.105, 8)[:, None]
    return _tube(points, np.array([0.0008, 0.0038, 0.0042, 0.0042, 0.0042, 0.0042, 0.0042, 0.003]), OBJECT)


# --- shapes -------------------------------------------------------------------------------------------


def _sheet(grid: np.ndarray, material: int, *, light=1.0, second=1.0) -> Geometry:
    """A (rows, columns, 3) grid of points as triangles."""
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    points = grid.reshape(-1, 3)
    columns_of_paint = [
        np.broadcast_to(value, (rows, columns)).ravel() for value in (light, second, 0.0, material)
    ]
    paint = np.stack(columns_of_paint, axis=1).astype(float)
    return Geometry(
        verts=points, normals=vertex_normals(points, faces), rest=points, uv=np.zeros((len(points), 2)),
        paint=paint, faces=faces,
    )  # fmt: skip


def _turned(radii: np.ndarray, heights: np.ndarray, centre: np.ndarray, sides: int = 32) -> Geometry:
    """A surface of revolution about an axis along Z."""
    turn = np.linspace(0, 2 * np.pi, sides + 1)
    x, y = radii[:, None] * np.cos(turn), radii[:, None] * np.sin(turn)
    grid = np.stack([x, y, np.broadcast_to(heights[:, None], x.shape)], axis=-1) + centre
    return _sheet(grid[:, ::-1], OBJECT)


def _tube(path: np.ndarray, radius, material: int, sides: int = 8) -> Geometry:
    """A round bar along `path` (N, 3); `radius` m, one or one a point."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.cross(ahead, [0.31, 0.67, 0.67])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(ahead, across)
    turn = np.linspace(0, 2 * np.pi, sides + 1)
    r = np.broadcast_to(radius, len(path))[:, None, None]
    ring = r * (across[:, None] * np.cos(turn)[:, None] + up[:, None] * np.sin(turn)[:, None])
    return _sheet((path[:, None] + ring)[:, ::-1], material)


def _box(centre: np.ndarray, size: np.ndarray) -> Geometry:
    """A box with its own corners on each side, so that edges stay sharp."""
    sides = []
    for axis in range(3):
        for sign in (-1, 1):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            grid = np.zeros((2, 2, 3))
            grid[..., axis] = sign
            grid[..., u] = [[-1, -1], [1, 1]]
            grid[..., v] = [[-1, 1], [-1, 1]] if sign < 0 else [[1, -1], [1, -1]]
            sides.append(_sheet(grid * size / 2 + centre, OBJECT))
    return merge(sides)
