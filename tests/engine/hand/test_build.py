"""The parts of the asset builders that need neither Anny nor wheels, and the assets as shipped."""

import hashlib
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.hand.build import corrective, decimate, mediapipe_tasks
from engine.hand.model import ASSET, HandModel
from engine.hand.rotation import exp
from engine.types import UserError

LICENSES = Path(__file__).resolve().parents[3] / "assets" / "LICENSES.md"


def grid(n=12):
    """A bumpy square of 2 n^2 triangles, corners shared."""
    x, y = np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij")
    verts = np.stack([x.ravel(), y.ravel(), 0.3 * np.sin(x).ravel()], axis=1)
    k = np.arange((n + 1) * n).reshape(n, n + 1)[:, :-1].ravel()
    faces = np.concatenate([np.stack([k, k + n + 1, k + 1], 1), np.stack([k + 1, k + n + 1, k + n + 2], 1)])
    return verts, faces


def area(verts, faces):
    a, b, c = (verts[faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def test_clip_keeps_what_lies_below_zero_and_cuts_straight():
    verts, faces = grid()
    cut = decimate.clip(faces, verts[:, 0] - 4.5)
    points = cut.mix(verts)
    assert points[:, 0].max() == pytest.approx(4.5)
    flat = points * [1, 1, 0]
    assert area(flat, cut.faces) == pytest.approx(4.5 * 12)
    rim = {v for edge in decimate.boundary_edges(cut.faces) for v in edge}
    assert sum(abs(points[v, 0] - 4.5) < 1e-9 for v in rim) > 12


def test_decimate_keeps_counts_rim_topology_and_chosen_vertices():
    verts, faces = grid()
    keep = [40, 77]
    thin = decimate.decimate(verts, faces, count=60, rim=20, keep=keep)
    used = np.unique(thin)
    rim = decimate.boundary_edges(thin)
    assert len(used) == 60
    assert len(rim) == 20
    assert set(keep) <= set(used)
    edges = {tuple(sorted(e)) for f in thin for e in ((f[0], f[1]), (f[1], f[2]), (f[2], f[0]))}
    assert len(used) - len(edges) + len(thin) == 1, "still a disk"
    assert area(verts * [1, 1, 0], thin) == pytest.approx(144, rel=0.02)


def test_largest_component():
    faces = np.array([[0, 1, 2], [3, 4, 5], [4, 5, 6]])
    np.testing.assert_array_equal(decimate.largest_component(faces, 7), faces[1:])


def test_dual_quaternion_skinning_is_rigid_where_one_joint_rules():
    model = HandModel.load()
    local = np.tile(np.eye(3), (1, 16, 1, 1))
    local[0, 1] = exp([0, 0, 1.2])
    R, t = corrective.joint_transforms(local, model.shape().joints)
    skinned = corrective.dual_quaternion_skin(model.v_template, model.weights, R[0], t[0])
    for joint in range(16):
        mine = model.weights[:, joint] > 0.9999
        np.testing.assert_allclose(
            skinned[mine], model.v_template[mine] @ R[0, joint].T + t[0, joint], atol=1e-4
        )


def test_pose_blend_shapes_bring_linear_blending_nearer_to_dual_quaternions():
    model = HandModel.load()
    shaped = model.shape()
    rng = np.random.default_rng(5)
    before, after = [], []
    for _ in range(5):
        pose = np.zeros((15, 3))
        pose[:12, 2] = rng.uniform(0, 1.5, 12)
        local = exp(np.concatenate([np.zeros((1, 3)), pose]))[None]
        R, t = corrective.joint_transforms(local, shaped.joints)
        wanted = corrective.dual_quaternion_skin(model.v_template, model.weights, R[0], t[0])
        blend = np.einsum("vj,jab->vab", model.weights, R[0])
        plain = np.einsum("vab,vb->va", blend, model.v_template) + model.weights @ t[0]
        before.append(np.linalg.norm(plain - wanted, axis=1).mean())
        after.append(np.linalg.norm(shaped.pose(pose.ravel()).verts - wanted, axis=1).mean())
    assert np.mean(after) < 0.6 * np.mean(before)


def test_pose_blend_shapes_stay_near_their_joints():
    """Bending the index finger moves no vertex of the pinky or the wrist's rim."""
    model = HandModel.load()
    index = np.abs(model.posedirs[:, :, :27]).max(axis=(1, 2))
    pinky = np.isin(model.part_of_vert, (7, 8, 9))
    assert index[pinky].max() == 0
    assert index.max() > 1e-4


def test_the_hand_asset_is_small_float32_and_has_manos_keys():
    assert ASSET.stat().st_size < 1_000_000
    with np.load(ASSET) as data:
        shapes = {key: data[key].shape for key in data.files}
        assert all(data[key].dtype != np.float64 for key in data.files)
        assert not data["hands_mean"].any()
        np.testing.assert_allclose(
            data["hands_components"] @ data["hands_components"].T, np.eye(45), atol=1e-5
        )
    expected = {
        "v_template": (778, 3), "shapedirs": (778, 3, 10), "posedirs": (778, 3, 135), "weights": (778, 16),
        "J_regressor": (16, 778), "kintree_table": (2, 16), "f": (1538, 3), "hands_components": (45, 45),
        "hands_mean": (45,),
    }  # fmt: skip
    assert expected.items() <= shapes.items()


def test_mediapipes_models_are_the_known_ones():
    data = mediapipe_tasks.TASK.read_bytes()
    assert hashlib.sha256(data).hexdigest() in LICENSES.read_text(encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        landmarker = outer.read(mediapipe_tasks.LANDMARKER)
        recognizer = zipfile.ZipFile(io.BytesIO(outer.read(mediapipe_tasks.RECOGNIZER)))
    assert hashlib.sha256(landmarker).hexdigest() == mediapipe_tasks.SHA256[mediapipe_tasks.LANDMARKER]
    embedder = "gesture_embedder.tflite"
    assert hashlib.sha256(recognizer.read(embedder)).hexdigest() == mediapipe_tasks.SHA256[embedder]
    assert set(recognizer.namelist()) == {embedder, mediapipe_tasks.CLASSIFIER}, "no custom classifier"
    with zipfile.ZipFile(io.BytesIO(recognizer.read(mediapipe_tasks.CLASSIFIER))) as classifier:
        labels = classifier.read("labels.txt").decode().split("\n")
    assert tuple(labels) == mediapipe_tasks.LABELS


def test_the_landmarker_loads_from_the_container():
    from mediapipe.tasks.python import BaseOptions, vision

    with zipfile.ZipFile(mediapipe_tasks.TASK) as archive:
        options = BaseOptions(model_asset_buffer=archive.read(mediapipe_tasks.LANDMARKER))
    with vision.HandLandmarker.create_from_options(vision.HandLandmarkerOptions(base_options=options)):
        pass


def test_another_landmarker_is_refused(tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"hand_tracking/{mediapipe_tasks.LANDMARKER}", b"something else")
    with pytest.raises(UserError, match=re.escape(mediapipe_tasks.LANDMARKER)):
        mediapipe_tasks.compose([wheel])


@pytest.mark.slow
def test_the_hand_can_be_built_again(tmp_path):
    """From fewer people, so not the same numbers: the same kind of hand."""
    pytest.importorskip("anny")
    from engine.hand.build.__main__ import build

    path = tmp_path / "hand.npz"
    build(path, people=16, poses=60, seed=1)
    shipped, again = HandModel.load(), HandModel.load(path=path)
    assert again.faces.shape == shipped.faces.shape
    joints, expected = again.shape().joints, shipped.shape().joints
    assert np.linalg.norm(joints - expected, axis=1).max() < 0.01
