import numpy as np
import pytest

from engine.evaluate.metrics_hand import pa_error_mm
from engine.hand import pose_hand
from engine.reconstruct import Detection, best_of_side, errors, read, reconstruct
from engine.types import UserError


@pytest.mark.parametrize("side", ["left", "right"])
def test_reads_the_gesture_back(take, side):
    trial = take("ok", side)
    (rec,) = reconstruct(trial.image, trial.camera, side)
    true = pose_hand(trial.hand)
    assert rec.hand.side == side
    assert pa_error_mm(rec.joints, true.joints) < 8
    np.testing.assert_allclose(rec.verts, pose_hand(rec.hand).verts)
    np.testing.assert_allclose(rec.joints.mean(axis=0), true.joints.mean(axis=0), rtol=0.2, atol=0.03)
    assert rec.faces.max() < len(rec.verts)
    assert rec.camera == trial.camera


def test_the_camera_is_scaled_to_the_picture(take):
    trial = take("ok", "right")
    double = trial.camera.resized(width_px=800, height_px=600)
    (a,), (b,) = (reconstruct(trial.image, c, "right") for c in (trial.camera, double))
    assert b.camera == trial.camera
    np.testing.assert_allclose(a.verts, b.verts)


def test_without_a_camera_a_usual_lens_is_assumed(take):
    (rec,) = reconstruct(take("ok", "right").image)
    assert (rec.camera.width_px, rec.camera.height_px) == (400, 300)
    assert rec.camera.K[0][0] == pytest.approx(480)
    assert (rec.verts[:, 2] > 0).all()


def test_a_known_side_is_not_left_to_the_label(take, monkeypatch):
    trial = take("fist", "right")
    truth = pose_hand(trial.hand)
    (plain,) = reconstruct(trial.image, trial.camera, "right")
    (mislabelled,) = read.detect(trial.image)
    inside_out = Detection(
        side="left",
        score=0.9,
        points_px=mislabelled.points_px,
        world_m=mislabelled.world_m * (1, 1, -1),
    )
    monkeypatch.setattr(read, "detect", lambda *_: [inside_out])
    (locked,) = reconstruct(trial.image, trial.camera, "right")
    assert locked.hand.side == "right"
    np.testing.assert_allclose(locked.verts, plain.verts)
    (free,) = reconstruct(trial.image, trial.camera)
    assert free.hand.side == "left"
    assert pa_error_mm(free.joints, truth.joints) > pa_error_mm(locked.joints, truth.joints)


def test_of_two_hands_the_one_of_the_side_is_read(take):
    image = np.concatenate([take("fist", "left", seed=1).image, take("fist", "right").image], axis=1)
    assert len(reconstruct(image)) == 2
    for side, half in (("left", 0), ("right", 1)):
        (rec,) = reconstruct(image, side=side)
        assert rec.hand.side == side
        assert (rec.keypoints_px[:, 0] // 400 == half).mean() > 0.9


def test_best_of_side_prefers_the_label_then_the_score():
    def detection(side, score):
        return Detection(side=side, score=score, points_px=np.zeros((21, 2)), world_m=np.zeros((21, 3)))

    a, b, c = detection("left", 0.9), detection("right", 0.6), detection("right", 0.7)
    assert best_of_side([a, b, c], "right") is c
    assert best_of_side([b, c], "left") is c


def test_no_hand_is_a_normal_result():
    assert reconstruct(np.zeros((60, 90, 3), np.uint8)) == []
    assert reconstruct(np.zeros((60, 90, 3), np.uint8), side="left") == []
    with pytest.raises(UserError):
        reconstruct(np.zeros((60, 90), np.uint8))


def test_errors_of_the_truth_are_zero_and_of_another_hand_are_not(take):
    trial = take("ok", "left")
    true = pose_hand(trial.hand)
    (rec,) = reconstruct(trial.image, trial.camera, "left")
    found = errors(rec, trial.hand, trial.camera)
    perfect = type(rec)(
        verts=true.verts * 1.3 + 0.2,  # a similarity does not count
        joints=true.joints * 1.3 + 0.2,
        hand=trial.hand,
        camera=trial.camera,
        score=1.0,
        keypoints_px=read_keypoints(trial),
    )
    none = errors(perfect, trial.hand, trial.camera)
    assert none.pa_mpjpe_mm == pytest.approx(0, abs=1e-6)
    assert none.pa_mpvpe_mm == pytest.approx(0, abs=1e-6)
    assert none.mpjpe_2d_px == pytest.approx(0, abs=1e-6)
    assert 0 < found.pa_mpvpe_mm < found.pa_mpjpe_mm < 8
    assert 0 < found.mpjpe_2d_percent < 10
    fist = take("fist", "left")
    assert errors(rec, fist.hand, fist.camera).pa_mpjpe_mm > 15


def test_errors_in_another_size_are_in_its_pixels(take):
    trial = take("ok", "right")
    (rec,) = reconstruct(trial.image, trial.camera, "right")
    a = errors(rec, trial.hand, trial.camera)
    b = errors(rec, trial.hand, trial.camera.resized(width_px=1200, height_px=900))
    assert b.mpjpe_2d_px == pytest.approx(3 * a.mpjpe_2d_px)
    assert b.mpjpe_2d_percent == pytest.approx(a.mpjpe_2d_percent)
    assert b.mse_2d_percent == pytest.approx(a.mse_2d_percent)


def test_meshes_of_other_topology_have_no_vertex_error(take):
    trial = take("ok", "right")
    (rec,) = reconstruct(trial.image, trial.camera, "right")
    other = type(rec)(**{**vars(rec), "verts": rec.verts[:500]})
    assert errors(other, trial.hand, trial.camera).pa_mpvpe_mm is None


def read_keypoints(trial):
    from engine.render import keypoints_px

    return keypoints_px(pose_hand(trial.hand), trial.camera)
