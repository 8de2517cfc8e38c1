"""Labelled pictures in the layouts that hand-reconstruction code reads.

FreiHAND    training/{rgb,mask}/%08d.jpg, training_{K,xyz,verts,mano,scale}.json; one right hand a sample, a
            left one mirrored with its labels, in a square of 224 px.
COCO        train2017/%012d.jpg, annotations/coco_wholebody_train_v1.0.json and, as InterWild and
            AttentionHand read it, MSCOCO_train_MANO_NeuralAnnot.json. Whole pictures; of the body only the
            wrists are known.

The MANO parameters are those of the shipped hand, whose mean pose is the flat hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.types import Camera, HandPose, Side

FREIHAND_PX = 224
FREIHAND_MARGIN = 1.6  # side of the square over the longer side of the keypoints' box
ROOT_JOINT, SCALE_BONE = 9, (9, 10)  # FreiHAND's root and reference bone: middle finger, OpenPose order
COCO_WRIST = {"left": 9, "right": 10}  # of the 17 body keypoints
COCO_BOX_MARGIN = 1.2
VISIBLE = 2  # COCO's flag of a labelled, visible keypoint
JPEG_QUALITY = 95


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One picture with the hands that were asked for."""

    index: int
    image: np.ndarray  # (H, W, 3) uint8
    hands: tuple[HandPose, ...]
    camera: Camera
    caption: str


# --- FreiHAND -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FreihandSample:
    """One right hand in FreiHAND's frame: cropped, resized, mirrored where it was a left one."""

    image: np.ndarray  # (224, 224, 3) uint8
    mask: np.ndarray  # (224, 224) bool
    K: np.ndarray  # (3, 3) px
    xyz: np.ndarray  # (21, 3) m, OpenPose order, camera frame
    verts: np.ndarray  # (778, 3) m
    mano: np.ndarray  # (61,): pose 48, shape 10, root in the picture 2 px, root's depth 1 m

    @property
    def scale(self) -> float:
        """FreiHAND's training_scale: length of the middle finger's first bone, m."""
        a, b = SCALE_BONE
        return float(np.linalg.norm(self.xyz[a] - self.xyz[b]))


def freihand_samples(sample: Sample) -> list[FreihandSample]:
    """One a hand."""
    return [_freihand_sample(sample, hand) for hand in sample.hands]


def _freihand_sample(sample: Sample, hand: HandPose) -> FreihandSample:
    from engine.evaluate.crops import crop, square_box
    from engine.hand import pose_hand
    from engine.hand.anatomy import mirror
    from engine.render import keypoints_px, raycast

    image, camera = sample.image, sample.camera
    if hand.side == "left":
        image, camera, hand = image[:, ::-1], mirrored_camera(camera), mirror(hand)
    posed = pose_hand(hand)
    left, top, right, _ = (round(v) for v in square_box(keypoints_px(posed, camera), FREIHAND_MARGIN))
    side = right - left
    zoom = FREIHAND_PX / side
    to_crop = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom], [0, 0, 1]])
    K = to_crop @ np.array(camera.K)
    square = Camera(K=tuple(map(tuple, K)), width_px=FREIHAND_PX, height_px=FREIHAND_PX)
    root = K @ posed.joints[ROOT_JOINT]
    return FreihandSample(
        image=crop(np.ascontiguousarray(image), (left, top, right, top + side), FREIHAND_PX),
        mask=raycast([posed], square).mask,
        K=K,
        xyz=posed.joints,
        verts=posed.verts,
        mano=np.concatenate([_pose48(hand), hand.betas, root[:2] / root[2], root[2:]]),
    )


def mirrored_camera(camera: Camera) -> Camera:
    """The camera of the mirrored picture: pixel x becomes width - x, and so does the principal point."""
    (fx, skew, cx), *rest = camera.K
    K = ((fx, -skew, camera.width_px - cx), *rest)
    return Camera(K=K, width_px=camera.width_px, height_px=camera.height_px)


def _pose48(hand: HandPose) -> np.ndarray:
    return np.array([*hand.global_orient, *hand.hand_pose])


