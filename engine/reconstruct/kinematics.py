"""The 21 keypoints of a right hand and how they move with each parameter: analytic Jacobians for the fit.

Only what the keypoints need is computed: 16 joints and 5 fingertip vertices, no mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.hand import anatomy, rotation
from engine.hand.joints import OPENPOSE_FROM_MANO, PARENTS, TIP_VERTS
from engine.hand.model import HandModel

_ORDER = np.array(OPENPOSE_FROM_MANO)
FINGER_ENDS = np.array([15, 3, 6, 12, 9])  # last joints, thumb to pinky
FRAME = np.concatenate([np.arange(16), FINGER_ENDS])[_ORDER]  # (21,) the MANO joint a keypoint is fixed to


def _moves() -> np.ndarray:
    """(21, 16) bool: whether a joint's rotation moves a keypoint."""
    ancestors = np.eye(16, dtype=bool)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            ancestors[joint] |= ancestors[parent]
    return ancestors[FRAME]


_MOVES = _moves()
# Joints that share a depth in the tree are computed together: roots of fingers, middles, ends.
LEVELS = [np.arange(1, 16, 3) + i for i in range(3)]
LEVEL_PARENTS = [np.array(PARENTS)[level] for level in LEVELS]


@dataclass(frozen=True, eq=False)
class Pose21:
    """Keypoints and derivatives; the hand's translation is left to the caller."""

    points: np.ndarray  # (21, 3) m
    by_angle: np.ndarray  # (21, 3, 45) m/rad, of bend, spread, twist of the 15 joints
    by_orient: np.ndarray  # (21, 3, 3) m/rad, of a rotation vector applied after the orientation
    by_beta: np.ndarray  # (21, 3, 10) m


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A right hand's keypoints at rest, linear in betas."""

    joints: np.ndarray  # (16, 3) m
    joint_dirs: np.ndarray  # (16, 3, 10)
    tips: np.ndarray  # (5, 3) m
    tip_dirs: np.ndarray  # (5, 3, 10)
    axes: np.ndarray  # (15, 3, 3): bend, spread, twist

    def pose(self, angles: np.ndarray, orient: np.ndarray, betas: np.ndarray, offsets: np.ndarray) -> Pose21:
        """angles (15, 3) rad, orient (3, 3), betas (10,), offsets (21, 3) m of each keypoint in its frame.

        Pose blend shapes are left out: they move a fingertip by less than a landmark's error.
        """
        bend, spread, twist = (rotation.exp(self.axes[:, i] * angles[:, i, None]) for i in range(3))
        local = bend @ spread @ twist
        # d R = skew(axis) R, for the axis of each angle as the earlier factors have turned it
        local_axes = np.stack(
            [
                self.axes[:, 0],
                np.einsum("jab,jb->ja", bend, self.axes[:, 1]),
                np.einsum("jab,jb->ja", bend @ spread, self.axes[:, 2]),
            ],
            axis=-1,
        )
        joints = self.joints + self.joint_dirs @ betas
        R, origin = np.zeros((16, 3, 3)), np.zeros((16, 3))
        origin_dirs = np.zeros((16, 3, 10))
        axes = np.zeros((16, 3, 3))  # in the world, columns
        R[0], origin[0], origin_dirs[0] = orient, joints[0], self.joint_dirs[0]
        for level, parents in zip(LEVELS, LEVEL_PARENTS, strict=True):
            above = R[parents]
            R[level] = above @ local[level - 1]
            axes[level] = above @ local_axes[level - 1]
            arms = joints[level] - joints[parents]
            origin[level] = np.einsum("jab,jb->ja", above, arms) + origin[parents]
            arm_dirs = self.joint_dirs[level] - self.joint_dirs[parents]
            origin_dirs[level] = above @ arm_dirs + origin_dirs[parents]

        tip_arms = self.tips + self.tip_dirs @ betas - joints[FINGER_ENDS]
        tips = np.einsum("jab,jb->ja", R[FINGER_ENDS], tip_arms) + origin[FINGER_ENDS]
        tip_dirs = R[FINGER_ENDS] @ (self.tip_dirs - self.joint_dirs[FINGER_ENDS]) + origin_dirs[FINGER_ENDS]
        points = np.concatenate([origin, tips])[_ORDER]
        points = points + np.einsum("kab,kb->ka", R[FRAME], offsets)

        levers = np.where(_MOVES[..., None], points[:, None] - origin, 0.0)  # (21, 16, 3)
        turned = np.cross(axes.transpose(0, 2, 1)[None], levers[:, :, None])  # (21, 16, 3 angles, 3)
        by_angle = turned[:, 1:].transpose(0, 3, 1, 2).reshape(21, 3, 45)
        return Pose21(
            points=points,
            by_angle=by_angle,
            by_orient=-rotation.skew(points - origin[0]),
            by_beta=np.concatenate([origin_dirs, tip_dirs])[_ORDER],
        )


@lru_cache(maxsize=4)
def skeleton(model: HandModel) -> Skeleton:
    """Of a right hand's model."""
    tips = list(TIP_VERTS)
    return Skeleton(
        joints=model.J_regressor @ model.v_template,
        joint_dirs=np.einsum("jv,vxb->jxb", model.J_regressor, model.shapedirs),
        tips=model.v_template[tips],
        tip_dirs=model.shapedirs[tips],
        axes=anatomy.joint_axes("right"),
    )
