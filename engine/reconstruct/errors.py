"""How far a reconstruction is from the hand that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from engine.evaluate import metrics_hand as metrics
from engine.types import Camera, HandPose, Reconstruction


@dataclass(frozen=True, kw_only=True)
class HandErrors:
    """Of one hand. A generated picture has no truth: this is control fidelity plus the reader's own error."""

    pa_mpjpe_mm: float  # 21 joints, after the best similarity alignment (proper rotations)
    pa_mpvpe_mm: float | None  # vertices, likewise; None between hand models of other topology
    mpjpe_2d_px: float  # 21 keypoints in the target camera's picture
    mpjpe_2d_percent: float  # the same, in percent of the target hand's box side
    mse_2d_percent: float  # MSE-2D: mean square in units of the box side, times 100


def errors(rec: Reconstruction, target: HandPose, camera: Camera) -> HandErrors:
    """`rec` against `target` seen by `camera`, whose picture `rec` was read from (at any size)."""
    from engine.hand import pose_hand
    from engine.render import keypoints_px, project

    true = pose_hand(target)
    true_px = keypoints_px(true, camera)
    if rec.keypoints_px is not None:
        found_px = rec.keypoints_px * (
            camera.width_px / rec.camera.width_px,
            camera.height_px / rec.camera.height_px,
        )
    else:
        from engine.render import project

        found_px = project(
            rec.joints, rec.camera.resized(width_px=camera.width_px, height_px=camera.height_px)
        )
    mean_px = metrics.keypoint_error_px(found_px, true_px)
    same_topology = rec.verts.shape == true.verts.shape
    return HandErrors(
        pa_mpjpe_mm=metrics.pa_error_mm(rec.joints, true.joints),
        pa_mpvpe_mm=metrics.pa_error_mm(rec.verts, true.verts) if same_topology else None,
        mpjpe_2d_px=mean_px,
        mpjpe_2d_percent=100 * mean_px / metrics.box_side_px(true_px),
        mse_2d_percent=metrics.mse_2d_percent(found_px, true_px),
    )
