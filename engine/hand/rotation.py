"""Rotations in 3D: rotation vectors, matrices and unit quaternions (w, x, y, z), batched over leading axes.

Radians. A rotation vector is axis times angle. Formulas: Rodrigues (1840); Shepperd, "Quaternion from
Rotation Matrix", J. Guidance and Control 1978; Shoemake, "Animating rotation with quaternion curves", 1985.
"""

from __future__ import annotations

import numpy as np

_TINY = 1e-8  # rad; below it sin(x)/x and its kin are taken from their series


def skew(v: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3), the matrix of the cross product with v."""
    v = np.asarray(v, dtype=float)
    out = np.zeros((*v.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    return out - np.swapaxes(out, -1, -2)


def exp(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vector (..., 3) rad -> matrix (..., 3, 3), by Rodrigues' formula."""
    rotvec = np.asarray(rotvec, dtype=float)
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    safe = np.where(angle < _TINY, 1.0, angle)
    sine = np.where(angle < _TINY, 1.0, np.sin(safe) / safe)
    cosine = np.where(angle < _TINY, 0.5, 2 * (np.sin(safe / 2) / safe) ** 2)
    K = skew(rotvec)
    return np.eye(3) + sine * K + cosine * (K @ K)


def log(R: np.ndarray) -> np.ndarray:
    """Matrix (..., 3, 3) -> rotation vector (..., 3) with an angle in [0, pi]; the inverse of exp."""
    return rotvec_from_quat(quat_from_matrix(R))


def quat_from_matrix(R: np.ndarray) -> np.ndarray:
    """Matrix (..., 3, 3) -> unit quaternion (..., 4) wxyz, w >= 0, by Shepperd's method."""
    R = np.asarray(R, dtype=float)
    m00, m11, m22 = R[..., 0, 0], R[..., 1, 1], R[..., 2, 2]
    yz, xz, xy = R[..., 2, 1], R[..., 0, 2], R[..., 1, 0]
    zy, zx, yx = R[..., 1, 2], R[..., 2, 0], R[..., 0, 1]
    # Row k is 4 q_k q, for k = w, x, y, z: take the row whose own component is largest.
    rows = np.stack(
        [
            np.stack([1 + m00 + m11 + m22, yz - zy, xz - zx, xy - yx], -1),
            np.stack([yz - zy, 1 + m00 - m11 - m22, xy + yx, xz + zx], -1),
            np.stack([xz - zx, xy + yx, 1 - m00 + m11 - m22, yz + zy], -1),
            np.stack([xy - yx, xz + zx, yz + zy, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )
    best = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    quat = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    return np.where(quat[..., :1] < 0, -quat, quat)


def matrix_from_quat(quat: np.ndarray) -> np.ndarray:
    """Quaternion (..., 4) wxyz, any length but zero -> matrix (..., 3, 3)."""
    quat = np.asarray(quat, dtype=float)
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    K = skew(quat[..., 1:])
    return np.eye(3) + 2 * quat[..., :1, None] * K + 2 * (K @ K)


def rotvec_from_quat(quat: np.ndarray) -> np.ndarray:
    """Unit quaternion (..., 4) wxyz -> rotation vector (..., 3) with an angle in [0, pi]."""
    quat = np.asarray(quat, dtype=float)
    quat = np.where(quat[..., :1] < 0, -quat, quat)
    sine = np.linalg.norm(quat[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quat[..., :1])
    scale = np.where(sine < _TINY, 2.0, angle / np.where(sine < _TINY, 1.0, sine))
    return quat[..., 1:] * scale


def quat_from_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vector (..., 3) rad -> unit quaternion (..., 4) wxyz, w >= 0."""
    rotvec = np.asarray(rotvec, dtype=float)
    half = np.linalg.norm(rotvec, axis=-1, keepdims=True) / 2
    scale = np.where(half < _TINY, 0.5, np.sin(half) / np.where(half < _TINY, 1.0, 2 * half))
    quat = np.concatenate([np.cos(half), rotvec * scale], axis=-1)
    return np.where(quat[..., :1] < 0, -quat, quat)


def slerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Between rotation vectors a and b (..., 3): a at t = 0, b at t = 1, at constant speed, the short way."""
    A, B = exp(a), exp(b)
    step = log(np.swapaxes(A, -1, -2) @ B)
    return log(A @ exp(np.asarray(t, dtype=float)[..., None] * step))


def project_so3(M: np.ndarray) -> np.ndarray:
    """The rotation nearest to M (..., 3, 3) in Frobenius norm (Kabsch 1976; Umeyama 1991, eq. 40)."""
    U, _, Vt = np.linalg.svd(np.asarray(M, dtype=float))
    sign = np.ones(M.shape[:-1])
    sign[..., 2] = np.linalg.det(U @ Vt)
    return (U * sign[..., None, :]) @ Vt


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that turns direction a (3,) into direction b (3,)."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis), float(a @ b)
    if sine < _TINY:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])  # half a turn: any perpendicular axis will do
        sine = np.linalg.norm(axis)
    return exp(axis / sine * np.arctan2(np.linalg.norm(np.cross(a, b)), cosine))
