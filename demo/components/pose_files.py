"""Poses in others' files: OpenPose's hand keypoints (JSON) and MANO parameters (.npz), read and written.

What comes in is a stranger's: sizes are bounded, pickles refused, and the result passes the editor's own check.

OpenPose  {"people": [{"hand_left_keypoints_2d": [x, y, score] * 21, "hand_right_keypoints_2d": ...}]}, px; the hand
          model is fitted to them (engine.reconstruct.fit), so that depth is a guess.
MANO      hand_pose (45,) or (15, 3), or pose (48,) with global_orient first; betas (10,); transl or trans (3,);
          side, or is_rhand / is_right. SMPL-X: left_hand_pose and right_hand_pose. Angles are full ones (rad), as with
          smplx's flat_hand_mean=True.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from demo.components.hand_editor_value import EditorValue, parse
from engine.types import Camera, HandPose, Side, UserError, to_json

LARGEST_BYTES = 1 << 20
LARGEST_ARRAY = 100_000  # numbers, of everything in an .npz together
MIN_SCORE = 0.05  # OpenPose writes 0 for a keypoint it did not see
MIN_KEYPOINTS = 21
FORMATS = ("json", "mano", "openpose")
SIDES: tuple[Side, ...] = ("left", "right")
_FIT_ROUNDS = 4


def read_pose(data: bytes, camera: Camera) -> EditorValue:
    """A pose file of any of the forms, told apart by content. `camera` is the editor's: where hands without a
    camera of their own are shown. UserError says in one sentence what does not fit.
    """
    if len(data) > LARGEST_BYTES:
        raise UserError("A pose file has at most 1 MB.", code="too_large")
    if data[:2] == b"PK":
        return _check(_mano_hands(_arrays(data)), camera)
    try:
        content = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise UserError(
            "This is no pose file; choose the editor's JSON, OpenPose's JSON or a MANO .npz.", code="bad_pose"
        ) from None
    if isinstance(content, Mapping) and "people" in content:
        return _check(_openpose_hands(content, camera), camera)
    return parse(content)


def write_pose(value: EditorValue, form: str) -> tuple[str, bytes]:
    """(file name, content) of the hands; form: json, mano or openpose."""
    name = f"hand-{value.gesture or 'pose'}"
    if form == "mano":
        return f"{name}.npz", _mano_file(value)
    if form == "openpose":
        return f"{name}_keypoints.json", _openpose_file(value)
    if form == "json":
        return f"{name}.json", json.dumps(value.to_json(), indent=1).encode()
    raise UserError("There is no such form of a pose file.", code="bad_format")


def _check(hands: list[HandPose], camera: Camera) -> EditorValue:
    """Through the editor's own check: limits, ranges, at most one hand a side."""
    if len({hand.side for hand in hands}) < len(hands):
        raise UserError(
            "The file holds two hands of one side; the editor takes a left and a right one.", code="bad_pose"
        )
    return parse({"hands": [to_json(hand) for hand in hands], "camera": to_json(camera), "edited": True})


# --- MANO -----------------------------------------------------------------------------------------------


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The plain arrays of an .npz; an archive that unpacks to more than it should is not unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 8 * LARGEST_ARRAY:
                raise UserError("This .npz holds far more than a hand.", code="too_large")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            "This .npz cannot be read as plain arrays (pickled ones are refused).", code="bad_pose"
        ) from error


def _mano_hands(arrays: Mapping[str, np.ndarray]) -> list[HandPose]:
    if "left_hand_pose" in arrays or "right_hand_pose" in arrays:
        chosen = [side for side in SIDES if f"{side}_hand_pose" in arrays]
        return [
            _mano_hand(side, arrays, arrays[f"{side}_hand_pose"], arrays.get(f"{side}_global_orient"), place)
            for side, place in zip(chosen, _places(len(chosen)), strict=True)
        ]
    orient = arrays.get("global_orient")
    pose = arrays.get("hand_pose")
    if pose is None:
        pose = arrays.get("pose", arrays.get("poses"))
        if pose is None:
            raise UserError(
                "This .npz has no hand_pose, pose, left_hand_pose or right_hand_pose.", code="bad_pose"
            )
        if np.size(pose) == 48:
            flat = np.asarray(pose).reshape(48)
            orient, pose = flat[:3] if orient is None else orient, flat[3:]
    return [_mano_hand(_side(arrays), arrays, pose, orient, _places(1)[0])]


def _places(count: int) -> list[tuple[float, float, float]]:
    """Where hands without a place stand: before the camera, left hand to the picture's right as one's own is not."""
    return [(0.0, 0.0, 0.5)] if count == 1 else [(0.09, 0.0, 0.6), (-0.09, 0.0, 0.6)]


def _side(arrays: Mapping[str, np.ndarray]) -> Side:
    if "side" in arrays:
        side = str(np.asarray(arrays["side"]).reshape(-1)[0]).lower()
        if side not in SIDES:
            raise UserError("The file's side must be left or right.", code="bad_pose")
        return side
    for name in ("is_rhand", "is_right"):
        if name in arrays:
            return "right" if bool(np.asarray(arrays[name]).reshape(-1)[0]) else "left"
    return "right"


