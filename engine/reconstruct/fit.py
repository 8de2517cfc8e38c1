"""The hand model fitted to MediaPipe's landmarks: pose within anatomical limits, shape, place.

Maximum a posteriori by Levenberg-Marquardt (More 1978) with the limits as an active set. Observed are the
image landmarks, through the camera, and the world landmarks, up to scale. Everything happens on a right hand:
a left one is mirrored first and back at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.evaluate.metrics_hand import fit_similarity
from engine.hand import anatomy, rotation
from engine.hand.model import model_of
from engine.reconstruct.calibration import load_calibration
from engine.reconstruct.kinematics import Skeleton, skeleton
from engine.types import Camera, HandPose, Side

# Standard deviations of what is observed and believed.
WORLD_SD_M = 0.04  # MediaPipe's depths are poor, and its other two coordinates are the image's again
BEND_SD, SPREAD_SD, TWIST_SD = 0.6, 0.1, 0.06  # rad
BEND_MEAN = 0.3  # rad: a relaxed hand is a little closed
COUPLING_SD = 0.25  # rad, of a last joint about 2/3 of the middle one (Lin, Wu and Huang 2000)
BETA_SD = 1.0
SCALE_SD = 0.15  # of the logarithm of MediaPipe's size over the hand's

MAX_STEPS = 30
NEAR_M = 0.01
ANGLE_MEAN = np.array([BEND_MEAN, 0.0, 0.0])
TOLERANCE = 1e-3  # relative fall of the cost at which the fit ends

_PALM = np.array([0, 1, 5, 9, 13, 17])
_CHAINS = np.array(
    [[0, 5, 6, 7, 8], [0, 9, 10, 11, 12], [0, 17, 18, 19, 20], [0, 13, 14, 15, 16]]
)  # MANO order
_MIDDLE_OF_FINGER = np.array([1, 4, 7, 10])  # rows of angles: second joints of index, middle, pinky, ring


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What is fitted to, as a right hand shows it."""

    points_px: np.ndarray  # (21, 2)
    world_m: np.ndarray  # (21, 3) centred, camera frame, up to scale
    K: np.ndarray  # (3, 3)
    box_px: float


