"""The hand's joints: names, parents, orders. Plain constants.

Two orders are in use. MANO's 16 joints (Romero, Tzionas and Black, "Embodied Hands", SIGGRAPH Asia 2017) end
at the last knuckle of each finger; OpenPose's 21 keypoints, which are MediaPipe's, add the five fingertips.
"""

from __future__ import annotations

FINGERS = ("thumb", "index", "middle", "ring", "pinky")  # OpenPose's order

MANO_NAMES = (
    "wrist",
    *(f"{finger}{i}" for finger in ("index", "middle", "pinky", "ring", "thumb") for i in (1, 2, 3)),
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # of the 16 MANO joints

TIP_VERTS = (744, 320, 443, 554, 671)  # fingertip vertices, thumb to pinky: smplx's vertex_ids["mano"]

OPENPOSE_NAMES = ("wrist", *(f"{finger}{i}" for finger in FINGERS for i in (1, 2, 3, 4)))
# Keypoint k of OpenPose is row OPENPOSE_FROM_MANO[k] of the 16 MANO joints followed by the five TIP_VERTS.
OPENPOSE_FROM_MANO = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
# The skeleton's 20 edges between OpenPose keypoints, (near, far).
BONES = tuple((0 if i == 0 else 4 * f + i, 4 * f + i + 1) for f in range(5) for i in range(4))


def finger_joints(finger: str) -> tuple[int, int, int]:
    """The three MANO joints of a finger, knuckle first."""
    first = MANO_NAMES.index(f"{finger}1")
    return first, first + 1, first + 2
