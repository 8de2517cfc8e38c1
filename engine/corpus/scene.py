"""What a picture shows, drawn from a seed: person, clothes, hand, camera, light, wall. No pixels here."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np

from engine.corpus import arm, wardrobe
from engine.corpus.body import Body, Rest
from engine.corpus.hands import HandChoice, choose_hand, finger_rotations
from engine.corpus.person import Outfit, palm_frame, surfaces
from engine.types import Camera

SIZE_PX = 256
TRIES = 80  # placements tried before a scene is drawn anew
MARGIN_PX = 4.0
SPLITS = ("train", "val", "test")
OPEN_HAND_M = 0.185  # wrist to fingertip
HEAD_M = 0.235  # a head's height, chin to crown
EYES_FROM_HEAD = np.array([0.0, -0.06, 0.035])  # m, the middle of the head from where its bone begins


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """Who: never shared between splits."""

    gender: str  # "man" or "woman"
    age: str  # "young", "middle-aged" or "old"
    phenotype: dict[str, float]
    ancestry: str
    skin: str
    hair: str
    iris: str
    wrinkles: float
    beard: float
    shape_seed: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Where everything is: camera, and the body's pose."""

    camera: Camera
    T_camera_world: np.ndarray  # (4, 4)
    pose: dict[str, np.ndarray]
    wrist_bone: int
    G: np.ndarray
    heads: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    person: Person
    rest: Rest
    outfit: Outfit
    shirt: str
    wall: str
    hand: HandChoice
    placement: Placement
    light_seed: int
    extras: dict[str, str] = field(default_factory=dict)


