"""The hand against Anny's own, posed with the same HandPose."""

import numpy as np
import pytest

from engine.hand.anny_bridge import (
    anny_bone_rotations,
    anny_rest,
    hand_from_anny,
    hand_pose_from_anny,
)
from engine.hand.model import HandModel, pose_hand
from engine.hand.rotation import exp
from engine.types import HandPose

# x right, y down, z forward, seen by a camera two metres before the person; Anny faces -Y with Z up
T_CAMERA_WORLD = np.array([[1.0, 0, 0, 0.1], [0, 0, -1, 1.2], [0, 1, 0, 2.0], [0, 0, 0, 1]])


def some_pose(side="right", seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    pose = np.zeros((15, 3))
    pose[:12, 2] = rng.uniform(-0.1, 1.2, 12)
    pose[:12:3, 1] = rng.normal(0, 0.1, 4)
    pose[12:] = rng.normal(0, 0.2, (3, 3))
    if side == "left":
        pose *= [1, -1, -1]
    return tuple(scale * pose.ravel())


@pytest.mark.parametrize("side", ["right", "left"])
def test_deltas_are_rotations_and_come_back(side):
    pose = some_pose(side)
    deltas = anny_bone_rotations(HandPose(side=side, hand_pose=pose))
    assert set(deltas) == set(anny_rest(side).bones[1:])
    for delta in deltas.values():
        np.testing.assert_allclose(delta[:3, :3] @ delta[:3, :3].T, np.eye(3), atol=1e-6)
        assert np.linalg.det(delta[:3, :3]) > 0
    np.testing.assert_allclose(hand_pose_from_anny(deltas, side), pose, atol=1e-6)


@pytest.fixture(scope="module")
def body():
    anny = pytest.importorskip("anny")
    return anny.Anny()


@pytest.mark.slow
@pytest.mark.parametrize("side", ["right", "left"])
def test_posed_hand_agrees_with_anny(body, side):
    import torch

    rest = anny_rest(side)
    wrist = body.bone_labels.index(rest.bones[0])
    arm = body.bone_labels.index("lowerarm01." + rest.bones[0][-1])
    rng = np.random.default_rng(1)
    errors = []
    for seed in range(6):
        pose = some_pose(side, seed)
        deltas = np.tile(np.eye(4), (1, len(body.bone_labels), 1, 1))
        for name, delta in anny_bone_rotations(HandPose(side=side, hand_pose=pose)).items():
            deltas[0, body.bone_labels.index(name)] = delta
        deltas[0, arm, :3, :3] = exp([-1.9, 0.2, 0.1])
        deltas[0, wrist, :3, :3] = exp(rng.normal(0, 0.3, 3))
        phenotype = torch.as_tensor(rng.uniform(0, 1, (1, 6)), dtype=torch.float32)
        phenotype[:, body.phenotype_labels.index("age")] = rng.uniform(0.5, 1.0)
        with torch.inference_mode():
            out = body(
                pose_parameters=torch.as_tensor(deltas, dtype=torch.float32), phenotype_kwargs=phenotype
            )
        verts = out["vertices"][0].double().numpy()
        hand = hand_from_anny(
            side=side,
            hand_pose=pose,
            wrist_pose=out["bone_poses"][0, wrist].numpy(),
            reference_orientation=body.reference_bone_orientations[wrist].numpy(),
            anny_verts=verts,
            T_camera_world=T_CAMERA_WORLD,
        )
        assert np.abs(hand.betas).max() < 5
        posed = pose_hand(hand)
        seen = rest.pick(verts) @ T_CAMERA_WORLD[:3, :3].T + T_CAMERA_WORLD[:3, 3]
        # Anny bends the forearm at the wrist; the hand's stump goes with the wrist.
        past_wrist = HandModel.load(side).v_template[:, 0] * (-1 if side == "left" else 1) > 0.075
        errors.append(np.linalg.norm(posed.verts - seen, axis=1)[~past_wrist] * 1e3)
        wrist_mm = (
            out["bone_poses"][0, wrist, :3, 3].numpy() @ T_CAMERA_WORLD[:3, :3].T + T_CAMERA_WORLD[:3, 3]
        )
        np.testing.assert_allclose(posed.joints[0], wrist_mm, atol=1e-5)
    errors = np.concatenate(errors)
    assert errors.mean() < 1.5, f"mean {errors.mean():.2f} mm"
    assert errors.max() < 6, f"max {errors.max():.2f} mm"
