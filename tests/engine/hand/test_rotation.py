"""Rotations: every pair of conversions is an inverse, and agrees with scipy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from engine.hand import rotation

vectors = arrays(float, (4, 3), elements=st.floats(-4, 4))
shares = st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(vectors)
def test_exp_is_scipys(rotvec):
    np.testing.assert_allclose(rotation.exp(rotvec), Rotation.from_rotvec(rotvec).as_matrix(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(vectors)
def test_log_undoes_exp_up_to_whole_turns(rotvec):
    back = rotation.log(rotation.exp(rotvec))
    assert (np.linalg.norm(back, axis=-1) <= np.pi + 1e-9).all()
    np.testing.assert_allclose(rotation.exp(back), rotation.exp(rotvec), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(vectors)
def test_small_rotations_come_back_themselves(rotvec):
    small = rotvec * 0.4  # shorter than pi
    np.testing.assert_allclose(rotation.log(rotation.exp(small)), small, atol=1e-9)


def test_log_near_nothing_and_half_a_turn():
    for angle in (0.0, 1e-12, 1e-7, np.pi - 1e-9, np.pi):
        for axis in np.concatenate([np.eye(3), -np.eye(3), [[0.6, 0.0, 0.8]]]):
            R = rotation.exp(axis * angle)
            back = rotation.log(R)
            assert abs(np.linalg.norm(back) - angle) < 1e-7
            np.testing.assert_allclose(rotation.exp(back), R, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(vectors)
def test_quaternions_are_wxyz_and_come_back(rotvec):
    quat = rotation.quat_from_rotvec(rotvec)
    xyzw = Rotation.from_rotvec(rotvec).as_quat(canonical=False)
    wxyz = xyzw[..., [3, 0, 1, 2]]
    same = np.abs((quat * wxyz).sum(-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-9)
    np.testing.assert_allclose(rotation.matrix_from_quat(quat), rotation.exp(rotvec), atol=1e-9)
    from_matrix = rotation.quat_from_matrix(rotation.exp(rotvec))
    np.testing.assert_allclose(rotation.matrix_from_quat(from_matrix), rotation.exp(rotvec), atol=1e-9)
    assert (from_matrix[..., 0] >= 0).all()


@settings(max_examples=60, deadline=None)
@given(vectors, vectors, shares)
def test_slerp_has_constant_speed(a, b, t):
    start, end, between = (rotation.exp(v) for v in (a, b, rotation.slerp(a, b, t)))
    whole = np.linalg.norm(rotation.log(np.swapaxes(start, -1, -2) @ end), axis=-1)
    part = np.linalg.norm(rotation.log(np.swapaxes(start, -1, -2) @ between), axis=-1)
    np.testing.assert_allclose(part, t * whole, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(arrays(float, (3, 3, 3), elements=st.floats(-1, 1)))
def test_projection_is_a_rotation_and_keeps_rotations(noise):
    R = rotation.project_so3(rotation.exp(noise[:, 0]) + 0.2 * noise)
    np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=1e-9)
    np.testing.assert_allclose(rotation.project_so3(R), R, atol=1e-9)


def test_projection_of_a_reflection_is_a_rotation():
    assert np.linalg.det(rotation.project_so3(np.diag([1.0, 1.0, -1.0]))) > 0


@settings(max_examples=60, deadline=None)
@given(arrays(float, (2, 3), elements=st.floats(-1, 1)))
def test_between_turns_one_direction_into_another(pair):
    lengths = np.linalg.norm(pair, axis=1)
    if lengths.min() < 1e-3:
        return
    a, b = pair / lengths[:, None]
    np.testing.assert_allclose(rotation.between(a, b) @ a, b, atol=1e-6)
    np.testing.assert_allclose(rotation.between(a, -a) @ a, -a, atol=1e-9)
