"""The hand model fitted to MediaPipe's landmarks: pose within anatomical limits, shape, place.

Maximum a posteriori: the image landmarks through the camera, against the lifter's belief about the pose, by
Levenberg-Marquardt (More 1978) with the limits as an active set. Everything happens on a right hand: a left
one is mirrored first and back at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.hand import anatomy, rotation
from engine.hand.model import model_of
from engine.reconstruct.calibration import Calibration, load_calibration
from engine.reconstruct.kinematics import Skeleton, skeleton
from engine.reconstruct.lifter import Belief, lifter_features, load_lifter
from engine.types import Camera, HandPose, Side

ORIENT_SD = 0.2  # rad, of the believed orientation
BETA_SD = 1.0
NEAR_M = 0.01
MAX_STEPS = 30
TOLERANCE = 1e-3  # relative fall of the cost at which the fit ends
_SIZE = 45 + 3 + 3 + 10  # parameters: angles, orientation, translation, betas
_ORIENT, _TRANSL, _BETAS = slice(45, 48), slice(48, 51), slice(51, 61)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What is fitted to, as a right hand shows it."""

    points_px: np.ndarray  # (21, 2)
    world_m: np.ndarray  # (21, 3), z towards the hand
    K: np.ndarray  # (3, 3)
    view: np.ndarray  # (3, 3) columns: camera axes turned so that z points to the hand

    @property
    def box_px(self) -> float:
        """The longer side of the landmarks' box."""
        return max(float(np.ptp(self.points_px, axis=0).max()), 1.0)

    @property
    def rays(self) -> np.ndarray:
        """(21, 2): the landmarks' lines of sight at z = 1, camera axes."""
        return np.linalg.solve(self.K, np.c_[self.points_px, np.ones(21)].T).T[:, :2]

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """The lifter's input, and (3, 3) from its frame to the camera's."""
        ahead = np.c_[self.rays, np.ones(21)] @ self.view
        seen, turn = lifter_features(ahead[:, :2] / np.maximum(ahead[:, 2:], 1e-3), self.world_m)
        return seen, self.view @ turn.T