def _mano_hand(
    side: Side,
    arrays: Mapping[str, np.ndarray],
    pose: np.ndarray,
    orient: np.ndarray | None,
    place: tuple[float, float, float],
) -> HandPose:
    transl = arrays.get(f"{side}_transl", arrays.get("transl", arrays.get("trans")))
    betas = arrays.get(f"{side}_betas", arrays.get("betas", arrays.get("shape")))
    betas = betas if betas is not None and np.size(betas) == 10 else None  # SMPL-X's are the body's
    return HandPose(
        side=side,
        hand_pose=_vector("hand_pose", pose, 45),
        global_orient=(0.0, 0.0, 0.0) if orient is None else _vector("global_orient", orient, 3),
        betas=(0.0,) * 10 if betas is None else _vector("betas", betas, 10),
        transl=place if transl is None or not np.any(transl) else _vector("transl", transl, 3),
    )


def _vector(name: str, array: np.ndarray, length: int) -> tuple[float, ...]:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or array.size != length or not np.isfinite(array).all():
        raise UserError(f"{name} must be {length} finite numbers.", code="bad_numbers", name=name)
    return tuple(float(v) for v in array.reshape(-1))


def _mano_file(value: EditorValue) -> bytes:
    """One hand: MANO's keys; two: SMPL-X's names for the poses, MANO's for each hand's rest with its side before."""
    out: dict[str, Any] = {}
    for hand in value.hands:
        before = "" if len(value.hands) == 1 else f"{hand.side}_"
        out[f"{before}hand_pose"] = np.array(hand.hand_pose, np.float32)
        out[f"{before}global_orient"] = np.array(hand.global_orient, np.float32)
        out[f"{before}betas"] = np.array(hand.betas, np.float32)
        out[f"{before}transl"] = np.array(hand.transl, np.float32)
        if not before:
            out["side"] = np.array(hand.side)
    buffer = io.BytesIO()
    np.savez(buffer, **out)
    return buffer.getvalue()


# --- OpenPose -------------------------------------------------------------------------------------------


def _openpose_hands(content: Mapping[str, Any], camera: Camera) -> list[HandPose]:
    people = content["people"]
    if not isinstance(people, list) or not people:
        raise UserError("The OpenPose file shows nobody.", code="bad_pose")
    for person in people:
        hands = []
        for side in SIDES:
            points = _keypoints(person, side)
            if points is not None:
                hands.append(fit_keypoints(points, camera, side))
        if hands:
            return hands
    raise UserError(
        f"No hand in the OpenPose file has all its {MIN_KEYPOINTS} keypoints; pose it by hand.",
        code="bad_pose",
    )


def _keypoints(person: Any, side: Side) -> np.ndarray | None:
    values = person.get(f"hand_{side}_keypoints_2d") if isinstance(person, Mapping) else None
    if values is None or values == []:
        return None
    try:
        points = np.asarray(values, np.float64).reshape(21, 3)
    except (TypeError, ValueError):
        raise UserError("OpenPose's hand keypoints are 21 times x, y, score.", code="bad_numbers") from None
    if not np.isfinite(points).all():
        raise UserError("OpenPose's hand keypoints must be finite numbers.", code="bad_numbers")
    return points[:, :2] if (points[:, 2] >= MIN_SCORE).sum() >= MIN_KEYPOINTS else None


def fit_keypoints(points_px: np.ndarray, camera: Camera, side: Side) -> HandPose:
    """The hand of `side` whose joints project onto (21, 2) keypoints in px of the camera's picture, OpenPose's order.

    The fit wants MediaPipe's 3D landmarks too: the first round's are flat, each next round's are the last fit's.
    """
    from engine.hand import pose_hand
    from engine.reconstruct.fit import fit_hand

    extent = float(np.ptp(points_px, axis=0).max())
    if extent < 4:
        raise UserError("The keypoints of a hand must not all lie in one place.", code="bad_numbers")
    world = np.c_[(points_px - points_px[0]) * (0.17 / extent), np.zeros(21)]  # a hand is about 17 cm long
    best = None
    for _ in range(_FIT_ROUNDS):
        fit = fit_hand(points_px, world, camera, side)
        if best is None or reprojection(fit.hand, points_px, camera) < reprojection(best, points_px, camera):
            best = fit.hand
        joints = pose_hand(fit.hand).joints
        world = joints - joints[0]
    return best


def reprojection(hand: HandPose, points_px: np.ndarray, camera: Camera) -> float:
    """Mean distance of the hand's projected joints from the keypoints, px."""
    from engine.hand import pose_hand
    from engine.render import keypoints_px

    return float(np.linalg.norm(keypoints_px(pose_hand(hand), camera) - points_px, axis=1).mean())


def _openpose_file(value: EditorValue) -> bytes:
    from engine.hand import pose_hand
    from engine.render import keypoints_px

    person: dict[str, Any] = {"person_id": [-1]}
    for side in SIDES:
        points = [keypoints_px(pose_hand(hand), value.camera) for hand in value.hands if hand.side == side]
        person[f"hand_{side}_keypoints_2d"] = (
            np.c_[points[0], np.ones(21)].round(3).reshape(-1).tolist() if points else []
        )
    return json.dumps({"version": 1.3, "people": [person]}).encode()
