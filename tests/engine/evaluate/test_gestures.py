import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.evaluate import gestures
from engine.types import UserError

MIRROR = np.array([-1.0, 1.0, 1.0])


def hand(fingers_up: int, rng: np.random.Generator) -> np.ndarray:
    """(21, 3) m: a flat palm with `fingers_up` straight fingers and the others folded, anywhere, noisy."""
    points = np.zeros((21, 3))
    for finger in range(5):
        base = np.array([0.02 * (finger - 2), -0.09 + 0.01 * abs(finger - 2), 0.0])
        step = np.array([0.0, -0.03, 0.0]) if finger <= fingers_up else np.array([0.0, 0.012, 0.02])
        points[1 + 4 * finger : 5 + 4 * finger] = base + np.arange(4)[:, None] * step
    angle = rng.uniform(-0.4, 0.4)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return points @ turn.T * rng.uniform(0.8, 1.2) + rng.normal(0, 0.001, (21, 3)) + rng.normal(0, 0.1, 3)


def test_features_ignore_place_size_and_side():
    rng = np.random.default_rng(0)
    points = hand(2, rng)
    base = gestures.landmark_features(points, "right")
    assert base.shape == (120,)
    np.testing.assert_allclose(gestures.landmark_features(points * 1.7 + 0.3, "right"), base, atol=1e-9)
    np.testing.assert_allclose(gestures.landmark_features(points * MIRROR, "left"), base, atol=1e-9)
    assert np.abs(gestures.landmark_features(points * MIRROR, "right") - base).max() > 0.1


def test_half_of_the_features_ignores_the_view():
    points = hand(3, np.random.default_rng(1))
    turned = Rotation.from_rotvec([0.4, -1.1, 0.7]).apply(points)
    a, b = (gestures.landmark_features(p, "right") for p in (points, turned))
    np.testing.assert_allclose(a[60:], b[60:], atol=1e-9)
    assert np.abs(a[:60] - b[:60]).max() > 0.1


@pytest.fixture(scope="module")
def classifier():
    rng = np.random.default_rng(2)
    labels = [str(i % 4) for i in range(160)]
    features = np.stack([gestures.landmark_features(hand(int(v), rng), "right") for v in labels])
    return gestures.train(features, labels, epochs=30)


def test_it_names_held_out_hands_and_survives_its_file(classifier, tmp_path):
    rng = np.random.default_rng(3)
    labels = [str(i % 4) for i in range(80)]
    hands = [(hand(int(v), rng), "right") for v in labels]
    hands[::2] = [(points * MIRROR, "left") for points, _ in hands[::2]]
    assert gestures.accuracy(classifier, hands, labels) > 0.95
    path = tmp_path / "gestures.safetensors"
    classifier.save(path, {"held_out": 1.0})
    assert path.stat().st_size < 100_000
    again = gestures.GestureClassifier.load(path)
    assert again.classes == ("0", "1", "2", "3")
    for points, side in hands[:20]:
        assert again.name(points, side) == classifier.name(points, side)
    assert sum(again.probabilities(*hands[0]).values()) == pytest.approx(1)


def test_missing_file_names_the_command(tmp_path):
    with pytest.raises(UserError, match="train-gestures"):
        gestures.GestureClassifier.load(tmp_path / "none.safetensors")
