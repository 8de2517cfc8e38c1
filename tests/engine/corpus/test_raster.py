"""The renderer: things are where the camera says, in their colour, lit from where the light is."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus.props import merge, moved
from engine.corpus.raster import OBJECT, TROUSERS, Geometry, Look, Raster, clip_from_camera
from engine.types import Camera

CAMERA = Camera(K=((150.0, 0, 20.0), (0, 140.0, 44.0), (0, 0, 1)), width_px=64, height_px=64)


@pytest.fixture(scope="module")
def raster():
    try:
        return Raster(size_px=64, features=np.zeros((4, 4, 4), np.uint8))
    except Exception as error:
        pytest.skip(f"no OpenGL here: {error}")


def ball(centre, radius: float, material: int = OBJECT, second: float = 1.0) -> Geometry:
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 33), np.linspace(-np.pi / 2, np.pi / 2, 17))
    normals = np.stack([np.cos(rise) * np.cos(turn), np.sin(rise), np.cos(rise) * np.sin(turn)], -1).reshape(
        -1, 3
    )
    index = np.arange(17 * 33).reshape(17, 33)
    a, b, c, d = (
        index[:-1, :-1].ravel(),
        index[:-1, 1:].ravel(),
        index[1:, 1:].ravel(),
        index[1:, :-1].ravel(),
    )
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)])
    paint = np.tile([1.0, second, 0.0, material], (len(normals), 1))
    return Geometry(
        verts=normals * radius + centre, normals=normals, rest=normals, uv=np.zeros((len(normals), 2)),
        paint=paint, faces=faces,
    )  # fmt: skip


def look(**changes) -> Look:
    colours = np.full((8, 3), 0.5)
    colours[OBJECT], colours[TROUSERS] = (0.7, 0.05, 0.05), (0.05, 0.05, 0.7)
    zero, front = np.zeros(3), np.array([0.0, 0.0, -1.0])
    values = {
        "colours": colours, "lips": zero, "iris": zero, "brows": np.zeros(4), "trim": np.zeros(4),
        "key_dir": front, "key": np.ones(3), "fill_dir": front, "fill": zero, "rim_dir": front, "rim": zero,
        "ambient": np.full(3, 0.2),
    }  # fmt: skip
    return Look(**{**values, **changes})


def test_clip_matrix_projects_as_the_camera():
    point = np.array([0.1, -0.2, 1.7])
    clip = clip_from_camera(CAMERA) @ [*point, 1]
    x, y, _ = clip[:3] / clip[3]
    u, v, w = np.array(CAMERA.K) @ point
    assert ((x + 1) / 2 * 64, (1 - y) / 2 * 64) == pytest.approx((u / w, v / w))


def test_a_ball_is_where_the_camera_sees_it(raster):
    background = np.full((64, 64, 3), 90.0, np.float32)
    image = raster.draw(ball((0.12, -0.1, 1.0), 0.06), look(), CAMERA, background)
    seen = np.argwhere(np.abs(image.astype(int) - 90).max(-1) > 20)
    low, high = seen.min(0), seen.max(0) + 1
    assert (low + high) / 2 == pytest.approx((44 - 14, 20 + 18), abs=1.0)  # rows, columns
    assert high - low == pytest.approx((2 * 140 * 0.06, 2 * 150 * 0.06), abs=2.0)
    red, green, _ = image[30, 38].astype(int)
    assert red > green + 60
    assert (image[0, 0] == 90).all()


def test_light_comes_from_its_side(raster):
    background = np.zeros((64, 64, 3), np.float32)
    left = raster.draw(ball((0.08, 0, 1.0), 0.1), look(key_dir=np.array([-0.8, 0, -0.6])), CAMERA, background)
    columns = left.astype(int).sum((0, 2))
    middle = 20 + 12
    assert columns[middle - 12 : middle].sum() > 1.3 * columns[middle : middle + 12].sum()


def test_nearer_things_hide_and_shade_what_is_behind(raster):
    background = np.zeros((64, 64, 3), np.float32)
    near, far = ball((0.05, 0, 0.8), 0.03), ball((0.08, 0, 1.3), 0.2, TROUSERS)
    both = raster.draw(merge([near, far]), look(), CAMERA, background)
    row, column = 44, 20 + round(150 * 0.05 / 0.8)
    assert both[row, column, 0] > both[row, column, 2]  # the red one is in front
    shaded = raster.draw(merge([near, far]), look(key_dir=np.array([-0.3, 0, -0.95])), CAMERA, background)
    alone = raster.draw(far, look(key_dir=np.array([-0.3, 0, -0.95])), CAMERA, background)
    assert (alone.astype(int) - shaded)[..., 2].max() > 40  # the small one's shadow


def test_outside_a_garments_edge_nothing_is_drawn(raster):
    background = np.full((64, 64, 3), 90.0, np.float32)
    image = raster.draw(ball((0, 0, 1.0), 0.1, TROUSERS, second=-0.01), look(), CAMERA, background)
    assert (image == 90).all()


def test_moved_by_an_affine_map():
    part = ball((0, 0, 0), 0.1)
    affine = np.array([[0, 2.0, 0], [-2.0, 0, 0], [0, 0, 2.0], [1, 2, 3]])
    out = moved(part, affine)
    np.testing.assert_allclose(out.verts.mean(0), part.verts.mean(0) @ affine[:3] + affine[3], atol=1e-9)
    outward = ((out.verts - [1, 2, 3]) * out.normals).sum(1)
    assert np.median(outward) > 0.19
