"""Each metric against its published formula, written out a second time the way FreiHAND's eval.py has it."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from engine.evaluate import metrics_hand as metrics


@pytest.fixture
def clouds():
    """Two noisy copies of one cloud under an arbitrary similarity."""
    rng = np.random.default_rng(3)
    target = rng.normal(size=(778, 3)) * 0.05
    moved = 1.7 * target @ Rotation.random(rng=4).as_matrix().T + (0.1, -0.4, 0.8)
    return moved + rng.normal(size=target.shape) * 0.006, target


def align_w_scale(target, points):
    """FreiHAND's alignment: Frobenius-normalised orthogonal Procrustes, reflections allowed."""
    t1, t2 = target.mean(0), points.mean(0)
    target_n, points_n = target - t1, points - t2
    s1, s2 = np.linalg.norm(target_n), np.linalg.norm(points_n)
    R, s = orthogonal_procrustes(target_n / s1, points_n / s2)
    return points_n / s2 @ R.T * s * s1 + t1


def test_alignment_undoes_any_similarity():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(21, 3))
    R = Rotation.random(rng=1).as_matrix()
    moved = 0.3 * points @ R.T + (1, 2, 3)
    found = metrics.fit_similarity(points, moved)
    np.testing.assert_allclose(found.R, R, atol=1e-12)
    np.testing.assert_allclose(found.scale, 0.3, atol=1e-12)
    np.testing.assert_allclose(found(points), moved, atol=1e-12)


def test_alignment_equals_freihands(clouds):
    points, target = clouds
    np.testing.assert_allclose(
        metrics.procrustes_align(points, target), align_w_scale(target, points), atol=1e-10
    )


def test_a_mirrored_hand_aligns_only_when_reflections_are_allowed(clouds):
    points, target = clouds
    mirrored = points * (-1, 1, 1)
    proper = metrics.pa_error_mm(mirrored, target)
    improper = metrics.pa_error_mm(mirrored, target, allow_reflection=True)
    assert improper == pytest.approx(metrics.pa_error_mm(points, target), abs=1e-9)
    assert proper > 3 * improper
    np.testing.assert_allclose(
        metrics.procrustes_align(mirrored, target, allow_reflection=True),
        align_w_scale(target, mirrored),
        atol=1e-10,
    )


def test_alignment_of_a_mirror_image_stays_a_rotation(clouds):
    points, target = clouds
    assert np.linalg.det(metrics.fit_similarity(points * (-1, 1, 1), target).R) == pytest.approx(1)


def test_weights_leave_outliers_out(clouds):
    _, target = clouds
    source = 2 * target
    source[:5] += 10
    weights = np.ones(len(target))
    weights[:5] = 0
    assert metrics.fit_similarity(source, target, weights=weights).scale == pytest.approx(0.5)


def test_alignment_of_a_single_place_is_finite():
    same = np.ones((21, 3))
    assert np.isfinite(metrics.pa_error_mm(same, same * 2))


def test_f_score_equals_the_brute_force(clouds):
    points, target = clouds
    aligned = align_w_scale(target, points)
    nearest = cdist(aligned, target)
    for threshold in metrics.F_THRESHOLDS_M:
        precision, recall = ((nearest.min(axis) < threshold).mean() for axis in (1, 0))
        expected = 2 * precision * recall / (precision + recall)
        assert 0 < expected <= 1
        assert metrics.f_score(aligned, target, threshold) == pytest.approx(expected)


def test_f_score_of_clouds_far_apart_is_zero(clouds):
    _, target = clouds
    assert metrics.f_score(target + 5, target, 0.015) == 0


def test_auc_equals_the_loop_over_thresholds():
    errors = np.abs(np.random.default_rng(0).normal(size=(40, 21))) * 0.02
    thresholds = np.linspace(0, 0.05, 100)
    pck = [[(errors[:, k] <= t).mean() for t in thresholds] for k in range(21)]
    per_keypoint = [np.trapezoid(p, thresholds) / np.trapezoid(np.ones(100), thresholds) for p in pck]
    assert metrics.pck_auc(errors) == pytest.approx(np.mean(per_keypoint))
    assert metrics.pck_auc(np.zeros(3)) == 1
    assert metrics.pck_auc(np.full(3, 0.06)) == 0
    assert metrics.pck_auc(np.full(9, 0.035), low_m=0.02) == pytest.approx(0.5, abs=0.01)


def test_2d_errors_do_not_depend_on_the_pictures_size_when_they_are_relative():
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 100, (21, 2))
    points = target + np.array((3, 4))
    assert metrics.keypoint_error_px(points, target) == pytest.approx(5)
    box = max(np.ptp(target[:, 0]), np.ptp(target[:, 1]))
    assert metrics.mse_2d_percent(points, target) == pytest.approx(100 * 25 / box**2)
    assert metrics.mse_2d_percent(points * 7, target * 7) == pytest.approx(
        metrics.mse_2d_percent(points, target)
    )


def test_root_relative_error_ignores_where_the_hand_is(clouds):
    _, target = clouds
    assert metrics.root_relative_error_mm(target + 3, target) == pytest.approx(0, abs=1e-9)
    assert metrics.root_relative_error_mm(2 * target, target) == pytest.approx(
        np.linalg.norm(target - target[0], axis=1).mean() * 1000
    )


def test_freihand_scores_are_the_means_of_the_samples(clouds):
    points, target = clouds
    rng = np.random.default_rng(1)
    samples = [points, points + rng.normal(size=points.shape) * 0.01]
    scores = metrics.freihand_scores([s[:21] for s in samples], [target[:21]] * 2, samples, [target] * 2)
    per_sample = [np.linalg.norm(align_w_scale(target, s) - target, axis=1) for s in samples]
    assert scores.pa_mpvpe_mm == pytest.approx(np.mean(per_sample) * 1000)
    assert scores.auc_verts == pytest.approx(metrics.pck_auc(np.array(per_sample)))
    assert scores.pa_mpjpe_mm == pytest.approx(
        np.mean([metrics.pa_error_mm(s[:21], target[:21]) for s in samples])
    )
    assert 0 < scores.f_5 < scores.f_15 <= 1
    assert scores.samples == 2
