import numpy as np
import pytest

from engine.hand import pose_hand
from engine.render import Maps, depth_image, normals_image, project, raycast
from engine.render.surface import surface
from engine.types import UserError


def test_depth_and_pixels_are_where_the_projected_vertices_are(posed, camera):
    """Vertices that face the camera and are not hidden have the depth of their pixel."""
    maps = raycast([posed], camera)
    scene = surface([posed])
    px = np.floor(project(scene.verts, camera)).astype(int)
    facing = (scene.normals * scene.verts).sum(axis=1) < -0.5 * np.linalg.norm(scene.verts, axis=1)
    inside = ((px >= 0) & (px < (camera.width_px, camera.height_px))).all(axis=1)
    verts, (x, y) = scene.verts[facing & inside], px[facing & inside].T
    gap = maps.depth_m[y, x] - verts[:, 2]
    assert len(gap) > 30
    assert (gap < 0.002).mean() > 0.9, "pixels miss points that face the camera"
    assert np.median(np.abs(gap[gap > -0.005])) < 5e-4  # below that, another finger is in front


def test_maps_agree_on_where_the_hand_is(posed, camera):
    maps = raycast([posed], camera)
    assert maps.mask.shape == (camera.height_px, camera.width_px)
    assert maps.mask.any()
    assert not maps.mask.all()
    np.testing.assert_array_equal(np.isfinite(maps.depth_m), maps.mask)
    np.testing.assert_array_equal(maps.parts >= 0, maps.mask)
    np.testing.assert_array_equal(maps.hand_index == 0, maps.mask)
    np.testing.assert_allclose(np.linalg.norm(maps.normals[maps.mask], axis=1), 1, atol=1e-5)
    assert not maps.normals[~maps.mask].any()


def test_normals_look_at_the_camera_and_match_the_depths_slope(camera, make_hand):
    maps = raycast([pose_hand(make_hand())], camera)
    K = np.array(camera.K)
    rows, columns = np.mgrid[: camera.height_px, : camera.width_px]
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)], -1) @ np.linalg.inv(K).T
    depth = np.where(maps.mask, maps.depth_m, 0)
    points = rays * depth[..., None]
    slope = np.cross(points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1])
    slope *= -np.sign((slope * points[1:-1, 1:-1]).sum(-1, keepdims=True))
    slope /= np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-12)
    core = maps.mask[1:-1, 1:-1] & maps.mask[1:-1, 2:] & maps.mask[1:-1, :-2]
    core &= maps.mask[2:, 1:-1] & maps.mask[:-2, 1:-1]
    cosines = (slope * maps.normals[1:-1, 1:-1]).sum(-1)[core]
    assert np.median(cosines) > 0.99


def test_parts_lie_at_their_joints(camera, make_hand):
    hand = pose_hand(make_hand())
    maps = raycast([hand], camera)
    for joint in (3, 6, 9, 12, 15):  # the last joint of each finger
        rows, columns = np.nonzero(maps.parts == joint)
        centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
        knuckle = project(hand.joints16[joint], camera)
        assert np.linalg.norm(centre - knuckle) < 20
        others = [np.linalg.norm(centre - project(hand.joints16[j], camera)) for j in (0, 1, 4, 7, 10, 13)]
        assert np.linalg.norm(centre - knuckle) < min(others)


def test_the_nearer_hand_hides_the_farther_whatever_the_order(camera, make_hand):
    near = pose_hand(make_hand(transl=(0.02, 0.04, 0.4)))
    far = pose_hand(make_hand(side="left", transl=(0.0, 0.04, 0.7)))
    maps, swapped = raycast([near, far], camera), raycast([far, near], camera)
    np.testing.assert_array_equal(maps.depth_m, swapped.depth_m)
    alone = raycast([near], camera)
    np.testing.assert_array_equal(maps.hand_index == 0, alone.mask)
    np.testing.assert_array_equal(maps.hand_index[maps.mask], 1 - swapped.hand_index[maps.mask])
    assert (maps.hand_index == 1).any()


def test_the_surface_is_closed_and_wound_outwards(posed):
    scene = surface([posed])
    edges = np.sort(scene.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    a, b, c = (scene.verts[scene.faces[:, i]] for i in range(3))
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6 > 1e-5  # m3


def test_inward_faces_of_a_mirrored_hand_are_turned(posed, camera):
    flipped = type(posed)(**{**vars(posed), "faces": posed.faces[:, ::-1]})
    np.testing.assert_allclose(surface([flipped]).normals, surface([posed]).normals, atol=1e-6)


def test_no_hand_and_a_hand_out_of_sight_are_empty_maps(camera, make_hand):
    behind = pose_hand(make_hand(transl=(0, 0, -0.5)))
    beside = pose_hand(make_hand(transl=(5, 0, 0.5)))
    for hands in ([], [behind], [beside]):
        maps = raycast(hands, camera)
        assert not maps.mask.any()
        assert np.isinf(maps.depth_m).all()


def test_a_hand_around_the_camera_gives_finite_maps(camera, make_hand):
    maps = raycast([pose_hand(make_hand(transl=(0, 0, 0.0)))], camera)
    assert np.isfinite(maps.normals).all()
    assert (maps.depth_m > 0).all()


def test_coordinates_that_are_not_numbers_are_refused(posed, camera):
    broken = type(posed)(**{**vars(posed), "verts": posed.verts * np.nan})
    with pytest.raises(UserError, match="not numbers"):
        raycast([broken], camera)


def test_depth_image_is_handrefiners(camera):
    depth = np.array([[0.5, 0.6, 0.7, np.inf], [1.0, 1.0, 2.0, np.inf]], np.float32)
    index = np.array([[0, 0, 0, -1], [1, 1, 1, -1]])
    maps = Maps(depth_m=depth, normals=np.zeros((2, 4, 3)), mask=index >= 0, parts=index, hand_index=index)
    expected = [[255, 153, 51, 0], [255, 255, 51, 0]]
    np.testing.assert_array_equal(depth_image(maps), np.repeat(np.array(expected)[..., None], 3, 2))


def test_normals_image_is_blue_towards_the_viewer_red_right_green_up():
    normals = np.zeros((1, 4, 3), np.float32)
    normals[0, :3] = (0, 0, -1), (1, 0, 0), (0, -1, 0)
    mask = np.array([[True, True, True, False]])
    maps = Maps(depth_m=mask, normals=normals, mask=mask, parts=mask, hand_index=mask)
    expected = [[128, 128, 255], [255, 128, 128], [128, 255, 128], [0, 0, 0]]
    np.testing.assert_array_equal(normals_image(maps)[0], expected)
