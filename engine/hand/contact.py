"""Whether fingers pass through each other or the palm: balls along the finger bones, as thick as their flesh.

Cheap (two thousand distances) and a little blind: meant to reject impossible poses, not to simulate skin.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.hand.joints import FINGERS, finger_joints
from engine.hand.model import HandModel, PosedHand, model_of
from engine.types import Side

_PER_BONE = 5
_PALM_REACH_M = 0.007  # a ball this far aside of every palm vertex is beside the palm
_PALM_FACING = -0.6  # the palm's skin: normals that point down


def overlap_m(hand_pose: np.ndarray, side: Side = "right") -> float:
    """How deep, in metres, the fingers of the mean hand lie in each other or in the palm; 0 when free.

    What overlaps in the flat hand already, because it is grown together, does not count.
    """
    model = model_of(side)
    return float(_flesh(model).depths(model.shape().pose(hand_pose)).max(initial=0.0))


class _Flesh:
    """Balls (N,) fixed to the finger joints, and the palm's skin as heights over the palm's plane (X, Z)."""

    def __init__(self, rest: PosedHand):
        self._rest_joints = rest.joints16
        joints, centres, radii = [], [], []
        for finger, points in zip(FINGERS, rest.joints[1:].reshape(5, 4, 3), strict=True):
            for joint, a, b in zip(finger_joints(finger), points[:-1], points[1:], strict=True):
                middle, radius = _phalanx(rest.verts[rest.part_of_vert == joint], a, b)
                joints += [joint] * _PER_BONE
                centres += list(middle)
                radii += [radius] * _PER_BONE
        self._joints, self._centres, self._radii = np.array(joints), np.array(centres), np.array(radii)

        finger_of = (self._joints - 1) // 3
        self._pairs = np.argwhere(finger_of[:, None] < finger_of[None])
        self._reaches_palm = np.flatnonzero((self._joints - 1) % 3 > 0)  # first phalanges grow out of it
        faces_palm = (rest.part_of_vert == 0) & (_normals(rest)[:, 1] < _PALM_FACING)
        self._palm = rest.verts[faces_palm]
        self._grown = np.zeros(1)
        self._grown = self.depths(rest)

    def depths(self, hand: PosedHand) -> np.ndarray:
        """(pairs + reaching balls,) m: depths of overlap beyond those of the flat hand, none below 0."""
        T = hand.T_world_joint[self._joints]
        local = self._centres - self._rest_joints[self._joints]
        centres = np.einsum("nab,nb->na", T[:, :3, :3], local) + T[:, :3, 3]
        i, j = self._pairs.T
        between = self._radii[i] + self._radii[j] - np.linalg.norm(centres[i] - centres[j], axis=1)

        reaching = centres[self._reaches_palm]
        aside = np.linalg.norm(reaching[:, None, [0, 2]] - self._palm[None, :, [0, 2]], axis=2)
        skin = self._palm[aside.argmin(axis=1), 1]
        into = np.where(
            aside.min(axis=1) < _PALM_REACH_M, reaching[:, 1] + self._radii[self._reaches_palm] - skin, 0.0
        )
        return np.maximum(np.concatenate([between, into]) - self._grown, 0.0)


@lru_cache(maxsize=4)
def _flesh(model: HandModel) -> _Flesh:
    return _Flesh(model.shape().pose())


def _phalanx(verts: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """Ball centres (5, 3) through the middle of the flesh around the bone from a to b, and their radius."""
    length = np.linalg.norm(b - a)
    along = (b - a) / length
    height = (verts - a) @ along
    ring = verts[(height > 0) & (height < length)]
    aside = ring - a - np.outer((ring - a) @ along, along)
    middle = aside.mean(axis=0)
    radius = float(np.linalg.norm(aside - middle, axis=1).mean())
    return a + middle + np.linspace(0.1, 0.9, _PER_BONE)[:, None] * (b - a), radius


def _normals(hand: PosedHand) -> np.ndarray:
    """(778, 3) unit, outwards: the faces' normals averaged by area."""
    corners = hand.verts[hand.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros_like(hand.verts)
    for corner in hand.faces.T:
        np.add.at(out, corner, face_normals)
    return out / np.linalg.norm(out, axis=1, keepdims=True)
