import numpy as np
import pytest

from engine.hand import pose_hand
from engine.render import draw_keypoints, keypoints_px, raycast
from engine.render.keypoints import keypoint_colors
from engine.types import UserError


def test_keypoints_are_the_pinhole_formula_and_lie_on_the_hand(camera, make_hand):
    hand = pose_hand(make_hand())
    found = keypoints_px(hand, camera)
    (fx, _, cx), (_, fy, cy), _ = camera.K
    x, y, z = hand.joints.T
    np.testing.assert_allclose(found, np.stack([fx * x / z + cx, fy * y / z + cy], axis=1))
    mask = raycast([hand], camera).mask
    columns, rows = np.floor(found).astype(int).T
    assert mask[rows, columns][[0, 1, 2, 3, 5, 6, 7, 9, 10, 13, 14, 17]].all()  # tips lie on the outline


def test_keypoints_behind_the_camera_are_refused(camera, make_hand):
    with pytest.raises(UserError, match="behind the camera"):
        keypoints_px(pose_hand(make_hand(transl=(0, 0, -0.2))), camera)


def test_drawn_where_asked_in_openposes_colours():
    image = np.zeros((60, 130, 3), np.uint8)
    points = np.stack([np.arange(21) * 6.0 + 4.5, np.full(21, 20.5)], axis=1)
    drawn = draw_keypoints(image, points, radius_px=2, thickness_px=1)
    assert not image.any(), "the picture given is left alone"
    for (x, y), color in zip(points, keypoint_colors(), strict=True):
        np.testing.assert_array_equal(drawn[int(y), int(x)], color)
    assert keypoint_colors()[[4, 8, 20]].tolist() == [[255, 0, 0], [255, 255, 0], [255, 0, 255]]
    assert not drawn[40:].any()


def test_drawing_is_antialiased_and_takes_fractions_of_a_pixel():
    blank = np.zeros((40, 50, 3), np.uint8)
    points = np.full((21, 2), np.nan)
    points[4] = 20.5, 15.5
    dot = draw_keypoints(blank, points, radius_px=3)
    assert len(np.unique(dot[..., 0])) > 2
    weights = dot[..., 0].astype(float)
    rows, columns = np.mgrid[:40, :50] + 0.5
    centre = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    np.testing.assert_allclose(centre, points[4], atol=0.1)
    points[4] += 0.5
    assert not np.array_equal(draw_keypoints(blank, points, radius_px=3), dot)


def test_points_far_outside_and_not_numbers_do_no_harm():
    blank = np.zeros((40, 50, 3), np.uint8)
    points = np.full((21, 2), 1e9)
    points[3] = np.nan
    assert draw_keypoints(blank, points).shape == blank.shape
    assert not draw_keypoints(blank, np.full((21, 2), np.nan)).any()
