"""Whole pictures, on the body that Anny gives. Slow where that must be built first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from engine.corpus.make import Recipe, make_sample
from engine.hand import pose_hand

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def body():
    pytest.importorskip("anny")
    from engine.corpus.body import load_body

    return load_body()


@pytest.fixture(scope="module")
def samples(body):
    return {
        level: [make_sample(Recipe(level=level, seed=3), i) for i in range(6)] for level in ("plain", "full")
    }


def test_body_is_annys(body):
    """Equal to Anny's own forward pass, but for where the root stands."""
    import anny
    import torch

    from engine.hand import rotation

    model = anny.Anny(phenotypes="all", phenotype_blendshapes="original")
    who = {
        "gender": 0.2,
        "age": 0.8,
        "muscle": 0.3,
        "weight": 0.7,
        "african": 0.9,
        "asian": 0.2,
        "caucasian": 0.1,
    }
    turns = {
        "lowerarm01.R": rotation.exp(np.array([-1.9, 0.2, 0.1])),
        "finger2-1.L": rotation.exp(np.array([0.5, 0, 1])),
    }
    pose = {}
    for bone, R in turns.items():
        pose[bone] = torch.eye(4, dtype=torch.float64)[None].clone()
        pose[bone][0, :3, :3] = torch.tensor(R)
    out = model(pose_parameters=pose, phenotype_kwargs=who)
    rest = body.rest(who)
    G, heads = body.transforms(rest, turns)
    shift = heads[0] - out["bone_poses"][0, 0, :3, 3].numpy()
    np.testing.assert_allclose(heads - shift, out["bone_poses"][0, :, :3, 3].numpy(), atol=1e-5)
    own = body.anny >= 0
    verts = body.skin(rest, G, heads)[own] - shift
    np.testing.assert_allclose(verts, out["vertices"][0].numpy()[body.anny[own]], atol=1e-5)


def test_a_picture_repeats(body, samples):
    again = make_sample(Recipe(seed=3), 4)
    want = samples["plain"][4]
    assert again.hands == want.hands
    assert again.captions == want.captions
    np.testing.assert_array_equal(again.image, want.image)


@pytest.mark.parametrize("level", ["plain", "full"])
def test_hands_are_in_the_frame(samples, level):
    for sample in samples[level]:
        assert len(sample.hands) == (2 if sample.attributes["side"] == "both" else 1)
        for hand in sample.hands:
            posed = pose_hand(hand)
            p = posed.joints @ np.array(sample.camera.K).T
            px = p[:, :2] / p[:, 2:]
            assert px.min() > 0
            assert px.max() < 256
            if level == "plain":
                assert np.ptp(px, axis=0).max() > 0.2 * 256
        assert (sample.mesh.max(-1) > 0).mean() > 0.005


def test_the_mesh_lies_on_the_pictures_hand(body):
    """Fingers of the 778-vertex hand within 2 px of Anny's own."""
    from engine.corpus import picture, scene
    from engine.corpus.placement import project
    from engine.hand.anny_bridge import anny_rest
    from engine.hand.model import model_of

    fingers = model_of("right").part_of_vert > 0
    for index in range(6):
        made = scene.sample_scene(body, seed=3, split="train", index=index)
        verts = picture.posed_vertices(body, made)
        hand = picture.camera_hand(body, made.placement, made.hands[0], verts)
        T, own = made.placement.T_camera_world, body.anny >= 0
        in_anny = np.zeros((body.anny.max() + 1, 3))
        in_anny[body.anny[own]] = verts[own] @ T[:3, :3].T + T[:3, 3]
        want = project(anny_rest(hand.side).pick(in_anny), made.placement.camera)
        away = np.linalg.norm(want - project(pose_hand(hand).verts, made.placement.camera), axis=1)
        assert away[fingers].mean() < 1.0
        assert np.percentile(away[fingers], 95) < 2.0


def test_takes_show_one_person_in_other_poses(body):
    """FoundHand's pairs: who and where stay, the hand and the camera do not."""
    from engine.corpus import scene

    first, second, other = (
        scene.sample_scene(body, seed=3, split="train", index=index, takes=2) for index in (0, 1, 2)
    )
    for name in ("person", "outfit", "backdrop", "light_seed"):
        assert getattr(first, name) == getattr(second, name), name
    assert (first.person, first.outfit) != (other.person, other.outfit)
    assert not np.allclose(first.placement.T_camera_world, second.placement.T_camera_world)


def test_the_hand_is_before_the_wall(body):
    """Another wall changes nothing where the mesh image shows the hand."""
    from engine.corpus import picture, scene

    made = scene.sample_scene(body, seed=3, split="train", index=2)
    walls = [replace(made, backdrop=scene.Backdrop(wall=wall)) for wall in ("blue", "yellow")]
    blue, yellow = (picture.draw(body, one) for one in walls)
    changed = (blue.image != yellow.image).any(-1)
    assert changed[0, 0]
    assert changed.mean() > 0.2
    inside = minimum_filter(blue.mesh.max(-1), 5) > 0  # a pixel's width of blending at the outline
    assert not changed[inside].any()


def test_one_gesture_in_every_picture(body):
    made = [make_sample(Recipe(gesture="ok", seed=5), i) for i in range(3)]
    assert {s.attributes["gesture"] for s in made} == {"ok"}
    assert all("making ok hand gesture" in s.captions.gesture for s in made)


def test_several_gestures_take_turns(body):
    made = [make_sample(Recipe(gesture="ok,palm", seed=5), i) for i in range(3)]
    assert [s.attributes["gesture"] for s in made] == ["ok", "palm", "ok"]


def test_splits_differ(body):
    train, test = (make_sample(Recipe(split=split), 0) for split in ("train", "test"))
    assert train.camera != test.camera
    assert train.hands != test.hands
