"""Train the lifter: on made-up hands whose landmarks carry the errors that MediaPipe was seen to make, and on
observed ones. Minutes on two CPU cores.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.hand import anatomy, pose_hand, rotation
from engine.hand.gesture import load_gestures
from engine.hand.joints import OPENPOSE_FROM_MANO
from engine.hand.model import model_of
from engine.reconstruct.calibration import load_calibration
from engine.reconstruct.fit import Landmarks
from engine.reconstruct.kinematics import FINGER_ENDS, FRAME, LEVEL_PARENTS, LEVELS, Skeleton, skeleton
from engine.reconstruct.lifter import FEATURES, FILE, LOG_VARIANCE_RANGE, OUTPUTS, lifter_features
from engine.reconstruct.observations import Observation
from engine.reconstruct.trials import UPRIGHT
from engine.types import UserError

log = logging.getLogger(__name__)

WIDTH = 320
BATCH = 256
OBSERVED_SHARE = 0.25  # of a batch
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-3
# Parts of the loss: joints in cm, angles in rad^2, likelihood of the angles' spread.
JOINTS_WEIGHT, ANGLES_WEIGHT, SPREAD_WEIGHT = 1.0, 3.0, 0.1
# Shares of the poses that are made up: natural ones, the same with fingers left free to pass through each
# other, presets, and mixtures of two presets.
POSE_SHARES = (0.25, 0.3, 0.2, 0.25)
JITTER_RAD = np.radians([7.0, 3.0, 2.0])  # of bend, spread, twist
ERROR_SCALE = (0.2, 1.3)  # how much of an observed error a made-up hand gets
NOISE = 0.015  # on every feature
TOO_FAR = 0.12  # observed hands with larger mean errors in the picture, in boxes, are no example of an error


@dataclass(frozen=True, eq=False)
class Examples:
    """Hands as the lifter is to see and to believe them."""

    features: np.ndarray  # (N, 105)
    angles: np.ndarray  # (N, 15, 3) rad
    orient: np.ndarray  # (N, 3, 3) in the features' frame
    joints: np.ndarray  # (N, 21, 3) m about their mean, in the features' frame

    def __len__(self) -> int:
        return len(self.features)


class Network(nn.Module):
    """The twin of Lifter, with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Linear(FEATURES, WIDTH),
                nn.Linear(WIDTH, WIDTH),
                nn.Linear(WIDTH, WIDTH),
                nn.Linear(WIDTH, OUTPUTS),
            ]
        )

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(B, 105) -> angles (B, 15, 3), their log variances (B, 15, 3), orientation (B, 3, 3)."""
        x = features
        for layer in self.layers[:-1]:
            x = nn.functional.silu(layer(x))
        x = self.layers[-1](x)
        first = nn.functional.normalize(x[:, 90:93], dim=1)
        second = x[:, 93:] - (x[:, 93:] * first).sum(1, keepdim=True) * first
        second = nn.functional.normalize(second, dim=1)
        orient = torch.stack([first, second, torch.cross(first, second, dim=1)], dim=-1)
        log_variance = x[:, 45:90].clamp(*LOG_VARIANCE_RANGE)
        return x[:, :45].reshape(-1, 15, 3), log_variance.reshape(-1, 15, 3), orient


class TorchSkeleton:
    """`Skeleton.pose` for a batch, with gradients."""

    def __init__(self, bones: Skeleton, offsets_m: np.ndarray) -> None:
        self.cross, self.joints, self.joint_dirs, self.tips, self.tip_dirs, self.offsets = (
            torch.tensor(a, dtype=torch.float32)
            for a in (
                rotation.skew(bones.axes),
                bones.joints,
                bones.joint_dirs,
                bones.tips,
                bones.tip_dirs,
                offsets_m,
            )
        )
        self.cross_squared = self.cross @ self.cross  # (15, 3 angles, 3, 3)

    def __call__(
        self, angles: torch.Tensor, orient: torch.Tensor, betas: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """angles (B, 15, 3), orient (B, 3, 3), betas (B, 10) -> joints and landmarks (B, 21, 3) m."""
        sine, versine = torch.sin(angles)[..., None, None], (1 - torch.cos(angles))[..., None, None]
        turns = torch.eye(3) + sine * self.cross + versine * self.cross_squared  # Rodrigues
        bend, spread, twist = turns.unbind(2)
        local = bend @ spread @ twist
        joints = self.joints + torch.einsum("jxb,nb->njx", self.joint_dirs, betas)
        tips = self.tips + torch.einsum("jxb,nb->njx", self.tip_dirs, betas)
        order = [0, *np.concatenate(LEVELS)]
        turn, place = orient[:, None], joints[:, :1]  # of the wrist, then level by level
        for level, parents in zip(LEVELS, LEVEL_PARENTS, strict=True):
            above = [order.index(parent) for parent in parents]
            arms = joints[:, level] - joints[:, parents]
            place = torch.cat([place, place[:, above] + _turned(turn[:, above], arms)], 1)
            turn = torch.cat([turn, turn[:, above] @ local[:, level - 1]], 1)
        back = np.argsort(order)
        turn, place = turn[:, back], place[:, back]
        ends = list(FINGER_ENDS)
        tips = place[:, ends] + _turned(turn[:, ends], tips - joints[:, ends])
        points = torch.cat([place, tips], 1)[:, list(OPENPOSE_FROM_MANO)]
        return points, points + _turned(turn[:, list(FRAME)], self.offsets.expand_as(points))


def observed_examples(observations: Sequence[Observation]) -> tuple[Examples, np.ndarray]:
    """What was observed, and (M, 105) the errors in the features of those hands that were about found."""
    rows, errors = [], []
    offsets = load_calibration().offsets_m
    for observation in observations:
        hand, seen = observation.as_right()
        features, to_camera = seen.features()
        orient = to_camera.T @ rotation.exp(np.array(hand.global_orient))
        posed = pose_hand(hand)
        joints = (posed.joints - posed.joints.mean(axis=0)) @ to_camera
        rows.append((features, anatomy.to_anatomy(hand.hand_pose), orient, joints))
        truth = posed.joints + np.einsum("kab,kb->ka", posed.T_world_joint[FRAME, :3, :3], offsets)
        error = features - _true_features(truth, seen)
        if np.abs(error[:42]).mean() < TOO_FAR / 2:
            errors.append(error)
    if len(errors) < BATCH:
        raise UserError(f"Training needs at least {BATCH} found hands; observe more.", code="too_few")
    return Examples(*(np.array(column) for column in zip(*rows, strict=True))), np.array(errors)


def made_up_examples(n: int, rng: np.random.Generator) -> Examples:
    """Hands without errors, from all around the forearm's axis at 0.45 to 1.2 m, oftener from the front."""
    angles = made_up_angles(n, rng)
    betas = rng.normal(0, 0.7, (n, 10))
    yaw = np.where(rng.random(n) < 0.35, rng.normal(0, 0.5, n), rng.uniform(-np.pi, np.pi, n))
    none = np.zeros(n)
    pitch = np.stack([rng.normal(0, 0.45, n), none, none], axis=1)
    orient = rotation.exp(pitch) @ rotation.exp(np.stack([none, yaw, none], axis=1)) @ UPRIGHT
    bones = TorchSkeleton(skeleton(model_of("right")), load_calibration().offsets_m)
    with torch.no_grad():
        joints, landmarks = bones(*(torch.tensor(a, dtype=torch.float32) for a in (angles, orient, betas)))
    points = landmarks.numpy().astype(float)
    points -= points.mean(axis=1, keepdims=True)
    points[..., 2] += rng.uniform(0.45, 1.2, (n, 1))
    features, turn = lifter_features(points[..., :2] / points[..., 2:], points)
    joints = joints.numpy() - joints.numpy().mean(axis=1, keepdims=True)
    return Examples(features, angles, turn @ orient, joints @ np.swapaxes(turn, 1, 2))


