from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.evaluate.metrics_hand import box_side_px, keypoint_error_px
from engine.hand import pose_hand
from engine.reconstruct import Detection, detect, landmarks, recognise
from engine.render import keypoints_px
from engine.types import UserError

CASES = [("rock", "right"), ("like", "left"), ("fist", "right"), ("fist", "left")]


@pytest.mark.parametrize(("gesture", "side"), CASES)
def test_finds_the_hand_its_side_and_its_keypoints(take, gesture, side):
    trial = take(gesture, side)
    (found,) = detect(trial.image)
    assert found.side == side
    assert 0.5 < found.score <= 1
    true = keypoints_px(pose_hand(trial.hand), trial.camera)
    assert keypoint_error_px(found.points_px, true) < 0.1 * box_side_px(true)
    assert 0.05 < np.ptp(found.world_m, axis=0).max() < 0.3  # metres


def test_a_small_picture_gives_the_same_points_in_its_own_pixels(take):
    large, small = (
        take("palm", "right", height_px=480, width_px=640),
        take("palm", "right", height_px=120, width_px=160),
    )
    (a,), (b,) = detect(large.image), detect(small.image)
    assert keypoint_error_px(b.points_px * 4, a.points_px) < 0.08 * box_side_px(a.points_px)


def test_two_hands_are_two_detections(take):
    right, left = take("fist", "right"), take("fist", "left", seed=1)
    image = np.concatenate([left.image, right.image], axis=1)
    found = detect(image)
    assert sorted(d.side for d in found) == ["left", "right"]
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)
    assert len(detect(image, max_hands=1)) == 1


@pytest.mark.parametrize("misses", [1, 2])
def test_a_miss_is_looked_at_again(take, monkeypatch, misses):
    """First with a margin, then in the mirror; either gives the same hand in the picture's own pixels."""
    shapes = []
    look = landmarks._look
    image = take("like", "left").image
    (plain,) = detect(image)

    def fails_at_first(image, *rest):
        shapes.append(image.shape)
        return look(image, *rest) if len(shapes) > misses else []

    monkeypatch.setattr(landmarks, "_look", fails_at_first)
    (again,) = detect(image)
    assert shapes == [(300, 400, 3), (500, 600, 3), (500, 600, 3)][: misses + 1]
    assert again.side == plain.side
    assert keypoint_error_px(again.points_px, plain.points_px) < 0.1 * box_side_px(plain.points_px)
    np.testing.assert_allclose(again.world_m, plain.world_m, atol=0.04)


@pytest.mark.parametrize("shape", [(1, 1, 3), (200, 300, 3), (3, 900, 3)])
def test_no_hand_is_an_empty_list(shape):
    image = np.full(shape, 90, np.uint8)
    assert detect(image) == []
    assert recognise(image) == []


@pytest.mark.parametrize(
    "image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), None]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(UserError, match="RGB"):
        detect(image)


def test_a_hand_reported_twice_is_kept_once():
    points = np.random.default_rng(0).uniform(0, 100, (21, 2))

    def detection(score, shift):
        return Detection(side="right", score=score, points_px=points + shift, world_m=np.zeros((21, 3)))

    best, double, other = detection(0.9, 0), detection(0.8, 5), detection(0.7, 80)
    assert landmarks._without_doubles([best, double, other]) == [best, other]


def test_many_threads_get_the_answers_of_one(take):
    images = [take(gesture, side).image for gesture, side in CASES]
    alone = [detect(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detect, images * 2))
    for a, b in zip(alone * 2, together, strict=True):
        np.testing.assert_array_equal(a[0].points_px, b[0].points_px)


@pytest.mark.parametrize(
    ("gesture", "name"), [("palm", "Open_Palm"), ("like", "Thumb_Up"), ("peace", "Victory")]
)
def test_recognises_canned_gestures(take, gesture, name):
    ((found, score),) = recognise(take(gesture, "right").image)
    assert found == name
    assert 0.3 < score <= 1


def test_missing_models_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(landmarks, "CONTAINER", tmp_path / "gesture_recognizer.task")
    monkeypatch.setattr(landmarks, "_landmarker", landmarks._landmarker.__wrapped__)
    with pytest.raises(UserError, match=r"gesture_recognizer\.task.*engine\.hand\.build"):
        detect(np.zeros((20, 20, 3), np.uint8))
