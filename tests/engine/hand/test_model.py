"""The hand model: MANO's formula, MANO's numbers, and its mirror image."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.hand import rotation
from engine.hand.build.decimate import boundary_edges
from engine.hand.joints import (
    BONES,
    FINGERS,
    MANO_NAMES,
    OPENPOSE_FROM_MANO,
    OPENPOSE_NAMES,
    PARENTS,
    TIP_VERTS,
)
from engine.hand.model import ASSET, HandModel, pose_hand
from engine.types import HandPose, UserError

poses = arrays(float, (48,), elements=st.floats(-1.5, 1.5))
shapes = arrays(float, (10,), elements=st.floats(-3, 3))
few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def model():
    return HandModel.load("right")


@pytest.fixture(scope="module")
def smplx_hand():
    """smplx.MANO on the shipped arrays."""
    smplx = pytest.importorskip("smplx")
    from smplx.utils import Struct

    with np.load(ASSET) as data:
        arrays_ = {key: data[key] for key in data.files if not key.startswith(("anny", "T_anny"))}
    arrays_["kintree_table"] = arrays_["kintree_table"].astype(np.int64)
    arrays_["f"] = arrays_["f"].astype(np.int64)
    return smplx.MANO(
        model_path="",
        data_struct=Struct(**arrays_),
        is_rhand=True,
        use_pca=False,
        flat_hand_mean=True,
        num_betas=10,
    )


@few
@given(poses, shapes, arrays(float, (3,), elements=st.floats(-1, 1)))
def test_equals_smplx(model, smplx_hand, pose, betas, transl):
    import torch
    from smplx.vertex_ids import vertex_ids as VERTEX_IDS

    def row(values):
        return torch.as_tensor(values, dtype=torch.float32)[None]

    with torch.inference_mode():
        theirs = smplx_hand(
            betas=row(betas), global_orient=row(pose[:3]), hand_pose=row(pose[3:]), transl=row(transl)
        )
    ours = model.shape(betas).pose(pose[3:], pose[:3], transl)
    np.testing.assert_allclose(ours.verts, theirs.vertices[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.joints16, theirs.joints[0, :16].numpy(), atol=1e-5)
    tips = [VERTEX_IDS["mano"][finger] for finger in FINGERS]
    with_tips = np.concatenate([theirs.joints[0], theirs.vertices[0, tips]])
    np.testing.assert_allclose(ours.joints, with_tips[list(OPENPOSE_FROM_MANO)], atol=1e-5)


def test_rest_is_the_template(model):
    np.testing.assert_allclose(model.shape().pose().verts, model.v_template, atol=1e-12)


def test_mesh_is_mano_shaped(model):
    assert model.v_template.shape == (778, 3)
    assert model.faces.shape == (1538, 3)
    assert sorted(np.unique(model.faces)) == list(range(778))
    rim = boundary_edges(model.faces)
    assert len(rim) == 16
    assert {a for a, _ in rim} == {b for _, b in rim}, "the wrist is cut in one closed loop"
    corners = model.v_template[model.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = np.einsum("fc,fc->f", corners[:, 0], normals).sum() / 6
    assert volume > 2e-4, "faces turn outwards"
    np.testing.assert_allclose(model.weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.J_regressor.sum(axis=1), 1, atol=1e-6)


def test_frame_is_manos(model):
    hand = model.shape().pose()
    wrist, middle = hand.joints16[0], hand.joints16[MANO_NAMES.index("middle1")]
    towards = (middle - wrist) / np.linalg.norm(middle - wrist)
    assert towards @ [-1, 0, 0] > 0.999
    assert hand.joints[OPENPOSE_NAMES.index("index1"), 2] > hand.joints[OPENPOSE_NAMES.index("pinky1"), 2]
    bent = model.shape().pose(np.tile([0, 0, 0.5], 15)).joints
    assert (bent[[8, 12, 16, 20], 1] < hand.joints[[8, 12, 16, 20], 1] - 0.02).all(), "+Z bends to the palm"


def test_tips_are_the_ends_of_the_fingers(model):
    hand = model.shape().pose()
    for k, finger in enumerate(FINGERS):
        last, near = hand.joints[4 * k + 3], hand.joints[4 * k + 2]
        along = (model.v_template - last) @ (last - near)
        mine = model.part_of_vert == MANO_NAMES.index(f"{finger}3")
        assert TIP_VERTS[k] == np.flatnonzero(mine)[along[mine].argmax()]
        np.testing.assert_allclose(hand.joints[4 * k + 4], model.v_template[TIP_VERTS[k]], atol=1e-12)


def test_bones_follow_the_parents():
    names = {k: OPENPOSE_NAMES[k] for k in range(21)}
    for near, far in BONES:
        if names[far] in MANO_NAMES:
            assert MANO_NAMES[PARENTS[MANO_NAMES.index(names[far])]] == names[near]


@few
@given(poses, shapes)
def test_left_is_the_right_mirrored(pose, betas):
    flip = np.array([-1.0, 1.0, 1.0])
    turn = np.tile([1.0, -1.0, -1.0], 16)
    right = HandModel.load("right").shape(betas).pose(pose[3:], pose[:3])
    left = HandModel.load("left").shape(betas).pose((turn * pose)[3:], (turn * pose)[:3])
    np.testing.assert_allclose(left.verts, right.verts * flip, atol=1e-9)
    np.testing.assert_allclose(left.joints, right.joints * flip, atol=1e-9)


@few
@given(poses)
def test_global_orient_turns_about_the_wrist(pose):
    model = HandModel.load("right")
    shaped = model.shape()
    still, turned = shaped.pose(pose[3:]), shaped.pose(pose[3:], pose[:3], (0.1, 0.2, 0.3))
    np.testing.assert_allclose(turned.joints[0], shaped.joints[0] + [0.1, 0.2, 0.3], atol=1e-12)
    R = rotation.exp(pose[:3])
    np.testing.assert_allclose(
        turned.verts - turned.joints[0], (still.verts - still.joints[0]) @ R.T, atol=1e-7
    )


def test_pose_blend_shapes_keep_the_volume_of_bent_fingers(model):
    """Linear blending alone loses flesh at bent joints; the shapes give some of it back."""
    plain = HandModel.from_arrays(
        {
            "v_template": model.v_template, "shapedirs": model.shapedirs, "posedirs": 0 * model.posedirs,
            "J_regressor": model.J_regressor, "weights": model.weights, "f": model.faces,
            "kintree_table": np.array([PARENTS, range(16)]),
        }
    )  # fmt: skip

    def volume(m, pose):
        hand = m.shape().pose(pose, transl=-m.shape().joints[0])
        corners = hand.verts[hand.faces]
        return np.einsum("fc,fc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6

    rest = volume(model, np.zeros(45))
    for bend in (0.6, 1.0, 1.4):
        pose = np.zeros((15, 3))
        pose[:12, 2] = bend
        lost, kept = volume(plain, pose.ravel()), volume(model, pose.ravel())
        assert lost < kept, bend
        assert abs(kept - rest) < abs(lost - rest), bend


def test_shape_is_in_standard_deviations(model):
    """One standard deviation of the first coefficient makes the hand 5 to 12 % longer."""

    def length(betas):
        hand = model.shape(betas).pose()
        return np.linalg.norm(hand.joints[12] - hand.joints[0])

    unit = np.eye(10)[0]
    assert 1.05 < length(unit) / length(0 * unit) < 1.12
    assert 0.17 < length(0 * unit) < 0.21


def test_pose_hand_is_cached_and_equal(model):
    hand = HandPose(hand_pose=(0.1,) * 45, betas=(0.5,) * 10, transl=(0, 0, 0.5))
    again = model.shape(hand.betas).pose(hand.hand_pose, hand.global_orient, hand.transl)
    np.testing.assert_allclose(pose_hand(hand).verts, again.verts, atol=1e-12)


def test_bad_files_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"engine\.hand\.build"):
        HandModel.load(path=tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    with pytest.raises(UserError, match="cannot be read"):
        HandModel.load(path=tmp_path / "bad.npz")
    with np.load(ASSET) as data:
        arrays_ = dict(data)
    arrays_["weights"] = arrays_["weights"][:10]
    np.savez(tmp_path / "short.npz", **arrays_)
    with pytest.raises(UserError, match="weights"):
        HandModel.load(path=tmp_path / "short.npz")


def test_numpy_only():
    code = (
        "import sys, engine.hand.model, engine.hand.anatomy, engine.hand.gesture, engine.hand.mano_file;"
        "sys.exit('torch' in sys.modules or 'scipy' in sys.modules or 'open3d' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
