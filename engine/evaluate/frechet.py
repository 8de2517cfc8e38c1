"""Fréchet distance between two sets of features (Heusel et al. 2017, eq. 6): FID without its network.

    d² = |μa − μb|² + tr(Ca) + tr(Cb) − 2 tr (Ca Cb)^½

With C = RᵀR, the eigenvalues of Ca Cb are the squared singular values of Ra Rbᵀ, so the last trace is the sum
of those singular values. That is exact for singular covariances (fewer pictures than features), always real,
and needs neither a matrix square root nor the usual 1e-6 on the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.types import UserError


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and a factor of the covariance of N feature vectors of length D."""

    mean: np.ndarray  # (D,)
    factor: np.ndarray  # (min(N, D), D): factor.T @ factor is the covariance, with N - 1 below

    @classmethod
    def of(cls, features: np.ndarray) -> Gaussian:
        """From features (N, D), N of two or more."""
        x = np.asarray(features, np.float64)
        if x.ndim != 2 or len(x) < 2:
            raise UserError("A Fréchet distance needs two pictures or more on each side.", code="too_few")
        mean = x.mean(0)
        factor = (x - mean) / np.sqrt(len(x) - 1)
        return cls(mean, np.linalg.qr(factor, mode="r") if len(x) > x.shape[1] else factor)

    @classmethod
    def from_moments(cls, mean: np.ndarray, covariance: np.ndarray) -> Gaussian:
        """From published statistics: mean (D,), covariance (D, D)."""
        values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
        return cls(np.asarray(mean, np.float64), np.sqrt(values.clip(min=0))[:, None] * vectors.T)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """d² of the module's docstring; 0 or more."""
    cross = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    spread = np.square(a.factor).sum() + np.square(b.factor).sum()
    return float(max(np.square(a.mean - b.mean).sum() + spread - 2 * cross, 0.0))
