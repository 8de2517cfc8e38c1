"""Bootstrap intervals: a number, its interval and the N behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 1000
DISTANCE_RESAMPLES = 100  # a distance costs a singular value decomposition each


@dataclass(frozen=True)
class Estimate:
    """`value` with its interval at LEVEL; `n` is what it was computed from (pictures, hands or crops)."""

    value: float
    low: float
    high: float
    n: int


def mean_estimate(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate | None:
    """The mean with a percentile bootstrap; None for no values."""
    x = np.asarray(values, np.float64)
    if not len(x):
        return None
    rng = np.random.default_rng(seed)
    means = x[rng.integers(len(x), size=(resamples, len(x)))].mean(1)
    low, high = np.quantile(means, _tails())
    return Estimate(float(x.mean()), float(low), float(high), len(x))


def nested_estimate(values: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The mean of values (runs, samples), with a bootstrap of the runs and of the samples they share."""
    runs, samples = values.shape
    rng = np.random.default_rng(seed)
    means = [
        values[np.ix_(rng.integers(runs, size=runs), rng.integers(samples, size=samples))].mean()
        for _ in range(resamples)
    ]
    low, high = np.quantile(means, _tails())
    return Estimate(float(values.mean()), float(low), float(high), samples)


def distance_estimate(
    distance: Callable[[np.ndarray, np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    *,
    seed: int = 0,
    resamples: int = DISTANCE_RESAMPLES,
) -> Estimate:
    """`distance(a, b)` between two sets of features, with a bootstrap of both sets.

    A resample repeats pictures, so its distance is too large on average; the quantiles are therefore taken
    around the resamples' own mean and laid around the value.
    """
    value = distance(a, b)
    rng = np.random.default_rng(seed)
    draws = [
        distance(a[rng.integers(len(a), size=len(a))], b[rng.integers(len(b), size=len(b))])
        for _ in range(resamples)
    ]
    low, high = np.quantile(draws, _tails()) - np.mean(draws)
    return Estimate(float(value), float(value + low), float(value + high), min(len(a), len(b)))


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2