@dataclass(frozen=True, eq=False)
class Parameters:
    """A right hand's state."""

    angles: np.ndarray  # (15, 3) rad
    orient: np.ndarray  # (3, 3)
    transl: np.ndarray  # (3,) m
    log_scale: float  # of the world landmarks to the hand's size
    betas: np.ndarray  # (10,)

    def stepped(self, step: np.ndarray) -> Parameters:
        """After a step of (62,): 45 angles, 3 orient, 3 transl, 1 log scale, 10 betas; within the limits."""
        angles = self.angles + step[:45].reshape(15, 3)
        return Parameters(
            angles=np.clip(angles, anatomy.LIMITS[..., 0], anatomy.LIMITS[..., 1]),
            orient=rotation.exp(step[45:48]) @ self.orient,
            transl=self.transl + step[48:51],
            log_scale=self.log_scale + step[51],
            betas=self.betas + step[52:],
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted hand."""

    hand: HandPose
    cost: float  # half the sum of squared residuals, each in its standard deviations


def fit_hand(points_px: np.ndarray, world_m: np.ndarray, camera: Camera, side: Side) -> Fit:
    """The hand of `side` that MediaPipe's points_px (21, 2) and world_m (21, 3) show in `camera`."""
    right = side == "right"
    K = np.array(camera.K)
    if not right:
        points_px = np.array([camera.width_px, 0.0]) + points_px * (-1, 1)
        world_m = world_m * (-1, 1, 1)
        K[0, 2] = camera.width_px - K[0, 2]
    hand_skeleton = skeleton(model_of("right"))
    seen = _landmarks(points_px, world_m, K)
    found, cost = _minimise(hand_skeleton, seen, _start(hand_skeleton, seen))
    hand = HandPose(
        side="right",
        global_orient=rotation.log(found.orient),
        hand_pose=anatomy.from_anatomy(found.angles),
        betas=found.betas,
        transl=found.transl,
    )
    return Fit(hand=hand if right else anatomy.mirror(hand), cost=cost)


def _landmarks(points_px: np.ndarray, world_m: np.ndarray, K: np.ndarray) -> Landmarks:
    """World landmarks have the line of sight to the hand as their z axis; turn them to the camera's."""
    middle = (points_px.min(axis=0) + points_px.max(axis=0)) / 2
    sight = np.linalg.solve(K, [*middle, 1.0])
    turn = rotation.between(np.array([0.0, 0.0, 1.0]), sight)
    return Landmarks(
        points_px=points_px,
        world_m=(world_m - world_m.mean(axis=0)) @ turn.T,
        K=K,
        box_px=max(float(np.ptp(points_px, axis=0).max()), 1.0),
    )


def _start(hand: Skeleton, seen: Landmarks) -> Parameters:
    """Palm by Procrustes, bends by the angles between bones, distance by size."""
    flat = hand.pose(np.zeros((15, 3)), np.eye(3), np.zeros(10), load_calibration().offsets_m)
    palm = fit_similarity(flat.points[_PALM], seen.world_m[_PALM])
    angles = np.zeros((15, 3))
    bones = np.diff(seen.world_m[_CHAINS], axis=1)  # (4 fingers, 4 bones, 3)
    bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    bends = np.arccos(np.clip((bones[:, :-1] * bones[:, 1:]).sum(-1), -1, 1))
    angles[:12, 0] = bends.ravel()
    start = Parameters(
        angles=angles, orient=palm.R, transl=np.zeros(3), log_scale=-np.log(palm.scale), betas=np.zeros(10)
    ).stepped(np.zeros(62))

    points = hand.pose(start.angles, start.orient, start.betas, load_calibration().offsets_m).points
    rays = np.linalg.solve(seen.K, np.c_[seen.points_px, np.ones(21)].T).T[:, :2]
    spread = [np.linalg.norm(p - p.mean(axis=0)) for p in (points[:, :2], rays)]
    depth = spread[0] / max(spread[1], 1e-9)
    transl = np.append(rays.mean(axis=0), 1.0) * depth - points.mean(axis=0)
    return replace(start, transl=transl)


def _minimise(hand: Skeleton, seen: Landmarks, at: Parameters) -> tuple[Parameters, float]:
    """Levenberg-Marquardt; an angle at a limit that the cost pushes against is left out of the step."""
    residuals, jacobian = _residuals(hand, seen, at)
    cost = residuals @ residuals / 2
    damping = 1e-3
    for _ in range(MAX_STEPS):
        gradient = jacobian.T @ residuals
        curvature = jacobian.T @ jacobian
        blocked = np.zeros(62, bool)
        blocked[:45] = (
            (at.angles <= anatomy.LIMITS[..., 0]) & (gradient[:45].reshape(15, 3) > 0)
            | (at.angles >= anatomy.LIMITS[..., 1]) & (gradient[:45].reshape(15, 3) < 0)
        ).ravel()
        free = ~blocked
        while damping < 1e6:
            damped = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
            step = np.zeros(62)
            step[free] = -np.linalg.solve(damped[np.ix_(free, free)], gradient[free])
            tried = at.stepped(step)
            new_residuals, new_jacobian = _residuals(hand, seen, tried)
            new_cost = new_residuals @ new_residuals / 2
            if new_cost < cost:
                break
            damping *= 5
        else:
            return at, float(cost)
        fall = (cost - new_cost) / cost
        at, residuals, jacobian, cost = tried, new_residuals, new_jacobian, new_cost
        damping = max(damping / 5, 1e-6)
        if fall < TOLERANCE:
            break
    return at, float(cost)


def _residuals(hand: Skeleton, seen: Landmarks, at: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """(R,) residuals in standard deviations and their (R, 62) Jacobian."""
    pose = hand.pose(at.angles, at.orient, at.betas, load_calibration().offsets_m)
    by_all = np.zeros((21, 3, 62))
    by_all[..., :45], by_all[..., 45:48] = pose.by_angle, pose.by_orient
    by_all[..., 48:51], by_all[..., 52:] = np.eye(3), pose.by_beta
    points = pose.points + at.transl
    z = np.maximum(points[:, 2:], NEAR_M)
    focal = seen.K[[0, 1], [0, 1]]
    image = points[:, :2] / z * focal + seen.K[:2, 2] - seen.points_px
    by_image = (
        focal[:, None] / z[..., None] * (by_all[:, :2] - (points[:, :2] / z)[..., None] * by_all[:, 2:])
    )
    image_sd = load_calibration().image_sd[:, None] * seen.box_px

    scaled = np.exp(at.log_scale) * seen.world_m
    world = pose.points - pose.points.mean(axis=0) - scaled
    by_world = by_all - by_all.mean(axis=0)
    by_world[..., 51] = -scaled

    middle, last = _MIDDLE_OF_FINGER, _MIDDLE_OF_FINGER + 1
    coupling = at.angles[last, 0] - 2 / 3 * at.angles[middle, 0]
    by_coupling = np.zeros((4, 62))
    by_coupling[np.arange(4), 3 * last] = 1.0
    by_coupling[np.arange(4), 3 * middle] = -2 / 3

    prior = np.concatenate([(at.angles - ANGLE_MEAN).ravel(), [at.log_scale], at.betas])
    prior_sd = np.concatenate([np.tile((BEND_SD, SPREAD_SD, TWIST_SD), 15), [SCALE_SD], np.full(10, BETA_SD)])
    by_prior = np.zeros((56, 62))
    by_prior[np.arange(56), np.r_[0:45, 51:62]] = 1.0
    return (
        np.concatenate(
            [(image / image_sd).ravel(), world.ravel() / WORLD_SD_M, coupling / COUPLING_SD, prior / prior_sd]
        ),
        np.concatenate(
            [
                (by_image / image_sd[..., None]).reshape(42, 62),
                by_world.reshape(63, 62) / WORLD_SD_M,
                by_coupling / COUPLING_SD,
                by_prior / prior_sd[:, None],
            ]
        ),
    )