def stream(seed: int, split: str, index: int, what: str) -> np.random.Generator:
    """An independent generator: the same for the same words, unrelated for any others."""
    digest = hashlib.blake2b(f"{seed}/{split}/{index}/{what}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def sample_scene(body: Body, *, seed: int, split: str, index: int, level: str = "plain") -> Scene:
    """The scene of picture `index`; the same arguments give the same scene, whatever ran before."""
    for attempt in range(50):
        key = f"{level}/{attempt}"
        person = _person(stream(seed, split, index, "phenotype" + key))
        rest = body.rest(person.phenotype)
        dress = stream(seed, split, index, "dress" + key)
        hand = choose_hand(stream(seed, split, index, "pose" + key))
        placement = place(body, rest, hand, stream(seed, split, index, "camera" + key))
        if placement is None:
            continue
        outfit = Outfit(
            hair=str(dress.choice(wardrobe.SHAPES_OF[person.gender])),
            sleeve=str(dress.choice(["short", "long"])),
            neck=str(dress.choice(["round", "round", "V"])),
        )
        return Scene(
            person=person, rest=rest, outfit=outfit, hand=hand, placement=placement,
            shirt=str(dress.choice(list(wardrobe.SHIRTS))), wall=str(dress.choice(list(wardrobe.WALLS))),
            light_seed=int(dress.integers(2**31)),
        )  # fmt: skip
    raise RuntimeError(f"no placement for picture {split}/{index}")


def _person(rng: np.random.Generator) -> Person:
    gender = str(rng.choice(["man", "woman"]))
    age = str(rng.choice(["young", "middle-aged", "old"], p=[0.5, 0.3, 0.2]))
    years = {"young": (0.667, 0.72), "middle-aged": (0.74, 0.86), "old": (0.88, 1.0)}[age]
    ancestry = str(rng.choice(list(wardrobe.SKIN_OF)))
    shares = rng.uniform(0.0, 0.25, 3)
    shares[list(wardrobe.SKIN_OF).index(ancestry)] = 1.0
    phenotype = {
        "gender": float(rng.uniform(0.0, 0.12) if gender == "man" else rng.uniform(0.88, 1.0)),
        "age": float(rng.uniform(*years)),
        "muscle": float(rng.uniform(0.3, 0.75)),
        "weight": float(rng.uniform(0.3, 0.75)),
        "height": float(rng.uniform(0.3, 0.7)),
        "proportions": float(rng.uniform(0.2, 0.9)),
        "cupsize": float(rng.uniform(0.2, 0.6)),
        "firmness": float(rng.uniform(0.4, 0.8)),
        **dict(zip(wardrobe.SKIN_OF, map(float, shares), strict=True)),
    }
    greying = {"young": 0.0, "middle-aged": 0.15, "old": 0.8}[age]
    hair = "grey" if rng.random() < greying else str(rng.choice(wardrobe.HAIR_OF[ancestry]))
    light = ancestry == "caucasian"
    return Person(
        gender=gender, age=age, phenotype=phenotype, ancestry=ancestry, hair=hair,
        skin=str(rng.choice(wardrobe.SKIN_OF[ancestry])),
        iris=str(rng.choice(list(wardrobe.IRIS) if light else ["brown", "dark brown"])),
        wrinkles={"young": 0.0, "middle-aged": 0.35, "old": 1.0}[age],
        beard=float(rng.choice([0.0, 0.0, 0.35, 0.8])) if gender == "man" else 0.0,
        shape_seed=float(rng.uniform(0, 50)),
    )  # fmt: skip


# --- placement ----------------------------------------------------------------------------------------

_OPENCV_FROM_WORLD = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # Z up, looking along +Y


def place(body: Body, rest: Rest, hand: HandChoice, rng: np.random.Generator) -> Placement | None:
    """A camera and an arm such that face and hand are both well in view; None when none was found."""
    suffix = "R" if hand.side == "right" else "L"
    other = "L" if suffix == "R" else "R"
    fingers = finger_rotations(hand)
    up0, palm0 = palm_frame(body.transforms(rest, {})[1], body, suffix)
    vertices = surfaces().hand_verts[suffix]
    limb = arm.Limb.of(body, rest, suffix)
    off = arm.Limb.of(body, rest, other)
    wrist_bone = body.bone(f"wrist.{suffix}")
    G, heads = body.transforms(rest, {})
    face = _hull(body.skin_some(rest, G, heads, _face_vertices(body)))
    head_at = heads[body.bone("head")]

    hand_points = _hull(_hand_at_origin(body, rest, fingers, wrist_bone, vertices))
    for _ in range(TRIES):
        head_turn = arm.rotation((0, 0, 1), rng.normal(0, 0.10)) @ arm.rotation(
            (1, 0, 0), rng.normal(0, 0.06)
        )
        centre = head_at + head_turn @ EYES_FROM_HEAD
        share = rng.uniform(0.31, 0.42)  # head height over frame height
        distance = rng.uniform(0.72, 1.05)
        focal = share * SIZE_PX * distance / HEAD_M
        side = 1 if hand.side == "right" else -1  # the right hand lies left in the picture
        aim = np.array([SIZE_PX / 2 + side * rng.uniform(8, 46), rng.uniform(66, 98)])
        camera = Camera.simple(focal_px=focal, width_px=SIZE_PX, height_px=SIZE_PX)
        T = _look(centre, distance, aim, focal, rng)
        R, t = T[:3, :3], T[:3, 3]

        target = rng.uniform(0.36, 0.58) * SIZE_PX
        box_centre = np.array([SIZE_PX / 2 - side * rng.uniform(18, 74), rng.uniform(120, 196)])
        ray = np.array([(box_centre[0] - SIZE_PX / 2) / focal, (box_centre[1] - SIZE_PX / 2) / focal, 1.0])
        orientation = _hand_orientation(hand, up0, palm0, ray, rng)
        points = hand_points @ orientation.T
        z = _depth_for(points, ray, focal, target, distance)
        wrist_camera = ray * z - (points.max(0) + points.min(0)) / 2
        seen = project(points + wrist_camera, camera)
        low, high = seen.min(0), seen.max(0)
        if (low < MARGIN_PX).any() or (high > SIZE_PX - MARGIN_PX).any():
            continue
        if (high - low).max() < 0.27 * SIZE_PX:
            continue
        faces_at = project((face - head_at) @ head_turn.T @ R.T + R @ head_at + t, camera)
        if _covers(low, high, faces_at) or faces_at.min() < 2:
            continue
        solved = arm.solve(limb, R.T @ (wrist_camera - t), R.T @ orientation)
        if solved is None or solved.cost > 1.0:
            continue
        pose = {"head": head_turn, **arm.hanging(off, rng), **fingers, **solved.pose}
        G, heads = body.transforms(rest, pose)
        return Placement(camera=camera, T_camera_world=T, pose=pose, wrist_bone=wrist_bone, G=G, heads=heads)
    return None


def _hull(points: np.ndarray) -> np.ndarray:
    """The points on the convex hull: they alone bound any projection."""
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def _hand_at_origin(body: Body, rest: Rest, fingers, wrist_bone: int, vertices) -> np.ndarray:
    """(N, 3) m the hand's vertices, wrist at the origin and not turned from the reference pose."""
    G, heads = body.transforms(rest, fingers)
    return body.skin_some(rest, G, heads, vertices) - heads[wrist_bone]


def _face_vertices(body: Body) -> np.ndarray:
    """The part of the face that must stay in view: brows to chin."""
    t = body.template
    drawn = np.unique(body.source[body.group == 0])
    on = (t[drawn, 1] < -0.09) & (t[drawn, 2] > 0.632) & (t[drawn, 2] < 0.79) & (np.abs(t[drawn, 0]) < 0.065)
    on &= body.weights[drawn, body.bone("head")] > 0.3
    return drawn[on]


def _look(centre, distance, aim, focal, rng: np.random.Generator) -> np.ndarray:
    """(4, 4) world to camera: `centre` at `distance`, seen at pixel `aim`."""
    yaw, pitch, roll = rng.normal(0, 0.12), rng.normal(0.0, 0.07), rng.normal(0, 0.025)
    around = arm.rotation((0, 0, 1), yaw) @ arm.rotation((1, 0, 0), pitch)
    base = _OPENCV_FROM_WORLD @ around.T  # looks at the person, who looks along -Y
    dx, dy = (aim - SIZE_PX / 2) / focal
    pan = arm.rotation((0, 1, 0), math.atan(dx)) @ arm.rotation((1, 0, 0), -math.atan(dy))
    R = arm.rotation((0, 0, 1), roll) @ pan @ base
    T = np.eye(4)
    T[:3, :3] = R
    toward = pan @ np.array([0, 0, distance])
    T[:3, 3] = arm.rotation((0, 0, 1), roll) @ toward - R @ centre
    return T


def _hand_orientation(hand: HandChoice, up0, palm0, ray, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) from world axes of the reference pose to the camera's frame."""
    towards = -ray / np.linalg.norm(ray)  # from the hand to the eye
    facing = towards if hand.palm else -towards
    angle = math.radians(hand.up_deg)  # 0 fingers up, positive clockwise in the picture
    up = np.array([math.sin(angle), -math.cos(angle), 0.0])
    aimed = arm.frame(facing, up) @ arm.frame(palm0, up0).T
    limit = math.radians(35)
    jitter = np.clip(rng.normal(0, [0.20, 0.26, 0.22]), -limit, limit)
    tilt = (
        arm.rotation((1, 0, 0), jitter[0])
        @ arm.rotation((0, 1, 0), jitter[1])
        @ arm.rotation((0, 0, 1), jitter[2])
    )
    return tilt @ aimed


def _depth_for(points: np.ndarray, ray, focal: float, target: float, distance: float) -> float:
    """Depth at which the longer side of the hand's box measures `target` px."""
    extent = (points[:, :2].max(0) - points[:, :2].min(0)).max()
    # A fist is smaller than an open hand in reality as well: it comes only half the way nearer.
    z = focal * 0.5 * (extent + OPEN_HAND_M) / target
    return float(np.clip(z, 0.30, distance - 0.10))


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """(N, 2) px."""
    seen = points @ np.array(camera.K).T
    return seen[:, :2] / seen[:, 2:]


def _covers(low, high, face: np.ndarray) -> bool:
    """Whether the hand's box reaches into the face's, beyond a sliver."""
    a, b = face.min(0), face.max(0)
    overlap = np.clip(np.minimum(high, b) - np.maximum(low, a), 0, None)
    return overlap.prod() > 0.06 * (b - a).prod()
