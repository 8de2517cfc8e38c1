"""Kernel distance between two sets of features (Bińkowski et al. 2018): KID without its network.

Squared maximum mean discrepancy under k(x, y) = (x·y / D + 1)³, averaged over random subsets. "unbiased"
leaves the diagonals of k(x, x) out, as KID is defined; "hand1000" keeps them, as Hand1000's published script
does, so that its table can be set beside ours (KID and KID-H there are biased upwards).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.types import UserError

SUBSETS = 100
SUBSET_SIZE = 1000
DEGREE = 3


@dataclass(frozen=True)
class KernelDistance:
    """Mean and standard deviation over subsets; the latter is 0 where every subset is the whole set."""

    mean: float
    std: float
    subset_size: int


def kernel_distance(
    a: np.ndarray,
    b: np.ndarray,
    *,
    estimator: Literal["unbiased", "hand1000"] = "unbiased",
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> KernelDistance:
    """Between features (N, D) and (M, D); subsets of min(subset_size, N, M), drawn without replacement."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or min(len(a), len(b)) < 2:
        raise UserError("A kernel distance needs two pictures or more on each side.", code="too_few")
    size = min(subset_size, len(a), len(b))
    if size == len(a) == len(b):
        subsets = 1  # each subset would be the whole set
    rng = np.random.default_rng(seed)
    values = [
        _mmd2(_draw(rng, a, size), _draw(rng, b, size), keep_diagonal=estimator == "hand1000")
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size)


def _draw(rng: np.random.Generator, x: np.ndarray, size: int) -> np.ndarray:
    return x if size == len(x) else x[rng.choice(len(x), size, replace=False)]


def _mmd2(a: np.ndarray, b: np.ndarray, *, keep_diagonal: bool) -> float:
    """a (n, D), b (n, D)."""
    return _within(a, keep_diagonal) + _within(b, keep_diagonal) - 2 * _kernel(a, b).mean()


def _within(x: np.ndarray, keep_diagonal: bool) -> float:
    k = _kernel(x, x)
    if keep_diagonal:
        return k.mean()
    return (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** DEGREE
