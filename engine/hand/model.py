"""The hand: MANO's formula in numpy, in immutable stages. HandModel -> ShapedHand -> PosedHand.

    T(beta, theta) = v_template + shapedirs beta + posedirs (R(theta) - I)      Romero et al. 2017, eqs. 2-4
    vertices       = LBS(T, J(beta), theta, weights)                            Loper et al. 2015, eqs. 2-4

Metres and radians. The hand's own frame is MANO's: a flat right hand has its fingers along -X, its back up
(+Y) and its thumb towards +Z; a left hand is its mirror image in X, fingers along +X. Joints have no frame of
their own at rest: every local rotation is about world-aligned axes. A right finger bends about +Z, a left one
about -Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from engine.hand import rotation
from engine.hand.joints import OPENPOSE_FROM_MANO, PARENTS, TIP_VERTS
from engine.types import HandPose, Side, UserError

ASSET = Path(__file__).resolve().parents[2] / "assets" / "hand" / "hand_right.npz"
MIRROR = np.array([-1.0, 1.0, 1.0])  # a point's mirror image in X
MIRROR_ROTVEC = np.array([1.0, -1.0, -1.0])  # the same reflection, acting on a rotation vector
KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


@dataclass(frozen=True, eq=False, kw_only=True)
class PosedHand:
    """A hand in space."""

    verts: np.ndarray  # (778, 3) m
    joints: np.ndarray  # (21, 3) m, OpenPose order
    joints16: np.ndarray  # (16, 3) m, MANO order
    T_world_joint: np.ndarray  # (16, 4, 4) each joint's frame; at rest a translation
    faces: np.ndarray  # (F, 3) int32, counter-clockwise seen from outside
    side: Side
    part_of_vert: np.ndarray  # (778,) int, the joint that moves the vertex most


@dataclass(frozen=True, eq=False, kw_only=True)
class ShapedHand:
    """A hand of one person, to be posed often."""

    model: HandModel
    betas: np.ndarray  # (10,)
    verts: np.ndarray  # (778, 3) m, at rest
    joints: np.ndarray  # (16, 3) m, at rest

    def pose(self, hand_pose=(0.0,) * 45, global_orient=(0.0,) * 3, transl=(0.0,) * 3) -> PosedHand:
        """Pose it: hand_pose (45,) and global_orient (3,) rad, axis-angle; transl (3,) m."""
        model = self.model
        local = rotation.exp(np.concatenate([np.ravel(global_orient), np.ravel(hand_pose)]).reshape(16, 3))
        rest = self.verts + model.posedirs @ (local[1:] - np.eye(3)).ravel()

        T = np.zeros((16, 4, 4))
        T[:, 3, 3] = 1.0
        for joint, parent in enumerate(PARENTS):
            if parent < 0:
                T[joint, :3, :3], T[joint, :3, 3] = local[joint], self.joints[joint]
            else:
                T[joint, :3, :3] = T[parent, :3, :3] @ local[joint]
                offset = self.joints[joint] - self.joints[parent]
                T[joint, :3, 3] = T[parent, :3, :3] @ offset + T[parent, :3, 3]
        T[:, :3, 3] += np.ravel(transl)

        # x -> R (x - J) + t for every joint, blended by the skinning weights
        R, t = T[:, :3, :3], T[:, :3, 3]
        blend = model.weights @ np.concatenate(
            [R.reshape(16, 9), t - np.einsum("jab,jb->ja", R, self.joints)], axis=1
        )
        verts = np.einsum("vab,vb->va", blend[:, :9].reshape(-1, 3, 3), rest) + blend[:, 9:]
        joints = np.concatenate([t, verts[list(TIP_VERTS)]])[list(OPENPOSE_FROM_MANO)]
        return PosedHand(
            verts=verts, joints=joints, joints16=t.copy(), T_world_joint=T, faces=model.faces,
            side=model.side, part_of_vert=model.part_of_vert,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class HandModel:
    """MANO's arrays for one side."""

    side: Side
    v_template: np.ndarray  # (778, 3) m
    shapedirs: np.ndarray  # (778, 3, 10) m per standard deviation
    posedirs: np.ndarray  # (778, 3, 135) m, of the 15 rotations' R - I, row by row
    J_regressor: np.ndarray  # (16, 778)
    weights: np.ndarray  # (778, 16), rows sum to 1
    faces: np.ndarray  # (F, 3) int32

    @classmethod
    def load(cls, side: Side = "right", path: str | Path | None = None) -> HandModel:
        """The hand in `path`, an .npz of a right hand with MANO's keys; by default the one that ships.

        A left hand is the right one mirrored.
        """
        path = Path(path) if path else ASSET
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {key: data[key] for key in KEYS}
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"The hand model {path.name} cannot be read; build it with `python -m engine.hand.build`.",
                code="bad_hand_model", file=path.name,
            ) from error  # fmt: skip
        right = cls.from_arrays(arrays)
        return right if side == "right" else right.mirrored()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], side: Side = "right") -> HandModel:
        """From arrays under MANO's names, checked."""
        shapes = {
            "v_template": (778, 3), "posedirs": (778, 3, 135), "J_regressor": (16, 778), "weights": (778, 16),
        }  # fmt: skip
        out = {}
        for name, shape in shapes.items():
            value = np.ascontiguousarray(arrays[name], dtype=float)
            if value.shape != shape or not np.isfinite(value).all():
                raise UserError(
                    f"The hand model's {name} must be {shape} finite numbers.", code="bad_hand_model"
                )
            out[name] = value
        shapedirs = np.ascontiguousarray(arrays["shapedirs"], dtype=float)
        if shapedirs.ndim != 3 or shapedirs.shape[:2] != (778, 3) or shapedirs.shape[2] < 10:
            raise UserError("The hand model's shapedirs must be (778, 3, 10) numbers.", code="bad_hand_model")
        faces = np.asarray(arrays["f"]).astype(np.int32)
        if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= 778:
            raise UserError(
                "The hand model's f must be triangles of its 778 vertices.", code="bad_hand_model"
            )
        parents = np.asarray(arrays["kintree_table"])[0, 1:].astype(np.int64)
        if tuple(parents) != PARENTS[1:]:
            raise UserError("The hand model's joints are not in MANO's order.", code="bad_hand_model")
        return cls(side=side, shapedirs=shapedirs[:, :, :10], faces=faces, **out)

    @cached_property
    def part_of_vert(self) -> np.ndarray:
        """(778,) the joint with the largest weight."""
        return self.weights.argmax(axis=1)

    def mirrored(self) -> HandModel:
        """The other hand, mirrored in X. A rotation R becomes M R M: posedirs changes signs in R - I too."""
        signs = np.tile(np.outer(MIRROR, MIRROR).ravel(), 15)
        return HandModel(
            side="left" if self.side == "right" else "right",
            v_template=self.v_template * MIRROR,
            shapedirs=self.shapedirs * MIRROR[:, None],
            posedirs=self.posedirs * MIRROR[:, None] * signs,
            J_regressor=self.J_regressor,
            weights=self.weights,
            faces=np.ascontiguousarray(self.faces[:, ::-1]),
        )

    def shape(self, betas=(0.0,) * 10) -> ShapedHand:
        """The hand of a person: betas (10,) in standard deviations."""
        betas = np.array(betas, dtype=float).reshape(10)
        verts = self.v_template + self.shapedirs @ betas
        return ShapedHand(model=self, betas=betas, verts=verts, joints=self.J_regressor @ verts)


@lru_cache(maxsize=256)
def _shaped(side: Side, betas: tuple[float, ...]) -> ShapedHand:
    return model_of(side).shape(betas)


@lru_cache(maxsize=2)
def _shipped(side: Side) -> HandModel:
    return HandModel.load(side)


_own: dict[Side, HandModel] = {}  # a person's own MANO, set by use_models


def use_models(models: dict[Side, HandModel]) -> None:
    """Pose these models from now on instead of the shipped hand; {} goes back to it."""
    _own.clear()
    _own.update(models)
    _shaped.cache_clear()


def model_of(side: Side) -> HandModel:
    """The model that pose_hand poses."""
    return _own.get(side) or _shipped(side)


def pose_hand(hand: HandPose) -> PosedHand:
    """Load, shape and pose; the steps before the last are cached."""
    return _shaped(hand.side, hand.betas).pose(hand.hand_pose, hand.global_orient, hand.transl)
