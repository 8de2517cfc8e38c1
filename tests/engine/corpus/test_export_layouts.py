"""Exported labels against the picture: what a reader of FreiHAND or COCO-WholeBody would find."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from engine.corpus import export_layouts as layouts
from engine.corpus import readers
from engine.hand import HandModel, pose_hand
from engine.render import mesh_image
from engine.types import Camera, HandPose

CAMERA = Camera.simple(focal_px=200, width_px=160, height_px=96)  # not square


def hand(side: str, x: float) -> HandPose:
    bend = np.random.default_rng(3).normal(0, 0.1, 45)
    return HandPose(
        side=side, global_orient=(1.4, 0.2, 0.1), hand_pose=tuple(bend), betas=(0.5,) * 10,
        transl=(x, 0.0, 0.6),
    )  # fmt: skip


def sample(*hands: HandPose) -> layouts.Sample:
    image = mesh_image([pose_hand(h) for h in hands], CAMERA, backend="raycast")
    return layouts.Sample(index=0, image=image, hands=hands, camera=CAMERA, caption="a hand")


def project(K: np.ndarray, points: np.ndarray) -> np.ndarray:
    seen = points @ np.asarray(K).T
    return seen[:, :2] / seen[:, 2:]


@pytest.mark.parametrize("side", ["left", "right"])
def test_freihand_labels_fit_the_picture(side):
    (out,) = layouts.freihand_samples(sample(hand(side, 0.1 if side == "left" else -0.1)))
    assert out.image.shape == (224, 224, 3)
    seen = out.image.max(2) > 40
    agreement = (seen & out.mask).sum() / (seen | out.mask).sum()
    assert agreement > 0.93  # the picture was resized, the mask was not
    uv = project(out.K, out.verts)
    assert ((uv > 0) & (uv < 224)).all()
    inside = out.mask[uv[:, 1].astype(int), uv[:, 0].astype(int)]
    assert inside.mean() > 0.85  # vertices on the outline fall to either side


@pytest.mark.parametrize("side", ["left", "right"])
def test_freihand_mano_gives_the_vertices_back(side):
    """As FreiHAND's script poses MANO: pose, shape, then the root joint moved to where uv and depth say."""
    (out,) = layouts.freihand_samples(sample(hand(side, 0.0)))
    pose, shape, uv, z = np.split(out.mano, [48, 58, 60])
    posed = HandModel.load("right").shape(shape).pose(pose[3:], pose[:3])
    root = np.linalg.solve(out.K, np.array([*uv, 1.0])) * z
    moved = posed.verts + (root - posed.joints[layouts.ROOT_JOINT])
    np.testing.assert_allclose(moved, out.verts, atol=1e-6)
    assert out.scale == pytest.approx(np.linalg.norm(out.xyz[9] - out.xyz[10]))


def test_freihand_files(tmp_path):
    samples = [sample(hand("right", 0.0)), sample(hand("left", 0.1), hand("right", -0.1))]
    assert layouts.write_freihand(samples, tmp_path) == 3
    shapes = {"K": (3, 3, 3), "xyz": (3, 21, 3), "verts": (3, 778, 3), "mano": (3, 1, 61), "scale": (3,)}
    for name, shape in shapes.items():
        assert np.array(json.loads((tmp_path / f"training_{name}.json").read_text())).shape == shape
    assert len(list((tmp_path / "training" / "rgb").iterdir())) == 3
    assert Image.open(tmp_path / "training" / "mask" / "00000002.jpg").size == (224, 224)


def test_coco_wholebody(tmp_path):
    both = sample(hand("left", 0.1), hand("right", -0.1))
    assert layouts.write_coco([both, sample(hand("right", 0.0))], tmp_path) == 2
    data = json.loads((tmp_path / "annotations" / "coco_wholebody_train_v1.0.json").read_text())
    fits = json.loads((tmp_path / "annotations" / "MSCOCO_train_MANO_NeuralAnnot.json").read_text())
    captions = json.loads((tmp_path / "annotations" / "captions_train2017.json").read_text())
    first, second = data["annotations"]
    assert [i["file_name"] for i in data["images"]] == ["000000000001.jpg", "000000000002.jpg"]
    assert Image.open(tmp_path / "train2017" / "000000000001.jpg").size == (160, 96)
    assert (data["images"][0]["width"], data["images"][0]["height"]) == (160, 96)
    assert captions["annotations"][1] == {"id": 2, "image_id": 2, "caption": "a hand"}
    assert first["num_keypoints"] == 2
    assert (second["lefthand_valid"], second["righthand_valid"]) == (False, True)
    assert fits["2"]["left"] is None
    for name, length in (("keypoints", 51), ("foot_kpts", 18), ("face_kpts", 204), ("lefthand_kpts", 63)):
        assert len(second[name]) == length

    # InterWild's way back: MANO with trans, projected by focal and princpt, lands on its side's keypoints.
    for side in ("left", "right"):
        mano, camera = fits["1"][side]["mano_param"], fits["1"][side]["cam_param"]
        shaped = HandModel.load(side).shape(mano["shape"])
        posed = shaped.pose(mano["pose"][3:], mano["pose"][:3], mano["trans"])
        (fx, fy), (cx, cy) = camera["focal"], camera["princpt"]
        uv = project([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], posed.joints)
        keypoints = np.array(first[f"{side}hand_kpts"]).reshape(21, 3)
        np.testing.assert_allclose(keypoints[:, :2], uv, atol=0.02)
        x, y, w, h = first[f"{side}hand_box"]
        assert ((uv > [x, y]) & (uv < [x + w, y + h])).all()
        wrist = np.array(first["keypoints"]).reshape(17, 3)[9 if side == "left" else 10]
        np.testing.assert_allclose(wrist, [*uv[0], 2], atol=0.02)
    assert first["lefthand_box"][0] > first["righthand_box"][0]


def test_writes_are_whole_or_nothing(tmp_path):
    path = tmp_path / "a" / "b.json"
    layouts.write_json({"x": 1}, path)
    with pytest.raises(TypeError):
        layouts.write_json({"x": object()}, path)
    assert json.loads(path.read_text()) == {"x": 1}
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]


def same_hand(a: HandPose, b: HandPose) -> None:
    assert a.side == b.side
    np.testing.assert_allclose(pose_hand(a).verts, pose_hand(b).verts, atol=1e-5)


def test_the_corpus_readers_read_the_layouts_back(tmp_path):
    """Both hands, their side and place; FreiHAND's left hand as a right one, in its mirror image."""
    from engine.hand.anatomy import mirror

    both = sample(hand("left", 0.1), hand("right", -0.1))
    layouts.write_freihand([both], tmp_path / "freihand")
    layouts.write_coco([both], tmp_path / "coco")
    first, second = readers.read_freihand(tmp_path / "freihand", mean_pose=readers.FLAT)
    same_hand(first.hands[0], mirror(both.hands[0]))
    same_hand(second.hands[0], both.hands[1])
    (person,) = readers.read_coco_wholebody(tmp_path / "coco", mean_pose=readers.FLAT)
    for found in person.hands:
        same_hand(found, next(h for h in both.hands if h.side == found.side))
    assert person.captions.short == "a hand"
    np.testing.assert_allclose(person.camera.K, CAMERA.K)
