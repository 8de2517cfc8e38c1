"""Hand metrics as FreiHAND's protocol defines them (Zimmermann et al., ICCV 2019; its eval.py).

Points are metres in, millimetres out where the name says so. PA: after the best similarity (Procrustes)
alignment. FreiHAND's own script lets that alignment mirror a hand; here only proper rotations are allowed,
as in HaMeR's evaluation, unless `allow_reflection` asks for the published behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AUC_RANGE_M = (0.0, 0.05)
AUC_STEPS = 100
F_THRESHOLDS_M = (0.005, 0.015)


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """x -> scale * R @ x + t."""

    scale: float
    R: np.ndarray  # (3, 3)
    t: np.ndarray  # (3,) m

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) -> (..., 3)."""
        return self.scale * points @ self.R.T + self.t


@dataclass(frozen=True, kw_only=True)
class FreihandScores:
    """FreiHAND's table row, aligned; means over samples and points."""

    pa_mpjpe_mm: float
    pa_mpvpe_mm: float
    auc_joints: float  # of PCK over 0 to 50 mm, in [0, 1]
    auc_verts: float
    f_5: float  # F-score of the vertices at 5 mm
    f_15: float
    samples: int


def fit_similarity(
    source: np.ndarray,
    target: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    allow_reflection: bool = False,
) -> Similarity:
    """The similarity that takes `source` (N, 3) nearest to `target` (N, 3) in (weighted) least squares.

    Umeyama, PAMI 1991, eq. 39-43.
    """
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, float)
    weights = weights / weights.sum()
    source_mean, target_mean = weights @ source, weights @ target
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = target_centred.T @ (weights[:, None] * source_centred)
    U, singular, Vt = np.linalg.svd(covariance)
    signs = np.ones(3)
    if not allow_reflection and np.linalg.det(U @ Vt) < 0:
        signs[2] = -1.0
    R = (U * signs) @ Vt
    variance = weights @ (source_centred**2).sum(axis=1)
    scale = float(singular @ signs / variance) if variance > 0 else 1.0
    return Similarity(scale=scale, R=R, t=target_mean - scale * R @ source_mean)


def procrustes_align(points: np.ndarray, target: np.ndarray, *, allow_reflection: bool = False) -> np.ndarray:
    """`points` (N, 3) under the similarity that brings them nearest to `target` (N, 3)."""
    return fit_similarity(points, target, allow_reflection=allow_reflection)(points)


def distances_mm(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(..., N, 3) m twice -> (..., N) mm."""
    return np.linalg.norm(points - target, axis=-1) * 1000


def pa_error_mm(points: np.ndarray, target: np.ndarray, *, allow_reflection: bool = False) -> float:
    """Mean distance after alignment: PA-MPJPE of joints, PA-MPVPE of vertices."""
    aligned = procrustes_align(points, target, allow_reflection=allow_reflection)
    return float(distances_mm(aligned, target).mean())


def root_relative_error_mm(points: np.ndarray, target: np.ndarray, root: int = 0) -> float:
    """Mean distance when the roots coincide: MPJPE as HaMeR's evaluation has it."""
    return float(distances_mm(points - points[root], target - target[root]).mean())


def f_score(points: np.ndarray, target: np.ndarray, threshold_m: float) -> float:
    """Harmonic mean of the shares of each cloud that lie nearer than `threshold_m` to the other."""
    from scipy.spatial import cKDTree

    precision = float((cKDTree(target).query(points)[0] < threshold_m).mean())
    recall = float((cKDTree(points).query(target)[0] < threshold_m).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def pck_auc(
    errors_m: np.ndarray,
    *,
    low_m: float = AUC_RANGE_M[0],
    high_m: float = AUC_RANGE_M[1],
    steps: int = AUC_STEPS,
) -> float:
    """Area under the share of correct keypoints over the threshold, normalised to [0, 1]; any shape.

    FreiHAND takes 0 to 50 mm; papers on STB take 20 to 50 mm.
    """
    thresholds = np.linspace(low_m, high_m, steps)
    ordered = np.sort(np.ravel(errors_m))
    pck = np.searchsorted(ordered, thresholds, side="right") / len(ordered)
    return float(np.trapezoid(pck, thresholds) / (high_m - low_m))


def keypoint_error_px(points_px: np.ndarray, target_px: np.ndarray) -> float:
    """Mean distance of (N, 2) px keypoints."""
    return float(np.linalg.norm(points_px - target_px, axis=-1).mean())


def box_side_px(keypoints_px: np.ndarray) -> float:
    """The longer side of the keypoints' box: what 2D errors are divided by, so that size does not count."""
    return float(np.ptp(keypoints_px, axis=0).max())


def mse_2d_percent(points_px: np.ndarray, target_px: np.ndarray) -> float:
    """MSE-2D: mean squared distance in units of the target's box side, times 100.

    SesaHand and AttentionHand publish numbers of this size without units; this reading is ours.
    """
    relative = (points_px - target_px) / max(box_side_px(target_px), 1e-9)
    return float((relative**2).sum(axis=-1).mean() * 100)


def freihand_scores(
    joints: Sequence[np.ndarray],
    true_joints: Sequence[np.ndarray],
    verts: Sequence[np.ndarray],
    true_verts: Sequence[np.ndarray],
    *,
    allow_reflection: bool = False,
) -> FreihandScores:
    """Scores of N samples of joints (21, 3) and vertices (V, 3) in metres, each aligned by itself."""
    joint_errors, vert_errors, f_scores = [], [], []
    for sample in zip(joints, true_joints, verts, true_verts, strict=True):
        j, true_j, v, true_v = (np.asarray(a, dtype=float) for a in sample)
        aligned_j = procrustes_align(j, true_j, allow_reflection=allow_reflection)
        aligned_v = procrustes_align(v, true_v, allow_reflection=allow_reflection)
        joint_errors.append(distances_mm(aligned_j, true_j))
        vert_errors.append(distances_mm(aligned_v, true_v))
        f_scores.append([f_score(aligned_v, true_v, threshold) for threshold in F_THRESHOLDS_M])
    if not joint_errors:
        raise ValueError("freihand_scores needs at least one sample")
    f_5, f_15 = np.mean(f_scores, axis=0)
    return FreihandScores(
        pa_mpjpe_mm=float(np.mean(joint_errors)),
        pa_mpvpe_mm=float(np.mean(vert_errors)),
        auc_joints=pck_auc(np.array(joint_errors) / 1000),
        auc_verts=pck_auc(np.array(vert_errors) / 1000),
        f_5=float(f_5),
        f_15=float(f_15),
        samples=len(joint_errors),
    )