def write_freihand(samples: Iterable[Sample], out: Path) -> int:
    """Returns the number of hands written."""
    labels: dict[str, list[Any]] = {name: [] for name in ("K", "xyz", "verts", "mano", "scale")}
    for sample in samples:
        for hand in freihand_samples(sample):
            number = len(labels["K"])
            _write_jpeg(hand.image, out / "training" / "rgb" / f"{number:08d}.jpg")
            mask = np.repeat(hand.mask[..., None].astype(np.uint8) * 255, 3, axis=2)
            _write_jpeg(mask, out / "training" / "mask" / f"{number:08d}.jpg")
            labels["K"].append(_listed(hand.K))
            labels["xyz"].append(_listed(hand.xyz))
            labels["verts"].append(_listed(hand.verts))
            labels["mano"].append([_listed(hand.mano)])
            labels["scale"].append(round(hand.scale, 7))
    for name, values in labels.items():
        write_json(values, out / f"training_{name}.json")
    return len(labels["K"])


# --- COCO-WholeBody -----------------------------------------------------------------------------------


def coco_annotation(sample: Sample, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The annotation of one person, and its MANO fits {"left": ..., "right": ...}."""
    from engine.evaluate.crops import square_box, tight_box
    from engine.hand import pose_hand
    from engine.render import keypoints_px

    width, height = sample.camera.width_px, sample.camera.height_px
    body = np.zeros((17, 3))
    annotation: dict[str, Any] = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0}
    for side in ("left", "right"):
        annotation |= {
            f"{side}hand_valid": False,
            f"{side}hand_box": [0.0] * 4,
            f"{side}hand_kpts": [0.0] * 63,
        }
    fits: dict[Side, Any] = {"left": None, "right": None}
    for hand in sample.hands:
        points = keypoints_px(pose_hand(hand), sample.camera)
        body[COCO_WRIST[hand.side]] = (*points[0], VISIBLE)
        left, top, right, bottom = square_box(points, COCO_BOX_MARGIN)
        keypoints = np.column_stack([points, np.ones(21)])
        annotation |= {
            f"{hand.side}hand_valid": True,
            f"{hand.side}hand_box": _listed(np.array([left, top, right - left, bottom - top]), 2),
            f"{hand.side}hand_kpts": _listed(keypoints.ravel(), 2),
        }
        fits[hand.side] = _mano_fit(hand, sample.camera)
    left, top, right, bottom = tight_box(np.array([(0.0, 0.0), (width, height)]))
    annotation |= {
        "bbox": [left, top, right, bottom],
        "area": right * bottom,
        "num_keypoints": int((body[:, 2] > 0).sum()),
        "keypoints": _listed(body.ravel(), 2),
        "face_box": [0.0] * 4, "face_kpts": [0.0] * 204, "face_valid": False,
        "foot_kpts": [0.0] * 18, "foot_valid": False,
    }  # fmt: skip
    return annotation, fits


def _mano_fit(hand: HandPose, camera: Camera) -> dict[str, Any]:
    (fx, _, cx), (_, fy, cy), _ = camera.K
    return {
        "mano_param": {
            "pose": _listed(_pose48(hand)),
            "shape": _listed(np.array(hand.betas)),
            "trans": _listed(np.array(hand.transl)),
        },
        "cam_param": {"focal": [fx, fy], "princpt": [cx, cy]},
    }


def write_coco(samples: Iterable[Sample], out: Path) -> int:
    """Returns the number of pictures written. Captions come in COCO's own captions file."""
    images, annotations, captions, fits = [], [], [], {}
    for number, sample in enumerate(samples, 1):
        name = f"{number:012d}.jpg"
        _write_jpeg(sample.image, out / "train2017" / name)
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": sample.camera.width_px,
                "height": sample.camera.height_px,
            }
        )
        annotation, fits[str(number)] = coco_annotation(sample, number)
        annotations.append(annotation)
        captions.append({"id": number, "image_id": number, "caption": sample.caption})
    people = [{"id": 1, "name": "person"}]
    folder = out / "annotations"
    write_json(
        {"images": images, "annotations": annotations, "categories": people},
        folder / "coco_wholebody_train_v1.0.json",
    )
    write_json({"images": images, "annotations": captions}, folder / "captions_train2017.json")
    write_json(fits, folder / "MSCOCO_train_MANO_NeuralAnnot.json")
    return len(images)


# --- files --------------------------------------------------------------------------------------------


def write_json(value: Any, path: Path) -> None:
    """Whole or not at all."""
    write_bytes(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), path)


def write_bytes(data: bytes, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_bytes(data)
    os.replace(aside, path)


def _write_jpeg(image: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=JPEG_QUALITY, subsampling=0)


def _listed(values: np.ndarray | Sequence[float], digits: int = 6) -> list[Any]:
    return np.round(values, digits).tolist()
