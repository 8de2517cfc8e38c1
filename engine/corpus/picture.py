"""From a Scene to pixels: colours, lights, background, and the hand's parameters in the camera's frame."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from engine.corpus import wardrobe
from engine.corpus.body import Body
from engine.corpus.hands import HandChoice
from engine.corpus.person import build
from engine.corpus.placement import SIZE_PX, Placement
from engine.corpus.raster import Geometry, Look, Raster
from engine.corpus.scene import Scene
from engine.types import HandPose


@functools.lru_cache(maxsize=1)
def _raster() -> Raster:
    from engine.corpus.body import load_body

    return Raster(size_px=SIZE_PX, supersample=2, features=load_body().features)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    image: np.ndarray  # (H, W, 3) uint8
    mesh: np.ndarray  # (H, W, 3) uint8
    hands: tuple[HandPose, ...]


def draw(body: Body, scene: Scene) -> Drawn:
    """The picture, its hands' parameters and their mesh image."""
    from engine.hand.model import pose_hand
    from engine.render import mesh_image

    verts = posed_vertices(body, scene)
    geometry = build(body, verts, scene.outfit)
    R, t = scene.placement.T_camera_world[:3, :3], scene.placement.T_camera_world[:3, 3]
    seen = Geometry(
        verts=geometry.verts @ R.T + t, normals=geometry.normals @ R.T, rest=geometry.rest, uv=geometry.uv,
        paint=geometry.paint, faces=geometry.faces,
    )  # fmt: skip
    rng = np.random.default_rng(scene.light_seed)
    look = _look(scene, rng)
    camera = scene.placement.camera
    hands = tuple(camera_hand(body, scene.placement, choice, verts) for choice in scene.hands)
    return Drawn(
        image=_raster().draw(seen, look, camera, wall(scene.backdrop.wall, rng)),
        mesh=mesh_image([pose_hand(hand) for hand in hands], camera),
        hands=hands,
    )


def posed_vertices(body: Body, scene: Scene) -> np.ndarray:
    return body.skin(scene.rest, scene.placement.G, scene.placement.heads)


def camera_hand(body: Body, placement: Placement, choice: HandChoice, verts: np.ndarray) -> HandPose:
    """A raised hand in the camera's frame."""
    from engine.hand.anny_bridge import hand_from_anny

    bone = body.bone("wrist.R" if choice.side == "right" else "wrist.L")
    wrist = np.eye(4)
    wrist[:3, :3] = placement.G[bone] @ body.reference[bone]
    wrist[:3, 3] = placement.heads[bone]
    own = body.anny >= 0
    in_anny = np.zeros((body.anny.max() + 1, 3))
    in_anny[body.anny[own]] = verts[own]
    return hand_from_anny(
        side=choice.side, hand_pose=choice.hand_pose, wrist_pose=wrist,
        reference_orientation=body.reference[bone], anny_verts=in_anny, T_camera_world=placement.T_camera_world,
    )  # fmt: skip


def attributes(scene: Scene) -> dict[str, str]:
    """The picture in words, one a key."""
    person, outfit, hands = scene.person, scene.outfit, scene.hands
    both = len(hands) == 2
    named = [hand.gesture or "none" for hand in hands]
    phrases = [hand.phrase for hand in hands]
    return {
        "gender": person.gender, "age": person.age, "skin": person.skin, "hair": person.hair,
        "hair_shape": outfit.hair, "shirt": outfit.shirt, "sleeve": outfit.sleeve, "neck": outfit.neck,
        "pattern": outfit.pattern, "glasses": "yes" if outfit.glasses else "no", "hat": outfit.hat or "none",
        "hat_colour": outfit.hat_colour if outfit.hat else "none",
        "place": scene.backdrop.place, "wall": scene.backdrop.wall,
        "side": "both" if both else hands[0].side, "gesture": named[0], "second_gesture": named[1] if both else "none",
        "phrase": phrases[0] if len(set(phrases)) == 1 else " and ".join(phrases),
    }  # fmt: skip


def _unit(x: float, y: float, z: float) -> np.ndarray:
    v = np.array([x, y, z])
    return v / np.linalg.norm(v)


def _look(scene: Scene, rng: np.random.Generator) -> Look:
    """Soft daylight or lamp light from a side, its fill from the other, a rim from behind."""
    person = scene.person
    side = float(rng.choice([-1.0, 1.0]))
    warmth = rng.uniform(-0.06, 0.08)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    hair, skin = wardrobe.linear(wardrobe.HAIR[person.hair]), wardrobe.linear(wardrobe.SKIN[person.skin])
    skin = skin * rng.uniform(0.92, 1.06)
    shirt = wardrobe.linear(wardrobe.SHIRTS[scene.outfit.shirt]) * rng.uniform(0.9, 1.05)
    colours = np.stack([skin, shirt, hair, np.full(3, 0.75), np.full(3, 0.5), np.zeros(3)])
    lips = skin * np.array([0.86, 0.50, 0.50]) + np.array([0.02, 0.0, 0.004])
    if person.gender == "woman":
        lips = lips * np.array([1.0, 0.72, 0.75]) + np.array([0.03, 0.0, 0.005])
    brow = hair * 0.5 if person.hair != "grey" else hair * 0.45
    return Look(
        colours=colours, lips=lips, iris=wardrobe.linear(wardrobe.IRIS[person.iris]),
        brows=np.array([*brow, 0.85 if person.hair != "blond" else 0.6]), trim=np.zeros(4),
        key_dir=_unit(side * rng.uniform(0.3, 0.8), -rng.uniform(0.45, 0.9), -rng.uniform(0.7, 1.1)),
        key=tint * rng.uniform(1.15, 1.45),
        fill_dir=_unit(-side * rng.uniform(0.6, 1.0), -0.15, -0.6), fill=(2 - tint) * rng.uniform(0.28, 0.45),
        rim_dir=_unit(-side * rng.uniform(0.5, 0.9), -0.5, 0.75), rim=np.ones(3) * rng.uniform(0.35, 0.7),
        ambient=np.ones(3) * rng.uniform(0.42, 0.55),
        wrinkles=person.wrinkles, beard=person.beard, seed=person.noise_seed,
    )  # fmt: skip


def wall(name: str, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32: one colour, lit a little unevenly."""
    base = np.array([int(wardrobe.WALLS[name][i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32)
    y, x = np.mgrid[0:SIZE_PX, 0:SIZE_PX].astype(np.float32) / SIZE_PX - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.04, 0.16)
    glow = 1 + slope * (np.cos(angle) * x + np.sin(angle) * y)
    cx, cy = rng.uniform(-0.3, 0.3, 2)
    glow = glow * (1.03 - rng.uniform(0.05, 0.25) * ((x - cx) ** 2 + (y - cy) ** 2))
    return base * glow[..., None] * np.float32(rng.uniform(0.9, 1.04))
