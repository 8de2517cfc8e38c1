"""Between the hand and Anny, the body it was made from: pose Anny's hand by a HandPose, and read it back.

Anny turns each bone about world-aligned axes at its reference pose (`local-ref`), MANO each joint about
world-aligned axes at its flat rest pose. With S the change of axes and F_j the rotation that flattening gave
joint j (both in the asset), the bone's delta for MANO's local rotation R_j and parent p is

    D_j = F_p^T (S^T R_j S) F_j

A left hand uses the mirror images of S and F. numpy only: what needs Anny itself is handed in as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.hand import rotation
from engine.hand.joints import MANO_NAMES, PARENTS
from engine.hand.model import ASSET, HandModel
from engine.types import HandPose, Side, UserError

_FINGER_NUMBER = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}  # as MakeHuman counts
_FLIP = np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0])  # M R M for M = diag(-1, 1, 1), elementwise


def anny_bones(side: Side) -> tuple[str, ...]:
    """The names of Anny's 16 bones in MANO's order, wrist first."""
    end = "R" if side == "right" else "L"
    fingers = (f"finger{_FINGER_NUMBER[name[:-1]]}-{name[-1]}.{end}" for name in MANO_NAMES[1:])
    return (f"wrist.{end}", *fingers)


@dataclass(frozen=True, eq=False, kw_only=True)
class AnnyRest:
    """How the flat hand lies in Anny, for one side."""

    bones: tuple[str, ...]  # (16,) names in MANO's order
    axes: np.ndarray  # (3, 3) S: from wrist-local axes (Anny's reference axes) to the hand's frame
    rest_rotations: np.ndarray  # (16, 3, 3) F, in wrist-local axes
    verts: np.ndarray  # (778, 2) Anny's two vertices whose mix is the hand's vertex
    shares: np.ndarray  # (778,) of the second

    def pick(self, anny_verts: np.ndarray) -> np.ndarray:
        """The hand's (778, 3) points among Anny's posed vertices (13718, 3)."""
        near, far = anny_verts[self.verts[:, 0]], anny_verts[self.verts[:, 1]]
        return near + self.shares[:, None] * (far - near)


@lru_cache(maxsize=2)
def anny_rest(side: Side) -> AnnyRest:
    """From the shipped asset."""
    try:
        with np.load(ASSET, allow_pickle=False) as data:
            axes, rest = data["T_anny_wrist"][:3, :3].astype(float), data["anny_rest_rotations"].astype(float)
            verts = data["anny_verts" if side == "right" else "anny_verts_left"].astype(int)
            shares = data["anny_shares"].astype(float)
    except (OSError, KeyError) as error:
        raise UserError(
            "The hand model is missing; build it with `python -m engine.hand.build`.", code="bad_hand_model"
        ) from error
    if side == "left":
        axes, rest = axes * _FLIP, rest * _FLIP
    return AnnyRest(bones=anny_bones(side), axes=axes, rest_rotations=rest, verts=verts, shares=shares)


@lru_cache(maxsize=2)
def _model(side: Side) -> HandModel:
    return HandModel.load(side)


def anny_bone_rotations(hand: HandPose) -> dict[str, np.ndarray]:
    """{bone: (4, 4) `local-ref` delta} for the 15 finger bones of that side. The wrist is the caller's.

    Only hand.side and hand.hand_pose are used; metacarpals stay at the identity.
    """
    rest = anny_rest(hand.side)
    R = rotation.exp(np.reshape(hand.hand_pose, (15, 3)))
    out = {}
    for joint in range(1, 16):
        F, F_parent = rest.rest_rotations[joint], rest.rest_rotations[PARENTS[joint]]
        delta = np.eye(4)
        delta[:3, :3] = F_parent.T @ rest.axes.T @ R[joint - 1] @ rest.axes @ F
        out[rest.bones[joint]] = delta
    return out


def hand_pose_from_anny(deltas: dict[str, np.ndarray], side: Side) -> tuple[float, ...]:
    """(45,) rad: the inverse of anny_bone_rotations; a bone that is not there counts as the identity."""
    rest = anny_rest(side)
    R = np.zeros((15, 3, 3))
    for joint in range(1, 16):
        D = np.asarray(deltas.get(rest.bones[joint], np.eye(4)))[:3, :3]
        F, F_parent = rest.rest_rotations[joint], rest.rest_rotations[PARENTS[joint]]
        R[joint - 1] = rest.axes @ F_parent @ D @ F.T @ rest.axes.T
    return tuple(rotation.log(R).ravel())


def wrist_turn(wrist_pose: np.ndarray, reference_orientation: np.ndarray) -> np.ndarray:
    """(3, 3) how the wrist is turned from Anny's reference pose.

    wrist_pose: (4, 4) of the wrist in Anny's `bone_poses`; reference_orientation: (3, 3) of the same bone in
    the model's `reference_bone_orientations`.
    """
    return np.asarray(wrist_pose)[:3, :3] @ np.asarray(reference_orientation).T


def hand_from_anny(
    *,
    side: Side,
    hand_pose: tuple[float, ...],
    wrist_pose: np.ndarray,
    reference_orientation: np.ndarray,
    anny_verts: np.ndarray,
    T_camera_world: np.ndarray,
    ridge: float = 1e-7,
) -> HandPose:
    """The HandPose, in the camera's frame, of a posed person's hand.

    hand_pose (45,) rad: what anny_bone_rotations was given. wrist_pose (4, 4): the wrist in `bone_poses`,
    world; reference_orientation (3, 3): see wrist_turn. anny_verts (13718, 3) m: the posed body, world.
    T_camera_world (4, 4): world to camera, OpenCV axes. The shape comes from least squares on the posed
    vertices, which are linear in betas once the pose is known; ridge (m^2 a vertex) keeps betas the hand
    does not need near zero.
    """
    rest, model = anny_rest(side), _model(side)
    R, t = np.asarray(T_camera_world)[:3, :3], np.asarray(T_camera_world)[:3, 3]
    orient = rotation.log(R @ wrist_turn(wrist_pose, reference_orientation) @ rest.axes.T)
    wrist = R @ np.asarray(wrist_pose)[:3, 3] + t
    target = rest.pick(np.asarray(anny_verts, dtype=float)) @ R.T + t

    def posed(betas: np.ndarray) -> np.ndarray:
        shaped = model.shape(betas)
        return shaped.pose(hand_pose, orient, wrist - shaped.joints[0]).verts.ravel()

    mean = posed(np.zeros(10))
    A = np.stack([posed(row) - mean for row in np.eye(10)], axis=1)
    betas = np.linalg.solve(A.T @ A + ridge * len(target) * np.eye(10), A.T @ (target.ravel() - mean))
    return HandPose(
        side=side, hand_pose=tuple(hand_pose), global_orient=tuple(orient), betas=tuple(betas),
        transl=tuple(wrist - model.shape(betas).joints[0]),
    )  # fmt: skip
