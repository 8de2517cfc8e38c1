"""Readers, on tiny folders in the layouts that the data sets are published in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from engine.corpus.convert import convert, square
from engine.corpus.readers import FLAT, mano_mean, read_coco_wholebody, read_freihand, read_hagrid
from engine.corpus.shards import iter_samples, load_arrays
from engine.hand import pose_hand
from engine.types import Camera, HandPose, UserError

MEAN = tuple(np.linspace(-0.2, 0.3, 45))


def picture(path, size_px=(80, 60), colour=(200, 40, 40)):
    """A JPEG of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_px, colour).save(path)


def labels(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


# --- HaGRID -------------------------------------------------------------------------------------------


@pytest.fixture
def hagrid(tmp_path):
    picture(tmp_path / "hagrid_512" / "ok" / "a1.jpg")
    picture(tmp_path / "hagrid_512" / "ok" / "not-annotated.jpg")
    picture(tmp_path / "hagrid_512" / "train_val_call" / "b2.jpeg", (60, 80))
    first = {
        "bboxes": [[0.1, 0.2, 0.1, 0.1], [0.5, 0.5, 0.25, 0.4]], "labels": ["no_gesture", "ok"],
        "landmarks": [[], [[0.5 + 0.01 * i, 0.6] for i in range(21)]], "leading_hand": "right",
        "user_id": "u1",
    }  # fmt: skip
    second = {
        "bboxes": [[0.0, 0.0, 0.5, 0.5]], "labels": ["call"], "user_id": "u2",
        "hand_landmarks": [[[0.2, 0.2]] * 21], "meta": {"age": [31], "gender": ["female"]},
    }  # fmt: skip
    labels(tmp_path / "annotations" / "train" / "ok.json", {"a1": first, "gone": first})
    labels(tmp_path / "annotations" / "train" / "call.json", {"b2": second})
    labels(tmp_path / "annotations" / "test" / "ok.json", {})
    return tmp_path


def test_hagrid(hagrid):
    call, ok = read_hagrid(hagrid)  # gestures in the alphabet's order
    assert ok.key == "hagrid-train-ok-a1"
    assert ok.image.shape == (60, 80, 3)
    assert ok.captions.gesture == "a person, making ok hand gesture"
    assert ok.attributes["user"] == "u1"
    assert ok.hands == ()
    np.testing.assert_allclose(ok.boxes_px[0], (40, 30, 60, 54))  # of the gesture, not of the idle hand
    np.testing.assert_allclose(ok.keypoints_px[0][20], (56, 36))
    assert call.captions.gesture == "a woman, making phone call hand gesture"
    assert call.keypoints_px[0].shape == (21, 2)


def test_hagrid_takes_only_what_is_asked(hagrid):
    assert [s.attributes["gesture"] for s in read_hagrid(hagrid, gestures=["call"])] == ["call"]
    assert list(read_hagrid(hagrid, split="test")) == []
    with pytest.raises(UserError, match="annotations/val"):
        list(read_hagrid(hagrid, split="val"))


# --- FreiHAND -----------------------------------------------------------------------------------------


@pytest.fixture
def freihand(tmp_path):
    """Two hands, each before two backgrounds; the labels hold no translation, as the published ones."""
    hands = [HandPose(global_orient=(0.3, 0.1 * i, -0.2), hand_pose=(0.05 * i,) * 45) for i in range(2)]
    shift = np.array([0.02, -0.01, 0.6])
    K = [[400.0, 0, 112], [0, 410.0, 108], [0, 0, 1]]
    mano = [[[*h.global_orient, *(np.array(h.hand_pose) - MEAN), *h.betas, 112, 108, 1.0]] for h in hands]
    xyz = [(pose_hand(h).joints + shift).tolist() for h in hands]
    for name, data in (("K", [K, K]), ("mano", mano), ("xyz", xyz)):
        labels(tmp_path / f"training_{name}.json", data)
    for i in range(4):
        picture(tmp_path / "training" / "rgb" / f"{i:08d}.jpg", (224, 224))
    return tmp_path, hands, shift


def test_freihand(freihand):
    folder, hands, shift = freihand
    samples = list(read_freihand(folder, mean_pose=MEAN))
    assert len(samples) == 4
    for i, sample in enumerate(samples):
        want = hands[i % 2]
        (got,) = sample.hands
        np.testing.assert_allclose(got.hand_pose, want.hand_pose, atol=1e-9)
        np.testing.assert_allclose(pose_hand(got).joints, pose_hand(want).joints + shift, atol=1e-9)
        assert sample.camera.K[1] == (0.0, 410.0, 108.0)
        ray = np.array(sample.camera.K) @ pose_hand(got).joints[8]
        np.testing.assert_allclose(sample.keypoints_px[0][8], ray[:2] / ray[2], atol=1e-6)


def test_what_is_missing_is_named(freihand):
    folder, _, _ = freihand
    (folder / "training_xyz.json").unlink()
    with pytest.raises(UserError, match="training_xyz"):
        next(read_freihand(folder, mean_pose=FLAT))


# --- COCO-WholeBody -------------------------------------------------------------------------------------


def fit(hand: HandPose, focal: float, centre: tuple[float, float]):
    mean = np.array(MEAN) * (np.tile([1, -1, -1], 15) if hand.side == "left" else 1)
    return {
        "mano_param": {
            "pose": [*hand.global_orient, *(np.array(hand.hand_pose) - mean)], "shape": list(hand.betas),
            "trans": list(hand.transl),
        },
        "cam_param": {"focal": [focal, focal], "princpt": list(centre)},
    }  # fmt: skip


@pytest.fixture
def coco(tmp_path):
    right = HandPose(side="right", global_orient=(1.2, 1.2, 1.2), transl=(-0.1, 0.0, 0.8))
    left = HandPose(
        side="left", global_orient=(1.2, -1.2, -1.2), transl=(0.1, 0.0, 0.9), hand_pose=(0.1,) * 45
    )
    hidden = [0.0, 0.0, 0.0] * 21
    seen = [v for i in range(21) for v in (30.0 + i, 20.0, 2.0)]

    def person(number, image, **valid):
        return {
            "id": number, "image_id": image, "lefthand_valid": valid.get("left", False),
            "righthand_valid": valid.get("right", False), "lefthand_kpts": seen, "righthand_kpts": hidden,
        }  # fmt: skip

    images = [{"id": n, "file_name": f"{n:012d}.jpg"} for n in (9, 25)]
    people = [
        person(1, 9, left=True, right=True),
        person(2, 9),
        person(3, 25, right=True),
        person(4, 25, left=True),
    ]
    labels(
        tmp_path / "annotations" / "coco_wholebody_train_v1.0.json", {"images": images, "annotations": people}
    )
    fits = {
        "1": {"right": fit(right, 500.0, (40, 30)), "left": fit(left, 600.0, (44, 26))},
        "3": {"right": fit(right, 500.0, (40, 30)), "left": None},
    }
    labels(tmp_path / "annotations" / "MSCOCO_train_MANO_NeuralAnnot.json", fits)
    said = [{"image_id": 9, "caption": "A man waves. "}, {"image_id": 9, "caption": "Second."}]
    labels(tmp_path / "annotations" / "captions_train2017.json", {"annotations": said})
    for n in (9, 25):
        picture(tmp_path / "train2017" / f"{n:012d}.jpg")
    return tmp_path, right, left


def test_coco(coco):
    folder, right, left = coco
    both, one = read_coco_wholebody(folder, mean_pose=MEAN)  # person 2 has no hand, 4 no fit
    assert [h.side for h in both.hands] == ["right", "left"]
    assert both.captions.wordy == "A man waves."
    assert one.captions.short == "a person"
    assert one.attributes["side"] == "right"
    np.testing.assert_allclose(both.hands[0].transl, right.transl)
    np.testing.assert_allclose(both.hands[0].hand_pose, right.hand_pose, atol=1e-9)
    np.testing.assert_allclose(both.hands[1].hand_pose, left.hand_pose, atol=1e-9)
    assert both.camera.K[0] == (500.0, 0.0, 40.0)
    assert np.isnan(both.keypoints_px[0]).all()  # annotated as not visible
    np.testing.assert_allclose(both.keypoints_px[1][4], (34, 20))


def test_coco_second_hand_looks_the_same_in_the_first_ones_camera(coco):
    folder, _, left = coco
    both, _ = read_coco_wholebody(folder, mean_pose=MEAN)
    own = np.array([[600.0, 0, 44], [0, 600.0, 26], [0, 0, 1]])

    def seen(hand, K):
        p = pose_hand(hand).joints @ np.array(K).T
        return p[:, :2] / p[:, 2:]

    want, got = seen(left, own), seen(both.hands[1], both.camera.K)
    np.testing.assert_allclose(got[0], want[0], atol=1e-6)
    assert np.ptp(got, axis=0) == pytest.approx(np.ptp(want, axis=0), rel=0.06)


def test_mean_pose_of_a_persons_own_mano(tmp_path):
    import pickle

    with pytest.raises(UserError, match="MANO_RIGHT"):
        mano_mean(tmp_path)
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(pickle.dumps({"hands_mean": np.array(MEAN)}, protocol=2))
    assert mano_mean(tmp_path) == pytest.approx(MEAN)
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(pickle.dumps({"f": np.zeros(3)}, protocol=2))
    with pytest.raises(UserError, match="hands_mean"):
        mano_mean(tmp_path)


# --- to shards ----------------------------------------------------------------------------------------


def test_square_keeps_hands_and_camera(sample_of):
    image = np.zeros((60, 120, 3), np.uint8)
    image[:, 100:110] = (250, 0, 0)
    points = np.stack([np.linspace(95, 115, 21), np.full(21, 30.0)], axis=1)
    camera = Camera(K=((90.0, 0, 60), (0, 90.0, 30), (0, 0, 1)), width_px=120, height_px=60)
    cut = square(sample_of(0, image=image, keypoints_px=(points,), camera=camera), 30)
    assert cut.image.shape == (30, 30, 3)
    # The square moved right until it holds the hand: it begins at 115 - 60 = 55.
    np.testing.assert_allclose(cut.keypoints_px[0][-1], (30, 15))
    assert cut.camera.K[0] == pytest.approx((45, 0, 2.5))
    bright = np.flatnonzero(cut.image[15, :, 0] > 125)
    assert (bright.min(), bright.max() + 1) == pytest.approx((22.5, 27.5), abs=1.0)


def test_a_data_set_becomes_shards(hagrid, tmp_path):
    out = tmp_path / "out"
    count = convert(
        read_hagrid(hagrid),
        out,
        size_px=32,
        captioner=lambda images: ["a man showing his hand"] * len(images),
    )
    assert count == 2
    rows = load_arrays(out, ["image", "captions"])
    assert rows["image"].shape == (2, 32, 32, 3)
    assert rows["captions"][1] == {
        "short": "a man showing his hand", "wordy": "a man showing his hand",
        "gesture": "a man, making ok hand gesture",
    }  # fmt: skip


def test_hands_get_mesh_images(freihand, tmp_path):
    folder, _, _ = freihand
    convert(read_freihand(folder, mean_pose=MEAN), tmp_path / "out", size_px=64)
    sample = next(iter_samples(tmp_path / "out"))
    rows, columns = np.nonzero(sample.mesh.max(-1) > 40)
    assert len(rows) > 100
    p = pose_hand(sample.hands[0]).joints @ np.array(sample.camera.K).T
    u, v = (p[:, :2] / p[:, 2:]).T
    assert columns.min() <= u.min() + 2
    assert columns.max() >= u.max() - 3
    assert rows.min() <= v.min() + 2
