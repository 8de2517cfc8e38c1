"""Fréchet and kernel distance against the formulas as the reference implementations write them.

torch-fidelity itself is no dependency: it pulls torchvision and CUDA packages in. Its arithmetic is here.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from engine.evaluate.frechet import Gaussian, frechet_distance
from engine.evaluate.intervals import distance_estimate, mean_estimate
from engine.evaluate.kernel import kernel_distance
from engine.types import UserError


def features(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, (n, d)) @ np.random.default_rng(7).normal(size=(d, d)) / np.sqrt(d)


def reference_fid(a: np.ndarray, b: np.ndarray) -> float:
    """pytorch-fid and torch-fidelity: scipy's sqrtm of the product of np.cov's."""
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(ca @ cb).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(ca) + np.trace(cb) - 2 * np.trace(root)


def reference_mmd2(x: np.ndarray, y: np.ndarray, unbiased: bool) -> float:
    """torch-fidelity's polynomial_mmd, element by element."""
    m, d = x.shape

    def k(u, v):
        return (float(u @ v) / d + 1) ** 3

    xy = sum(k(u, v) for u in x for v in y) / m**2
    if unbiased:
        xx, yy = (
            sum(k(s[i], s[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1)) for s in (x, y)
        )
    else:
        xx, yy = (sum(k(u, v) for u in s for v in s) / m**2 for s in (x, y))
    return xx + yy - 2 * xy


def fd(a: np.ndarray, b: np.ndarray) -> float:
    return frechet_distance(Gaussian.of(a), Gaussian.of(b))


def test_frechet_equals_the_reference():
    a, b = features(200, 16, 0), features(150, 16, 1, shift=0.3)
    assert fd(a, b) == pytest.approx(reference_fid(a, b), rel=1e-9)
    assert fd(a, b) == pytest.approx(fd(b, a), rel=1e-9)


def test_frechet_of_gaussians_in_closed_form():
    """Diagonal covariances: Σ (μ difference)² + (σ difference)²."""
    rng = np.random.default_rng(0)
    mean_a, mean_b = rng.normal(size=(2, 8))
    std_a, std_b = rng.uniform(0.1, 2, (2, 8))
    a = Gaussian.from_moments(mean_a, np.diag(std_a**2))
    b = Gaussian.from_moments(mean_b, np.diag(std_b**2))
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum((std_a - std_b) ** 2)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_with_fewer_pictures_than_features():
    """Singular covariances: exact through the data, through the moments, and zero for equal sets."""
    a, b = features(20, 64, 0), features(25, 64, 1)
    moments = (Gaussian.from_moments(x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    assert fd(a, b) == pytest.approx(frechet_distance(*moments), rel=1e-6)
    assert fd(a, a[::-1]) == pytest.approx(0, abs=1e-9)
    constant = np.ones((5, 64))
    assert fd(constant, constant + 2) == pytest.approx(64 * 4)


@pytest.mark.parametrize("estimator", ["unbiased", "hand1000"])
def test_kernel_equals_the_reference(estimator):
    a, b = features(30, 8, 0), features(30, 8, 1, shift=0.5)
    got = kernel_distance(a, b, estimator=estimator)
    assert got.mean == pytest.approx(reference_mmd2(a, b, estimator == "unbiased"), rel=1e-9)
    assert got.std == 0  # the published script's std with N <= 1000: every subset is the whole set
    assert got.subset_size == 30


def test_kernel_is_unbiased_and_the_published_variant_is_not():
    draws = [(features(40, 8, 2 * i), features(40, 8, 2 * i + 1)) for i in range(200)]
    unbiased = [kernel_distance(a, b).mean for a, b in draws]
    biased = [kernel_distance(a, b, estimator="hand1000").mean for a, b in draws]
    assert abs(np.mean(unbiased)) < 3 * np.std(unbiased) / np.sqrt(len(unbiased))
    assert min(biased) > 0


def test_kernel_subsets():
    a, b = features(60, 8, 0), features(50, 8, 1, shift=0.5)
    got = kernel_distance(a, b, subset_size=20, subsets=300, seed=3)
    assert got == kernel_distance(a, b, subset_size=20, subsets=300, seed=3)
    assert got.subset_size == 20
    assert got.std > 0
    whole = kernel_distance(a, b[:50]).mean
    assert got.mean == pytest.approx(whole, abs=4 * got.std / np.sqrt(300) + 0.02 * abs(whole))


@pytest.mark.parametrize("distance", [fd, lambda a, b: kernel_distance(a, b).mean])
def test_one_picture_is_refused(distance):
    with pytest.raises(UserError, match="two pictures"):
        distance(np.zeros((1, 4)), np.zeros((3, 4)))


def test_mean_interval_covers():
    """About 95 of 100 intervals hold the true mean."""
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(200):
        e = mean_estimate(rng.normal(1.0, 2.0, 60), seed=i, resamples=300)
        hits += e.low <= 1.0 <= e.high
    assert 0.88 < hits / 200 <= 1
    assert e.n == 60
    assert mean_estimate([]) is None


def test_distance_interval_holds_the_value():
    a, b = features(120, 8, 0), features(120, 8, 1, shift=0.4)
    e = distance_estimate(fd, a, b, resamples=60)
    assert e.low < e.value < e.high
    assert e.value == fd(a, b)
    assert e.n == 120
