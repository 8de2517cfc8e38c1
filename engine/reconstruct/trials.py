"""Pictures of hands whose truth is known, to measure the reader on: posed at random and painted like skin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.hand import anatomy, pose_hand, rotation
from engine.types import Camera, HandPose

SIZES = ((256, 256), (384, 512), (480, 320))  # (height_px, width_px), in turn
_SKIN = np.array([(241, 205, 177), (225, 172, 140), (198, 134, 96), (141, 85, 56), (90, 56, 40)])  # RGB
UPRIGHT = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # fingers up, palm to the camera
_HAND_M = 0.19  # wrist to middle fingertip, about


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A picture of one hand."""

    image: np.ndarray  # (H, W, 3) uint8
    hand: HandPose
    camera: Camera


def random_trials(n: int, seed: int = 0) -> Iterator[Trial]:
    """`n` random hands of any view, either side, in the middle half of a blurred background."""
    from engine.render import mesh_image

    rng = np.random.default_rng(seed)
    for index in range(n):
        hand, camera = random_view(rng, SIZES[index % len(SIZES)])
        mesh = mesh_image([pose_hand(hand)], camera)
        yield Trial(image=painted(mesh, rng), hand=hand, camera=camera)


def corpus_trials(folder: Path, n: int, split: str = "val") -> Iterator[Trial]:
    """The one-handed pictures among the first `n` of a corpus made by `python -m engine.corpus make`."""
    from engine.corpus.shards import iter_samples

    for sample in iter_samples(folder, split=split, limit=n):
        if len(sample.hands) == 1 and sample.camera is not None:
            yield Trial(image=sample.image, hand=sample.hands[0], camera=sample.camera)


def random_view(rng: np.random.Generator, size: tuple[int, int]) -> tuple[HandPose, Camera]:
    """A natural pose seen from anywhere around the forearm's axis, filling 35 to 75 % of the shorter side."""
    height, width = size
    focal_px = rng.uniform(1.0, 2.0) * max(size)
    camera = Camera.simple(focal_px=focal_px, width_px=width, height_px=height)
    turn = rotation.exp(np.diag((rng.normal(0, 0.4), rng.uniform(-np.pi, np.pi), rng.normal(0, 0.5))))
    pitch, yaw, roll = turn
    facts = {
        "global_orient": rotation.log(roll @ pitch @ yaw @ UPRIGHT),
        "hand_pose": anatomy.random_pose(rng),
        "betas": rng.normal(0, 0.7, 10),
    }
    depth_m = focal_px * _HAND_M / (rng.uniform(0.35, 0.75) * min(size))
    place = np.append(rng.uniform(-0.12, 0.12, 2) * (width, height) / focal_px, 1.0) * depth_m
    middle = pose_hand(HandPose(**facts)).verts.mean(axis=0)
    hand = HandPose(**facts, transl=place - middle)
    return (hand if rng.random() < 0.5 else anatomy.mirror(hand)), camera


def painted(mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mesh image (H, W, 3) uint8 with skin for its white and a blurred, grainy background for its black."""
    import cv2

    light = mesh.max(axis=2, keepdims=True) / 255
    height, width = mesh.shape[:2]
    patches = rng.uniform(20, 235, (4, 4, 3)).astype(np.float32)
    ground = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    ground = ground + rng.normal(0, 4, mesh.shape)
    cover = np.clip(2 * light, 0, 1)  # edges: the surface is nowhere darker than half
    skin = rng.choice(_SKIN) * light**1.3
    return np.clip(cover * skin + (1 - cover) * ground, 0, 255).astype(np.uint8)
