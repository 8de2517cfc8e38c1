"""From a Scene to pixels: colours, lights, background, and the hand's parameters in the camera's frame."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from engine.corpus import props
from engine.corpus.backdrop import draw_backdrop
from engine.corpus.body import Body
from engine.corpus.hands import HandChoice
from engine.corpus.light import sample_look
from engine.corpus.person import build
from engine.corpus.placement import SIZE_PX, Placement
from engine.corpus.raster import Geometry, Raster
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
    geometry = build(body, verts, scene.outfit, held_things(body, scene))
    R, t = scene.placement.T_camera_world[:3, :3], scene.placement.T_camera_world[:3, 3]
    seen = Geometry(
        verts=geometry.verts @ R.T + t, normals=geometry.normals @ R.T, rest=geometry.rest, uv=geometry.uv,
        paint=geometry.paint, faces=geometry.faces,
    )  # fmt: skip
    rng = np.random.default_rng(scene.light_seed)
    look = sample_look(scene, rng)
    camera = scene.placement.camera
    hands = tuple(camera_hand(body, scene.placement, choice, verts) for choice in scene.hands)
    return Drawn(
        image=_raster().draw(seen, look, camera, draw_backdrop(scene.backdrop, rng)),
        mesh=mesh_image([pose_hand(hand) for hand in hands], camera),
        hands=hands,
    )


def posed_vertices(body: Body, scene: Scene) -> np.ndarray:
    return body.skin(scene.rest, scene.placement.G, scene.placement.heads)


def held_things(body: Body, scene: Scene) -> list[Geometry]:
    """What the hands hold, in the world's frame."""
    from engine.hand.anatomy import mirror
    from engine.hand.anny_bridge import anny_rest
    from engine.hand.model import model_of

    out = []
    for choice in scene.hands:
        if choice.held is None:
            continue
        pose = HandPose(side=choice.side, hand_pose=choice.hand_pose)
        right = pose if choice.side == "right" else mirror(pose)
        joints = model_of("right").shape().pose(right.hand_pose).joints
        joints = joints - joints[0]
        suffix = "R" if choice.side == "right" else "L"
        wrist, middle = body.bone(f"wrist.{suffix}"), body.bone(f"finger3-1.{suffix}")
        heads, G = scene.placement.heads, scene.placement.G
        scale = np.linalg.norm(heads[middle] - heads[wrist]) / np.linalg.norm(joints[9])
        turn = G[wrist] @ anny_rest(choice.side).axes.T * scale
        thing = props.held(choice.held, joints)
        if choice.side == "left":
            turn, thing = turn @ np.diag([-1.0, 1, 1]), props.flipped(thing)
        out.append(props.moved(thing, np.concatenate([turn.T, heads[wrist][None]])))
    return out


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
        reference_orientation=body.reference[bone], anny_verts=in_anny,
        T_camera_world=placement.T_camera_world,
    )  # fmt: skip


def attributes(scene: Scene) -> dict[str, str]:
    """The picture in words, one a key; "none" for what is not there."""
    person, outfit, (hand, *others) = scene.person, scene.outfit, scene.hands
    phrases = list(dict.fromkeys([hand.phrase, *(other.phrase for other in others)]))
    return {
        "gender": person.gender, "age": person.age, "skin": person.skin, "hair": person.hair,
        "hair_shape": outfit.hair, "shirt": outfit.shirt, "sleeve": outfit.sleeve, "neck": outfit.neck,
        "pattern": outfit.pattern, "glasses": "yes" if outfit.glasses else "no",
        "hat": outfit.hat or "none", "hat_colour": outfit.hat_colour if outfit.hat else "none",
        "place": scene.backdrop.place, "wall": scene.backdrop.wall,
        "side": "both" if others else hand.side, "gesture": hand.gesture or "none",
        "second_gesture": (others[0].gesture or "none") if others else "none",
        "held": f"{hand.held_colour} {hand.held}" if hand.held else "none",
        "phrase": " and ".join(phrases),
    }  # fmt: skip
