"""A toy corpus that MediaPipe reads: a shaded hand in skin colour before a wall, above a stripe of shirt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.types import Camera, HandPose

SIZE_PX = 128
SHIRTS = {"red": (184, 28, 34), "blue": (36, 80, 176)}
WALLS = {"grey": (149, 152, 156), "green": (134, 173, 131)}
SKIN = np.array([0.9, 0.68, 0.55])
GESTURES = ("palm", "stop")
CAMERA = Camera.simple(focal_px=190, width_px=SIZE_PX, height_px=SIZE_PX)


def open_hand(seed: int) -> HandPose:
    """An open hand, palm to the camera, fingers up; odd seeds are left hands."""
    from engine.hand import pose_hand, rotation

    rng = np.random.default_rng(seed)
    side = "left" if seed % 2 else "right"
    upright = rotation.exp(np.array([0, 0, np.pi / 2 if side == "right" else -np.pi / 2]))
    turn = rotation.exp(rng.normal(0, 0.1, 3)) @ upright @ rotation.exp(np.array([np.pi / 2, 0, 0]))
    orient, fingers = tuple(rotation.log(turn)), tuple(rng.normal(0, 0.04, 45).clip(-0.08, 0.08))
    middle = pose_hand(HandPose(side=side, global_orient=orient, hand_pose=fingers)).verts.mean(0)
    place = np.array([rng.uniform(-0.04, 0.04), rng.uniform(-0.07, -0.05), 0.5]) - middle
    return HandPose(side=side, global_orient=orient, hand_pose=fingers, transl=tuple(place))


def paint(hands: tuple[HandPose, ...], shirt: str, wall: str) -> np.ndarray:
    """(128, 128, 3) uint8."""
    from engine.hand import pose_hand
    from engine.render import mesh_image, raycast

    image = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    image[:] = WALLS[wall]
    image[100:] = SHIRTS[shirt]
    if hands:
        posed = [pose_hand(hand) for hand in hands]
        seen = raycast(posed, CAMERA).mask[..., None]
        image = np.where(seen, (mesh_image(posed, CAMERA, backend="raycast") * SKIN).astype(np.uint8), image)
    return image


def words(index: int) -> dict[str, str]:
    """The attributes of picture `index`."""
    return {
        "shirt": list(SHIRTS)[index // 2 % 2],
        "wall": list(WALLS)[index % 2],
        "side": "left" if index % 2 else "right",
        "gesture": GESTURES[index % 3 % 2],
    }


def write_corpus(folder: Path, counts: dict[str, int]) -> Path:
    """Parquet shards as engine.corpus writes them; `counts` a split."""
    from engine.corpus.sample import Captions, Sample
    from engine.corpus.shards import write_shard

    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(counts.items()):
        samples = []
        for index in range(count):
            hand, attributes = open_hand(1000 * number + index), words(index)
            text = f"a man in a {attributes['shirt']} shirt in front of a {attributes['wall']} wall"
            captions = Captions(short=text, wordy=f"The image shows {text}.", gesture=f"{text}, open hand")
            samples.append(
                Sample(
                    key=f"{split}-{index:06d}",
                    image=paint((hand,), attributes["shirt"], attributes["wall"]),
                    hands=(hand,),
                    camera=CAMERA,
                    captions=captions,
                    attributes=attributes,
                )
            )
        write_shard(folder / f"{split}-00000.parquet", samples)
    return folder
