"""Where camera, head, arms and hands are, such that face and hands are well in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.corpus import arm
from engine.corpus.body import Body, Rest
from engine.corpus.framing import Framing
from engine.corpus.hands import HandChoice, facing, finger_rotations
from engine.corpus.surfaces import surfaces
from engine.hand import rotation
from engine.hand.anny_bridge import anny_rest
from engine.types import Camera

SIZE_PX = 256
MARGIN_PX = 4.0  # that hands keep from the frame's edges
TRIES = 80
FEWER = 3  # every third vertex bounds hand and face well enough, given the margin
HEAD_M = 0.235  # chin to crown
OPEN_HAND_M = 0.185  # wrist to fingertip
EYES_FROM_HEAD = np.array([0.0, -0.06, 0.035])  # m, the head's middle from where its bone begins
JITTER_RAD = (0.20, 0.26, 0.22)  # of a hand's orientation: nod, turn, roll
LARGEST_JITTER_RAD = math.radians(35)
_OPENCV_FROM_WORLD = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # Z up, looking along +Y


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    camera: Camera
    T_camera_world: np.ndarray  # (4, 4)
    G: np.ndarray  # (J, 3, 3) world rotations of the bones since the reference pose
    heads: np.ndarray  # (J, 3) m, where each bone begins


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hand:
    """What of a hand does not change from try to try."""

    choice: HandChoice
    limb: arm.Limb
    fingers: dict[str, np.ndarray]
    points: np.ndarray  # (N, 3) m, of the hand: wrist at the origin, not turned from the reference pose
    axes: np.ndarray  # (3, 3) from the reference pose's world axes to MANO's

    @property
    def upright(self) -> tuple[tuple[float, ...], ...]:
        """Orientations that any arm can take: fingers up, palm or back to the camera."""
        return tuple(facing(self.choice.side, palm=palm) for palm in (True, False))

    @property
    def sign(self) -> float:
        """Where it is in the picture: a right hand lies to the left."""
        return -1.0 if self.choice.side == "right" else 1.0


def place(body: Body, rest: Rest, hands: tuple[HandChoice, ...], framing: Framing, rng) -> Placement | None:
    """A camera and arms for one or two raised hands; None when no try fits."""
    G, heads = body.transforms(rest, {})
    limbs = {side: arm.Limb.of(body, heads, side) for side in "LR"}
    prepared = [_prepare(body, rest, hand, limbs["R" if hand.side == "right" else "L"]) for hand in hands]
    raised = {hand.limb.side for hand in prepared}
    face = body.skin_some(rest, G, heads, surfaces().face_verts[::FEWER])
    head_at = heads[body.bone("head")]
    for attempt in range(TRIES):
        ease = max(0.0, 2 * attempt / TRIES - 1)
        head_turn = rotation.exp(np.array([rng.normal(0, 0.06), 0, 0])) @ _about_z(rng.normal(0, 0.10))
        camera, T = _camera(head_at + head_turn @ EYES_FROM_HEAD, -prepared[0].sign, framing, rng)
        R, t = T[:3, :3], T[:3, 3]
        face_px = project(((face - head_at) @ head_turn.T + head_at) @ R.T + t, camera)
        if face_px.min() < 2:
            continue
        pose = {"head": head_turn}
        boxes = [_box(face_px)]
        for hand in prepared:
            found = _raise(hand, camera, T, framing, boxes, ease, rng)
            if found is None:
                break
            pose |= found
        else:
            for side in set("LR") - raised:
                pose |= arm.hanging(limbs[side], rng)
            G, heads = body.transforms(rest, pose)
            return Placement(camera=camera, T_camera_world=T, G=G, heads=heads)
    return None


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """(N, 2) px."""
    seen = points @ np.array(camera.K).T
    return seen[:, :2] / seen[:, 2:]


def _prepare(body: Body, rest: Rest, choice: HandChoice, limb: arm.Limb) -> _Hand:
    fingers = finger_rotations(choice)
    G, heads = body.transforms(rest, fingers)
    points = body.skin_some(rest, G, heads, surfaces().hand_verts[limb.side][::FEWER])
    return _Hand(
        choice=choice, limb=limb, fingers=fingers, axes=anny_rest(choice.side).axes,
        points=points - heads[body.bone(f"wrist.{limb.side}")],
    )  # fmt: skip


def _camera(head: np.ndarray, aside: float, framing: Framing, rng) -> tuple[Camera, np.ndarray]:
    """A camera that sees `head` (3,) where `framing` wants it, and its (4, 4) pose, world to camera."""
    distance = rng.uniform(*framing.distance_m)
    focal = rng.uniform(*framing.head_share) * SIZE_PX * distance / HEAD_M
    aim = (aside * rng.uniform(*framing.head_aside_px), rng.uniform(*framing.head_down_px) - SIZE_PX / 2)
    yaw, pitch, roll = rng.normal(0, (0.12, 0.07, 0.025))
    around = _about_z(yaw) @ rotation.exp(np.array([pitch, 0, 0]))
    pan = rotation.exp(np.array([0, math.atan(aim[0] / focal), 0]))
    tilt = rotation.exp(np.array([-math.atan(aim[1] / focal), 0, 0]))
    turned = _about_z(roll) @ pan @ tilt
    T = np.eye(4)
    T[:3, :3] = turned @ _OPENCV_FROM_WORLD @ around.T
    T[:3, 3] = turned @ (0, 0, distance) - T[:3, :3] @ head
    return Camera.simple(focal_px=focal, width_px=SIZE_PX, height_px=SIZE_PX), T


def _raise(
    hand: _Hand, camera: Camera, T, framing: Framing, boxes: list, ease: float, rng
) -> dict[str, np.ndarray] | None:
    """Local rotations of an arm that puts the hand clear of `boxes`, to which its own box is added."""
    focal, centre = camera.K[0][0], SIZE_PX / 2
    at = np.array(
        [hand.sign * rng.uniform(*framing.hand_aside_px), rng.uniform(*framing.hand_down_px) - centre]
    )
    ray = np.array([*at / focal, 1.0])
    orientation = _orientation(hand, ray, ease, rng)
    points = hand.points @ orientation.T
    head_depth = float((T[:3, :3] @ hand.limb.shoulder + T[:3, 3])[2])
    z = _depth(points, focal, rng.uniform(*framing.hand_px), head_depth)
    wrist = ray * z - (points.max(0) + points.min(0)) / 2
    low, high = box = _box(project(points + wrist, camera))
    if low.min() < MARGIN_PX or high.max() > SIZE_PX - MARGIN_PX or (high - low).max() < framing.least_px:
        return None
    if any(_covers(box, other) for other in boxes):
        return None
    R, t = T[:3, :3], T[:3, 3]
    solved = arm.solve(hand.limb, R.T @ (wrist - t), R.T @ orientation)
    if solved is None or solved.cost > 1.0:
        return None
    boxes.append(box)
    return {**hand.fingers, **solved.pose}


def _orientation(hand: _Hand, ray: np.ndarray, ease: float, rng) -> np.ndarray:
    """(3, 3) from the reference pose's world axes to the camera's: as chosen, seen along `ray`, jittered.

    A hand by itself can be turned as no arm turns it: `ease` (0..1) goes towards upright before the camera.
    """
    jitter = np.clip(rng.normal(0, JITTER_RAD), -LARGEST_JITTER_RAD, LARGEST_JITTER_RAD)
    towards = rotation.between(np.array([0.0, 0, 1.0]), ray / np.linalg.norm(ray))
    chosen = rotation.exp(np.array(hand.choice.orient))
    if ease > 0:
        away = [rotation.log(chosen.T @ rotation.exp(np.array(r))) for r in hand.upright]
        chosen = chosen @ rotation.exp(ease * min(away, key=np.linalg.norm))
    return towards @ rotation.exp(jitter) @ chosen @ hand.axes


def _depth(points: np.ndarray, focal: float, target_px: float, shoulder_m: float) -> float:
    """Depth at which an open hand measures `target_px`; a fist comes half the way nearer to do the same."""
    extent = (points[:, :2].max(0) - points[:, :2].min(0)).max()
    z = focal * 0.5 * (extent + OPEN_HAND_M) / target_px
    return float(np.clip(z, 0.30, shoulder_m - 0.16))


def _box(points_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points_px.min(0), points_px.max(0)


def _covers(box, other) -> bool:
    """Whether `box` reaches into the other one, beyond a sliver."""
    overlap = np.clip(np.minimum(box[1], other[1]) - np.maximum(box[0], other[0]), 0, None)
    return overlap.prod() > 0.06 * (other[1] - other[0]).prod()


def _about_z(angle: float) -> np.ndarray:
    return rotation.exp(np.array([0, 0, angle]))
