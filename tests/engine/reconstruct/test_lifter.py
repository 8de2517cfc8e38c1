import numpy as np
import pytest
import torch

from engine.evaluate.metrics_hand import pa_error_mm
from engine.hand import anatomy, pose_hand, rotation
from engine.hand.model import model_of
from engine.reconstruct import lifter, train_lifter
from engine.reconstruct.calibration import load_calibration
from engine.reconstruct.kinematics import skeleton
from engine.reconstruct.lifter import lifter_features, load_lifter
from engine.reconstruct.observations import observe
from engine.reconstruct.trials import random_trials
from engine.types import UserError


@pytest.fixture(scope="module")
def examples():
    return train_lifter.made_up_examples(400, np.random.default_rng(9))


def test_numpy_and_torch_say_the_same(examples, tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = train_lifter.Network().half().float()
    train_lifter.save(network, tmp_path / "lifter.safetensors")
    monkeypatch.setattr(lifter, "FILE", tmp_path / "lifter.safetensors")
    belief = load_lifter.__wrapped__()(examples.features[0])
    angles, log_variance, orient = network(torch.tensor(examples.features[:1], dtype=torch.float32))
    np.testing.assert_allclose(belief.angles, angles[0].detach(), atol=1e-5)
    np.testing.assert_allclose(belief.angles_sd, np.exp(log_variance[0].detach() / 2), rtol=1e-4)
    np.testing.assert_allclose(belief.orient, orient[0].detach(), atol=1e-5)
    assert np.linalg.det(belief.orient) == pytest.approx(1)


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lifter, "FILE", tmp_path / "lifter.safetensors")
    with pytest.raises(UserError, match=r"lifter\.safetensors.*engine\.reconstruct train"):
        load_lifter.__wrapped__()
    (tmp_path / "lifter.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match="broken"):
        load_lifter.__wrapped__()


def test_features_do_not_know_where_how_large_or_how_turned_the_hand_is():
    rng = np.random.default_rng(0)
    rays, world = rng.normal(size=(21, 2)), rng.normal(size=(21, 3))
    features, turn = lifter_features(rays, world)
    roll = rotation.exp(np.array([0, 0, 0.7]))
    again, turned = lifter_features(3 * rays + 0.4, 0.2 * world - 5)
    np.testing.assert_allclose(again, features, atol=1e-12)
    np.testing.assert_allclose(turned, turn)
    _, rolled = lifter_features(rays @ roll[:2, :2].T, world @ roll.T)
    np.testing.assert_allclose(rolled @ roll, turn, atol=1e-12)
    up = features[:42].reshape(21, 2)[9] - features[:42].reshape(21, 2)[0]
    assert up[0] == pytest.approx(0, abs=1e-12)
    assert up[1] < 0, "the knuckle is not above the wrist"


def test_the_torch_skeleton_is_the_numpy_one(examples):
    offsets = load_calibration().offsets_m
    bones = skeleton(model_of("right"))
    args = examples.angles[:5], examples.orient[:5], np.random.default_rng(0).normal(size=(5, 10))
    joints, landmarks = train_lifter.TorchSkeleton(bones, offsets)(
        *(torch.tensor(a, dtype=torch.float32) for a in args)
    )
    for i, (angles, orient, betas) in enumerate(zip(*args, strict=True)):
        plain = bones.pose(angles, orient, betas, np.zeros((21, 3))).points
        np.testing.assert_allclose(joints[i], plain, atol=1e-5)
        np.testing.assert_allclose(landmarks[i], bones.pose(angles, orient, betas, offsets).points, atol=1e-5)


def test_made_up_hands_are_within_the_limits_and_of_every_kind(examples):
    assert examples.features.shape == (400, 105)
    assert (examples.angles >= anatomy.LIMITS[..., 0]).all()
    assert (examples.angles <= anatomy.LIMITS[..., 1]).all()
    palms = examples.orient[:, 2, 1]  # where the back of the hand points, along the line of sight
    assert (palms > 0.5).mean() > 0.2
    assert (palms < -0.5).mean() > 0.1
    assert examples.angles[:, :, 0].std(axis=0)[:12].min() > 0.2


def test_the_shipped_lifter_believes_nearly_the_truth_of_faultless_landmarks(examples):
    bones = skeleton(model_of("right"))
    gaps, scores = [], []
    for i in range(100):
        belief = load_lifter()(examples.features[i])
        none = np.zeros((21, 3))
        got = bones.pose(belief.angles, belief.orient, np.zeros(10), none).points
        gaps.append(pa_error_mm(got, examples.joints[i]))
        scores.append(((belief.angles - examples.angles[i]) / belief.angles_sd).ravel())
    assert np.mean(gaps) < 9
    assert 0.3 < np.std(scores) < 2, "the lifter does not know how sure it is"


def test_observed_examples_are_the_hands_and_what_was_seen_of_them(monkeypatch):
    observations = list(observe(random_trials(3, seed=0)))
    with pytest.raises(UserError, match="observe more"):
        train_lifter.observed_examples(observations)
    monkeypatch.setattr(train_lifter, "BATCH", 1)
    observed, errors = train_lifter.observed_examples(observations)
    assert len(observed) == len(observations) >= len(errors) > 0
    assert 0.001 < np.abs(errors[:, :42]).mean() < train_lifter.TOO_FAR / 2
    hand, seen = observations[0].as_right()
    features, to_camera = seen.features()
    np.testing.assert_allclose(observed.features[0], features)
    np.testing.assert_allclose(observed.angles[0], anatomy.to_anatomy(hand.hand_pose))
    np.testing.assert_allclose(to_camera @ observed.orient[0], rotation.exp(np.array(hand.global_orient)))
    joints = pose_hand(hand).joints
    np.testing.assert_allclose(observed.joints[0] @ to_camera.T, joints - joints.mean(axis=0), atol=1e-9)


@pytest.mark.slow
def test_training_learns(examples):
    observations = list(observe(random_trials(6, seed=0))) * 60
    network = train_lifter.train(observations, steps=120, made_up=3000)
    with torch.no_grad():
        angles, _, _ = network(torch.tensor(examples.features, dtype=torch.float32))
    error = np.square(angles.numpy() - examples.angles).mean()
    assert error < 0.75 * np.square(examples.angles.mean(axis=0) - examples.angles).mean()