@dataclass(frozen=True, eq=False)
class Parameters:
    """A right hand's state."""

    angles: np.ndarray  # (15, 3) rad
    orient: np.ndarray  # (3, 3)
    transl: np.ndarray  # (3,) m
    betas: np.ndarray  # (10,)

    def stepped(self, step: np.ndarray) -> Parameters:
        """After a step of (61,), within the limits."""
        angles = self.angles + step[:45].reshape(15, 3)
        return Parameters(
            angles=np.clip(angles, anatomy.LIMITS[..., 0], anatomy.LIMITS[..., 1]),
            orient=rotation.exp(step[_ORIENT]) @ self.orient,
            transl=self.transl + step[_TRANSL],
            betas=self.betas + step[_BETAS],
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted hand."""

    hand: HandPose
    cost: float  # half the sum of squared residuals, each in its standard deviations


@dataclass(frozen=True, eq=False)
class Problem:
    """One fit: what was seen, what is believed, and of which hand."""

    seen: Landmarks
    belief: Belief  # in the camera's frame
    skeleton: Skeleton
    calibration: Calibration

    def start(self) -> Parameters:
        """The believed pose at the distance at which it is as large as the landmarks."""
        start = Parameters(
            angles=self.belief.angles, orient=self.belief.orient, transl=np.zeros(3), betas=np.zeros(10)
        ).stepped(np.zeros(_SIZE))
        points = self.skeleton.pose(
            start.angles, start.orient, start.betas, self.calibration.offsets_m
        ).points
        rays = self.seen.rays
        spread_m, spread = (np.linalg.norm(p - p.mean(axis=0)) for p in (points[:, :2], rays))
        depth_m = spread_m / max(spread, 1e-9)
        return replace(start, transl=np.append(rays.mean(axis=0), 1.0) * depth_m - points.mean(axis=0))

    def residuals(self, at: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """(R,) residuals in standard deviations and their (R, 61) Jacobian."""
        image, by_image = self._image(at)
        belief = np.concatenate(
            [
                ((at.angles - self.belief.angles) / self.belief.angles_sd).ravel(),
                rotation.log(at.orient @ self.belief.orient.T) / ORIENT_SD,
                at.betas / BETA_SD,
            ]
        )
        slopes = np.concatenate(
            [1 / self.belief.angles_sd.ravel(), np.full(3, 1 / ORIENT_SD), np.full(10, 1 / BETA_SD)]
        )
        by_belief = np.zeros((58, _SIZE))  # for the orientation to first order, exact where it is believed
        by_belief[np.arange(58), np.r_[0:48, _BETAS]] = slopes
        return np.concatenate([image, belief]), np.concatenate([by_image, by_belief])

    def _image(self, at: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """(42,) landmarks against the projected hand, and (42, 61) their slopes."""
        pose = self.skeleton.pose(at.angles, at.orient, at.betas, self.calibration.offsets_m)
        by_all = np.concatenate(
            [pose.by_angle, pose.by_orient, np.broadcast_to(np.eye(3), (21, 3, 3)), pose.by_beta], axis=2
        )
        points = pose.points + at.transl
        z = np.maximum(points[:, 2:], NEAR_M)
        rays = points[:, :2] / z
        K = self.seen.K
        error = rays @ K[:2, :2].T + K[:2, 2] - self.seen.points_px
        by_ray = (by_all[:, :2] - rays[..., None] * by_all[:, 2:]) / z[..., None]
        sd = self.calibration.image_sd[:, None] * self.seen.box_px
        return (error / sd).ravel(), (K[:2, :2] @ by_ray / sd[..., None]).reshape(42, _SIZE)


def fit_hand(points_px: np.ndarray, world_m: np.ndarray, camera: Camera, side: Side) -> Fit:
    """The hand of `side` that MediaPipe's points_px (21, 2) and world_m (21, 3) show in `camera`."""
    seen = seen_as_right(points_px, world_m, camera, side)
    features, to_camera = seen.features()
    belief = load_lifter()(features)
    problem = Problem(
        seen=seen,
        belief=replace(belief, orient=to_camera @ belief.orient),
        skeleton=skeleton(model_of("right")),
        calibration=load_calibration(),
    )
    found, cost = minimise(problem)
    hand = HandPose(
        side="right",
        global_orient=rotation.log(found.orient),
        hand_pose=anatomy.from_anatomy(found.angles),
        betas=found.betas,
        transl=found.transl,
    )
    return Fit(hand=hand if side == "right" else anatomy.mirror(hand), cost=cost)


def seen_as_right(points_px: np.ndarray, world_m: np.ndarray, camera: Camera, side: Side) -> Landmarks:
    """Landmarks of a hand of `side`; a left hand's are those of its mirror image."""
    K = np.array(camera.K)
    if side == "left":
        points_px = points_px * (-1, 1) + (camera.width_px, 0)
        world_m = world_m * (-1, 1, 1)
        K[0, 2] = camera.width_px - K[0, 2]
    middle = (points_px.min(axis=0) + points_px.max(axis=0)) / 2
    sight = np.linalg.solve(K, [*middle, 1.0])
    view = rotation.between(np.array([0.0, 0.0, 1.0]), sight)
    return Landmarks(points_px=points_px, world_m=world_m, K=K, view=view)


def minimise(problem: Problem) -> tuple[Parameters, float]:
    """Levenberg-Marquardt; an angle at a limit that the cost pushes against is left out of the step."""
    at = problem.start()
    residuals, jacobian = problem.residuals(at)
    cost = float(residuals @ residuals / 2)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        gradient = jacobian.T @ residuals
        curvature = jacobian.T @ jacobian
        free = ~_blocked(at.angles, gradient)
        while damping < 1e6:
            damped = curvature + damping * np.diag(np.diag(curvature))
            step = np.zeros(_SIZE)
            step[free] = -np.linalg.solve(damped[np.ix_(free, free)], gradient[free])
            tried = at.stepped(step)
            new_residuals, new_jacobian = problem.residuals(tried)
            new_cost = float(new_residuals @ new_residuals / 2)
            if new_cost < cost:
                break
            damping *= 5
        else:
            break
        fall = (cost - new_cost) / cost
        at, residuals, jacobian, cost = tried, new_residuals, new_jacobian, new_cost
        damping = max(damping / 5, 1e-6)
        if fall < TOLERANCE:
            break
    return at, cost


def _blocked(angles: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """(61,) bool: angles at a limit that the cost would push beyond it."""
    downhill = -gradient[:45].reshape(15, 3)
    low, high = angles <= anatomy.LIMITS[..., 0], angles >= anatomy.LIMITS[..., 1]
    blocked = np.zeros(_SIZE, bool)
    blocked[:45] = (low & (downhill < 0) | high & (downhill > 0)).ravel()
    return blocked
