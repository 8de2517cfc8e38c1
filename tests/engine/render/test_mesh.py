import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.hand import pose_hand
from engine.render import gl, mesh_backend, mesh_image, raycast
from engine.types import Camera, UserError

needs_gl = pytest.mark.skipif(
    "mesh_backend() != 'pyrender'", reason="no OpenGL context can be had here (libegl1, libgl1-mesa-dri)"
)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def silhouette(image: np.ndarray) -> np.ndarray:
    """Pixels more than half covered: the surface is nowhere darker than its ambient light."""
    return image[..., 0] > 75


@needs_gl
def test_both_renderers_show_the_same_hand(posed, camera):
    with_gl, cast = mesh_image([posed], camera, "pyrender"), mesh_image([posed], camera, "raycast")
    mask = raycast([posed], camera).mask
    assert iou(silhouette(with_gl), mask) > 0.98
    assert iou(silhouette(cast), mask) > 0.98
    assert iou(silhouette(with_gl), silhouette(cast)) > 0.98
    inside = silhouette(with_gl) & silhouette(cast) & mask
    assert np.abs(with_gl[inside].astype(int) - cast[inside]).mean() < 3, "the two looks differ"


@pytest.mark.parametrize("backend", ["raycast", pytest.param("pyrender", marks=needs_gl)])
def test_the_look_is_attentionhands(backend, make_hand):
    """Its released samples: black ground, surface mean about RGB (229, 229, 218), highlights over 240."""
    camera = Camera.simple(focal_px=500, width_px=360, height_px=300)
    hand = pose_hand(make_hand())
    image = mesh_image([hand], camera, backend)
    mask = raycast([hand], camera).mask
    assert image.dtype == np.uint8
    assert image.shape == (300, 360, 3)
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()
    red, green, blue = image[mask].mean(axis=0)
    assert red == pytest.approx(229, abs=12)
    assert green == red
    assert blue == pytest.approx(218, abs=12)
    assert image.max() >= 240


@needs_gl
def test_the_nearer_hand_is_drawn_over_the_farther(camera, make_hand):
    near, far = make_hand(transl=(0.02, 0.04, 0.4)), make_hand(side="left", transl=(0.0, 0.04, 0.7))
    hands = [pose_hand(near), pose_hand(far)]
    image = mesh_image(hands, camera, "pyrender")
    np.testing.assert_array_equal(image, mesh_image(hands[::-1], camera, "pyrender"))
    assert iou(silhouette(image), raycast(hands, camera).mask) > 0.98


@pytest.mark.parametrize("backend", ["raycast", pytest.param("pyrender", marks=needs_gl)])
def test_pictures_do_not_depend_on_thread_or_on_what_was_drawn_before(backend, camera, make_hand):
    hands = [pose_hand(make_hand(curl=c)) for c in (0.0, 0.5, 1.0)]
    tall = Camera.simple(focal_px=150, width_px=90, height_px=170)
    jobs = [(hand, view) for hand in hands for view in (camera, tall)] * 2
    expected = [mesh_image([hand], view, backend) for hand, view in jobs]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda job: mesh_image([job[0]], job[1], backend), jobs))
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(expected[0], expected[2])


@pytest.mark.parametrize("backend", ["raycast", pytest.param("pyrender", marks=needs_gl)])
def test_hands_out_of_sight_leave_the_picture_black(backend, camera, make_hand):
    for hands in (
        [],
        [pose_hand(make_hand(transl=(0, 0, -0.5)))],
        [pose_hand(make_hand(transl=(3, 0, 0.5)))],
    ):
        image = mesh_image(hands, camera, backend)
        assert image.shape == (200, 280, 3)
        assert not image.any()


def test_failing_opengl_falls_back_for_good_and_says_why(monkeypatch, camera, caplog, make_hand):
    """A driver that raises in the middle of a frame."""

    def broken(*_):
        raise RuntimeError("context lost")

    hand = pose_hand(make_hand())
    monkeypatch.setattr(gl, "_render", broken)
    thread = gl.GLThread()
    monkeypatch.setattr("engine.render.mesh.gl_thread", lambda: thread)
    if thread.failure is None:
        assert mesh_backend() == "pyrender"
    image = mesh_image([hand], camera)
    np.testing.assert_array_equal(image, mesh_image([hand], camera, "raycast"))
    assert mesh_backend() == "raycast"
    assert len([r for r in caplog.records if "ray cast from now on" in r.message]) == 1
    with pytest.raises(UserError, match="OpenGL cannot be had"):
        mesh_image([hand], camera, "pyrender")


def test_opengl_that_hangs_is_given_up(monkeypatch, camera, make_hand):
    release = threading.Event()
    monkeypatch.setattr(gl, "_render", lambda *_: release.wait())
    monkeypatch.setattr(gl, "RENDER_TIMEOUT_S", 0.05)
    thread = gl.GLThread()
    monkeypatch.setattr("engine.render.mesh.gl_thread", lambda: thread)
    assert mesh_image([pose_hand(make_hand())], camera).any()
    assert mesh_backend() == "raycast"
    release.set()


@pytest.mark.parametrize(
    "K",
    [
        ((300, 5, 150), (0, 300, 90), (0, 0, 1)),
        ((-300, 0, 150), (0, 300, 90), (0, 0, 1)),
        ((300, 0, 150), (0, 300, 90), (0, 0, 2)),
    ],
)
def test_cameras_that_cannot_be_shown_are_refused(K):
    with pytest.raises(UserError, match="camera"):
        mesh_image([], Camera(K=K, width_px=20, height_px=10))