def made_up_angles(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 15, 3) rad, by POSE_SHARES and jittered; natural poses take long to draw and are drawn again."""
    low, high = anatomy.LIMITS[..., 0], anatomy.LIMITS[..., 1]
    presets = np.array([anatomy.to_anatomy(g.hand.hand_pose, g.hand.side) for g in load_gestures().values()])
    natural = np.array([anatomy.to_anatomy(anatomy.random_pose(rng)) for _ in range(max(n // 40, 1))])
    free = natural[rng.integers(len(natural), size=(n, 15)), np.arange(15)]
    share = rng.random((n, 1, 1))
    a, b = (presets[rng.integers(len(presets), size=n)] for _ in range(2))
    kinds = np.stack([natural[rng.integers(len(natural), size=n)], free, a, share * a + (1 - share) * b])
    chosen = kinds[rng.choice(len(kinds), size=n, p=POSE_SHARES), np.arange(n)]
    return np.clip(chosen + rng.normal(size=(n, 15, 3)) * JITTER_RAD, low, high)


def train(
    observations: Sequence[Observation], *, steps: int = 6000, made_up: int = 120_000, seed: int = 0
) -> Network:
    """Adam on joints, angles and the angles' spread."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    observed, errors = observed_examples(observations)
    invented = made_up_examples(made_up, rng)
    network = Network()
    bones = TorchSkeleton(skeleton(model_of("right")), np.zeros((21, 3)))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        batch = _batch(invented, observed, errors, rng)
        loss = _loss(network, bones, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            log.info("step %d: loss %.3f", step, loss.item())
    return network


def save(network: Network, path: Path = FILE) -> None:
    """As Lifter reads it, in half precision."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)


def _batch(
    invented: Examples, observed: Examples, errors: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, ...]:
    """Features with errors, angles and joints: of made-up hands and of observed ones."""
    count = round(BATCH * OBSERVED_SHARE)
    i, j = rng.integers(len(invented), size=BATCH - count), rng.integers(len(observed), size=count)
    lent = errors[rng.integers(len(errors), size=len(i))] * rng.uniform(*ERROR_SCALE, (len(i), 1))
    columns = [np.concatenate([invented.features[i] + lent, observed.features[j]])]
    columns[0] = columns[0] + rng.normal(0, NOISE, columns[0].shape)
    columns += [
        np.concatenate([getattr(invented, name)[i], getattr(observed, name)[j]])
        for name in ("angles", "joints")
    ]
    return tuple(torch.tensor(c, dtype=torch.float32) for c in columns)


def _loss(
    network: Network,
    bones: TorchSkeleton,
    features: torch.Tensor,
    angles: torch.Tensor,
    joints: torch.Tensor,
) -> torch.Tensor:
    mean, log_variance, orient = network(features)
    got, _ = bones(mean, orient, torch.zeros(len(mean), 10))  # the lifter knows nothing of shape
    gap_cm = (got - got.mean(1, keepdim=True) - joints).norm(dim=-1) * 100
    square = (mean - angles) ** 2
    spread = 0.5 * (square.detach() * torch.exp(-log_variance) + log_variance)
    return JOINTS_WEIGHT * gap_cm.mean() + ANGLES_WEIGHT * square.mean() + SPREAD_WEIGHT * spread.mean()


def _true_features(landmarks_m: np.ndarray, seen: Landmarks) -> np.ndarray:
    """(105,): the features that faultless landmarks (21, 3), camera frame, have in the same view."""
    ahead = landmarks_m @ seen.view
    return lifter_features(ahead[:, :2] / ahead[:, 2:], ahead)[0]


def _turned(turn: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    return torch.einsum("...ab,...b->...a", turn, vectors)
