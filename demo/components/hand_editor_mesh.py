"""The free hand as a file for the browser: `python -m demo.components.hand_editor_mesh` writes it again.

demo/static/hand_mesh.bin holds what engine.hand knows (template, shape and pose blend shapes, joints,
weights, triangles; the anatomical axes and limits), so that ui/src/model.js poses the very same vertices.
Only the free hand is ever written here: a person's own MANO stays on the server.

    "HLHAND1\\n", header length (uint32), JSON header padded to 4 bytes, little-endian arrays at 4-byte steps
"""

from __future__ import annotations

import json
import logging
import struct
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from engine.hand import anatomy, rotation
from engine.hand.joints import MANO_NAMES, PARENTS, TIP_VERTS
from engine.hand.model import HandModel

log = logging.getLogger(__name__)

FILE = Path(__file__).resolve().parents[1] / "static" / "hand_mesh.bin"
MAGIC = b"HLHAND1\n"


def anatomy_table() -> dict[str, Any]:
    """engine.hand.anatomy as numbers: axes (15, 3, 3) of bend, spread, twist; limits (15, 3, 2) rad; order.

    Asked of from_anatomy itself, so that the browser turns joints as Python does whatever its definition:
    R = R(axes[order[0]]) R(axes[order[1]]) R(axes[order[2]]).
    """

    def rotations(angles: np.ndarray) -> np.ndarray:
        return rotation.exp(np.reshape(anatomy.from_anatomy(angles), (15, 3)))

    step = 0.5  # rad
    axes = np.zeros((15, 3, 3))
    for k in range(3):
        angles = np.zeros((15, 3))
        angles[:, k] = step
        axes[:, k] = rotation.log(rotations(angles)) / step
    probe = np.random.default_rng(0).uniform(-0.5, 0.5, (15, 3))
    turns = rotation.exp(axes * probe[..., None])
    for order in permutations(range(3)):
        a, b, c = (turns[:, k] for k in order)
        if np.allclose(a @ b @ c, rotations(probe), atol=1e-9):
            break
    else:
        raise RuntimeError("from_anatomy is not a product of turns about three fixed axes")
    # Rounded, with no negative zero: the last bits are the processor's, and the file is compared byte for byte.
    axes, limits = (np.round(x, 9) + 0.0 for x in (axes, np.asarray(anatomy.LIMITS, float)))
    return {"axes": axes.tolist(), "limits": limits.tolist(), "order": list(order)}


def mesh_bytes() -> bytes:
    """The file's content."""
    model = HandModel.load("right")
    used = int((model.weights > 0).sum(axis=1).max())  # how many joints move a vertex at most
    skin_index = np.argsort(-model.weights, axis=1, kind="stable")[:, :used]
    joint_dirs = np.einsum("jv,vxb->jxb", model.J_regressor, model.shapedirs)

    by_joint = model.posedirs.reshape(-1, 3, 15, 9).transpose(2, 0, 1, 3)  # (15, V, 3, 9)
    moved = [np.flatnonzero(np.abs(of_joint).max(axis=(1, 2)) > 0) for of_joint in by_joint]
    firsts = np.cumsum([0, *(len(verts) for verts in moved)])
    dirs = np.concatenate([of_joint[verts] for of_joint, verts in zip(by_joint, moved, strict=True)])

    arrays = {
        "v_template": model.v_template.astype("<f4"),
        "shapedirs": model.shapedirs.astype("<f4"),
        "J_template": (model.J_regressor @ model.v_template).astype("<f4"),
        "J_shapedirs": joint_dirs.astype("<f4"),
        "skin_index": skin_index.astype("<u1"),
        "skin_weight": np.take_along_axis(model.weights, skin_index, axis=1).astype("<f4"),
        "faces": model.faces.astype("<u2"),
        "posed_vertex": np.concatenate(moved).astype("<u2"),
        "posedirs": dirs.astype("<f4"),
    }  # fmt: skip
    body = b""
    described = {}
    for name, array in arrays.items():
        described[name] = {"dtype": array.dtype.str[-2:], "offset": len(body), "length": int(array.size)}
        data = array.tobytes()
        body += data + b"\0" * (-len(data) % 4)
    header = {
        "joints": MANO_NAMES,
        "parents": PARENTS,
        "tips": TIP_VERTS,
        "anatomy": anatomy_table(),
        "correctives": [
            {"first": int(first), "count": len(verts)} for first, verts in zip(firsts, moved, strict=False)
        ],
        "arrays": described,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return MAGIC + struct.pack("<I", len(text)) + text + body


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(mesh_bytes())
    log.info("wrote %s, %.0f kB", FILE, FILE.stat().st_size / 1e3)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
