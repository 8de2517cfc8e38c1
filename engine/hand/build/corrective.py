"""Pose blend shapes that give bent fingers the flesh that linear blending takes from them.

Linear blend skinning flattens the inside and pinches the outside of a bent joint. Dual quaternion skinning
(Kavan et al., "Skinning with Dual Quaternions", I3D 2007) keeps each section rigid and so its volume. The
difference between the two, brought back to the rest pose, is fitted linearly in R(theta) - I, which is
MANO's form of a pose blend shape; each joint reaches only the vertices it and its neighbours move.
"""

from __future__ import annotations

import numpy as np

from engine.hand.joints import PARENTS
from engine.hand.rotation import exp, quat_from_matrix


def joint_transforms(local: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R (N, 16, 3, 3) and t (N, 16, 3) of each joint's x -> R x + t, from local rotations (N, 16, 3, 3)."""
    R, t = np.zeros_like(local), np.zeros(local.shape[:-1])
    for j, parent in enumerate(PARENTS):
        if parent < 0:
            R[:, j] = local[:, j]
            t[:, j] = joints[j] - local[:, j] @ joints[j]
        else:
            R[:, j] = R[:, parent] @ local[:, j]
            t[:, j] = (
                np.einsum("nab,nb->na", R[:, parent], joints[j] - local[:, j] @ joints[j]) + t[:, parent]
            )
    return R, t


def dual_quaternion_skin(verts: np.ndarray, weights: np.ndarray, R: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(V, 3) skinned by Kavan 2007, eq. 6: normalised blend of the joints' dual quaternions."""
    real = quat_from_matrix(R)
    real = np.where((real @ real[0])[:, None] < 0, -real, real)
    dual = 0.5 * _multiply(np.concatenate([np.zeros((len(t), 1)), t], axis=1), real)
    b0, be = weights @ real, weights @ dual
    norm = np.linalg.norm(b0, axis=1, keepdims=True)
    b0, be = b0 / norm, be / norm
    w, u = b0[:, :1], b0[:, 1:]
    turned = verts + 2 * np.cross(u, np.cross(u, verts) + w * verts)
    return turned + 2 * (w * be[:, 1:] - be[:, :1] * u + np.cross(u, be[:, 1:]))


def _multiply(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    pw, pv, qw, qv = p[:, :1], p[:, 1:], q[:, :1], q[:, 1:]
    return np.concatenate(
        [pw * qw - (pv * qv).sum(1, keepdims=True), pw * qv + qw * pv + np.cross(pv, qv)], axis=1
    )


def fit_posedirs(
    verts: np.ndarray, joints: np.ndarray, weights: np.ndarray, poses: np.ndarray, *, ridge: float
) -> np.ndarray:
    """(V, 3, 135) from sample poses (N, 15, 3) rad, by ridge regression vertex by vertex."""
    local = exp(np.concatenate([np.zeros((len(poses), 1, 3)), poses], axis=1))
    R, t = joint_transforms(local, joints)
    features = (local[:, 1:] - np.eye(3)).reshape(len(poses), 15, 9)
    wanted = np.zeros((len(poses), len(verts), 3))
    for n in range(len(poses)):
        A = np.einsum("vj,jab->vab", weights, R[n])
        moved = np.einsum("vab,vb->va", A, verts) + weights @ t[n]
        off = dual_quaternion_skin(verts, weights, R[n], t[n]) - moved
        wanted[n] = np.linalg.solve(A, off[..., None])[..., 0]

    posedirs = np.zeros((len(verts), 3, 15, 9))
    reach = _reach(weights)
    for pattern in np.unique(reach, axis=0):
        columns = np.flatnonzero(pattern)
        mine = (reach == pattern).all(axis=1)
        if not len(columns):
            continue
        X = features[:, columns].reshape(len(poses), -1)
        Y = wanted[:, mine].reshape(len(poses), -1)
        solution = np.linalg.solve(X.T @ X + ridge * len(poses) * np.eye(X.shape[1]), X.T @ Y)
        block = solution.reshape(len(columns), 9, mine.sum(), 3).transpose(2, 3, 0, 1)
        posedirs[np.ix_(np.flatnonzero(mine), range(3), columns)] = block
    return posedirs.reshape(len(verts), 3, 135)


def _reach(weights: np.ndarray) -> np.ndarray:
    """(V, 15) bool: the rotations that bend the flesh at a vertex, those between the joints that move it."""
    moves = weights > 1e-3
    out = np.zeros((len(weights), 15), dtype=bool)
    for joint in range(1, 16):
        subtree = moves[:, [j for j in range(16) if _descends(j, joint)]].any(axis=1)
        rest = moves[:, [j for j in range(16) if not _descends(j, joint)]].any(axis=1)
        out[:, joint - 1] = subtree & rest
    return out


def _descends(joint: int, ancestor: int) -> bool:
    while joint >= 0 and joint != ancestor:
        joint = PARENTS[joint]
    return joint == ancestor
