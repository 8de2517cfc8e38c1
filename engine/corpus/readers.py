"""Real pictures as Samples: HaGRID, FreiHAND, COCO-WholeBody with MANO fits, in their published layouts.

Readers are lazy: a picture is opened when its Sample is asked for. MANO's poses in FreiHAND and in
NeuralAnnot's fits are relative to MANO's mean pose, ours to the flat hand: `mean_pose` (45,) rad is the right
hand's, `mano_mean` for the published labels, FLAT for what `engine.corpus export` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.corpus.sample import Captions, Sample
from engine.hand.model import MIRROR_ROTVEC
from engine.types import Camera, HandPose, Side, UserError

FLAT = (0.0,) * 45
PERSON = "a person"
_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")


def read_hagrid(
    folder: str | Path, *, split: str = "train", gestures: Sequence[str] = ()
) -> Iterator[Sample]:
    """HaGRID, versions 1 and 2: annotations/<split>/<gesture>.json beside folders of pictures by gesture.

    Each entry has normalised `bboxes` (x, y, w, h) with a label each, and mostly landmarks. The data set's
    splits are by person. No hand parameters: `hands` stays empty, `keypoints_px` is filled.
    """
    root = Path(folder)
    folders = (split, f"ann_{split}", f"ann_{split}_val")
    files = sorted(f for f in root.rglob("*.json") if f.parent.name in folders)
    files = [f for f in files if not gestures or f.stem in gestures]
    if not files:
        raise UserError(
            f"{root} has no annotations/{split}/<gesture>.json; unpack HaGRID's annotations there.",
            code="no_dataset",
        )
    for file in files:
        pictures = _hagrid_pictures(root, file.stem, split)
        for name, entry in _load(file).items():
            if name in pictures:
                yield _hagrid_sample(file.stem, name, entry, pictures[name], split)


def _hagrid_pictures(root: Path, gesture: str, split: str) -> dict[str, Path]:
    names = {gesture, f"{split}_{gesture}", f"train_val_{gesture}"}
    folders = [f for f in root.rglob("*") if f.is_dir() and f.name in names]
    return {p.stem: p for f in folders for p in f.iterdir() if p.suffix.lower() in _EXTENSIONS}


def _hagrid_sample(gesture: str, name: str, entry: dict[str, Any], path: Path, split: str) -> Sample:
    image = open_rgb(path)
    h, w = image.shape[:2]
    points = [p for p in entry.get("landmarks") or entry.get("hand_landmarks") or [] if p]
    labels = entry.get("labels", [gesture])
    box = np.array(entry["bboxes"][labels.index(gesture)] if gesture in labels else entry["bboxes"][0])
    who = _hagrid_person(entry)
    attributes = {
        "gesture": gesture, "user": str(entry.get("user_id", "")), "side": str(entry.get("leading_hand", "")),
        "person": who,
    }  # fmt: skip
    return Sample(
        key=f"hagrid-{split}-{gesture}-{name}",
        image=image,
        keypoints_px=tuple(np.array(p, dtype=float) * (w, h) for p in points),
        boxes_px=(np.concatenate([box[:2], box[:2] + box[2:]]) * (w, h, w, h),),
        captions=_gesture_captions(who, gesture),
        attributes=attributes,
    )


def _hagrid_person(entry: dict[str, Any]) -> str:
    genders = (entry.get("meta") or {}).get("gender") or []
    return {"female": "a woman", "male": "a man"}.get(str(genders[0]).lower(), PERSON) if genders else PERSON


def _gesture_captions(who: str, gesture: str) -> Captions:
    from engine.hand.gesture import load_gestures

    known = load_gestures()
    phrase = known[gesture].phrase if gesture in known else f"making {gesture.replace('_', ' ')} hand gesture"
    return Captions(short=who, wordy="", gesture=f"{who}, {phrase}")


# --- FreiHAND -----------------------------------------------------------------------------------------


def read_freihand(
    folder: str | Path, *, mean_pose: Sequence[float], split: str = "training"
) -> Iterator[Sample]:
    """FreiHAND_pub_v2: <split>/rgb/%08d.jpg with <split>_{K,mano,xyz}.json. Right hands only.

    The training split shows each hand before four backgrounds: picture i has labels i modulo their number.
    `xyz` (21, 3) m places the hand: MANO's root in the labels is in units of a camera of their own.
    """
    root = Path(folder)
    labels = {name: _load(root / f"{split}_{name}.json") for name in ("K", "mano", "xyz")}
    count = len(labels["K"])
    for path in sorted((root / split / "rgb").glob("*.jpg")):
        number = int(path.stem) % count
        mano = np.ravel(labels["mano"][number])
        joints = np.array(labels["xyz"][number], dtype=float)
        image = open_rgb(path)
        camera = _camera(np.array(labels["K"][number]), image)
        hand = _placed(_hand("right", mano[:48], mano[48:58], (0, 0, 0), mean_pose), joints)
        yield Sample(
            key=f"freihand-{split}-{path.stem}", image=image, hands=(hand,), camera=camera,
            keypoints_px=(_project(joints, camera),), captions=Captions(short="a hand", wordy="", gesture=""),
        )  # fmt: skip


def _placed(hand: HandPose, joints: np.ndarray) -> HandPose:
    """`hand` moved so that its joints lie on `joints` (21, 3) m, in the mean."""
    from dataclasses import replace

    from engine.hand import pose_hand

    shift = (joints - pose_hand(hand).joints).mean(0)
    return replace(hand, transl=tuple(np.array(hand.transl) + shift))


# --- COCO-WholeBody with MANO fits ----------------------------------------------------------------------


def read_coco_wholebody(
    folder: str | Path, *, mean_pose: Sequence[float], split: str = "train"
) -> Iterator[Sample]:
    """COCO 2017 pictures, coco_wholebody_<split>_v1.0.json and MSCOCO_<split>_MANO_NeuralAnnot.json.

    One Sample a person, only people with a valid hand and a fit for it. captions_<split>2017.json, where it
    is there, gives the wordy caption. Each fit has a camera of its own; a second hand is carried into the
    first one's.
    """
    root = Path(folder)
    notes = root / "annotations"
    people = _load(notes / f"coco_wholebody_{split}_v1.0.json")
    fits = _load(notes / f"MSCOCO_{split}_MANO_NeuralAnnot.json")
    names = {picture["id"]: picture["file_name"] for picture in people["images"]}
    captions = _coco_captions(notes / f"captions_{split}2017.json")
    for person in people["annotations"]:
        found = [side for side in ("right", "left") if person.get(f"{side}hand_valid")]
        fitted = {side: (fits.get(str(person["id"])) or {}).get(side) for side in found}
        sides = [side for side in found if fitted[side]]
        path = root / f"{split}2017" / names[person["image_id"]]
        if sides and path.exists():
            yield _coco_sample(person, {side: fitted[side] for side in sides}, path, captions, mean_pose)


def _coco_sample(
    person: dict[str, Any],
    fits: dict[Side, Any],
    path: Path,
    captions: dict[int, str],
    mean_pose: Sequence[float],
) -> Sample:
    image = open_rgb(path)
    cameras = {side: _pinhole(fit["cam_param"], image) for side, fit in fits.items()}
    camera = next(iter(cameras.values()))
    hands = []
    for side, fit in fits.items():
        mano = fit["mano_param"]
        hand = _hand(side, mano["pose"], mano["shape"], mano["trans"], mean_pose)
        hands.append(_carried(hand, cameras[side], camera))
    points = [np.reshape(person[f"{side}hand_kpts"], (21, 3)) for side in fits]
    said = captions.get(person["image_id"], "")
    return Sample(
        key=f"coco-{path.stem}-{person['id']}", image=image, hands=tuple(hands), camera=camera,
        keypoints_px=tuple(np.where(p[:, 2:] > 0, p[:, :2], np.nan).astype(float) for p in points),
        captions=Captions(short=said or PERSON, wordy=said, gesture=""),
        attributes={"side": "both" if len(hands) == 2 else hands[0].side},
    )  # fmt: skip


def _coco_captions(path: Path) -> dict[int, str]:
    """The first caption of each picture."""
    if not path.exists():
        return {}
    out: dict[int, str] = {}
    for note in _load(path)["annotations"]:
        out.setdefault(note["image_id"], note["caption"].strip())
    return out


def _carried(hand: HandPose, own: Camera, other: Camera) -> HandPose:
    """`hand` seen by `other` as large and in the place as by `own`; exact where the cameras are equal."""
    from dataclasses import replace

    if own == other:
        return hand
    from engine.hand import pose_hand

    root = pose_hand(hand).joints[0]
    depth = root[2] * other.K[0][0] / own.K[0][0]
    ray = np.linalg.inv(np.array(other.K)) @ [*_project(root[None], own)[0], 1.0]
    moved = ray * depth
    return replace(hand, transl=tuple(np.array(hand.transl) + moved - root))


# --- shared -------------------------------------------------------------------------------------------


def open_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8, turned upright as its EXIF says."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path.name} is not a picture that can be read.", code="bad_image") from error


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} is missing; unpack the labels there.", code="no_dataset") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not whole JSON; download it again.", code="bad_file") from error


def mano_mean(folder: str | Path) -> tuple[float, ...]:
    """(45,) rad: MANO's mean pose of a right hand, from a person's own MANO_RIGHT.pkl."""
    from engine.hand.mano_file import FILES, load_pickle

    path = Path(folder).expanduser() / FILES["right"]
    if not path.is_file():
        raise UserError(f"There is no {path.name} in {folder}.", code="no_mano")
    mean = np.ravel(load_pickle(path.read_bytes()).get("hands_mean", ()))
    if mean.shape != (45,):
        raise UserError(f"{path.name} has no hands_mean of 45 numbers; use MANO's own file.", code="bad_mano")
    return tuple(float(v) for v in mean)


def _hand(side: Side, pose, shape, transl, mean_pose: Sequence[float]) -> HandPose:
    pose, mean = np.asarray(pose, dtype=float), np.reshape(mean_pose, (15, 3))
    if side == "left":
        mean = mean * MIRROR_ROTVEC
    return HandPose(
        side=side, global_orient=tuple(pose[:3]), hand_pose=tuple(pose[3:48] + mean.ravel()),
        betas=tuple(shape), transl=tuple(transl),
    )  # fmt: skip


def _camera(K: np.ndarray, image: np.ndarray) -> Camera:
    return Camera(K=tuple(map(tuple, K)), width_px=image.shape[1], height_px=image.shape[0])


def _pinhole(parameters: dict[str, Any], image: np.ndarray) -> Camera:
    (fx, fy), (cx, cy) = parameters["focal"], parameters["princpt"]
    return _camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), image)


def _project(points: np.ndarray, camera: Camera) -> np.ndarray:
    seen = points @ np.array(camera.K).T
    return seen[:, :2] / seen[:, 2:]


READERS = {"hagrid": read_hagrid, "freihand": read_freihand, "coco": read_coco_wholebody}
