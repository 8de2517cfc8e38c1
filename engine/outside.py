"""Pictures by the authors' own program: FoundHand and HandBooster need Python, torch and data of their own.

Their networks cannot be loaded beside ours, so a person's own program runs them, in an environment of its own. An
entry of kind "outside" names it in models.local.toml:

    [embedded.foundhand-authors]
    kind = "outside"
    options = { run = ["/home/me/FoundHand/env/bin/python", "examples/outside/foundhand.py", "/home/me/FoundHand"] }

The last argument it gets is a folder. There are

    request.json            method, prompt, negative, seed, height and width (px), hands and camera
    keypoints.npy           (42, 2) px: OpenPose order, the right hand first, NaN for a hand that is not there
    joints.npy, faces.npy,  (42, 3) m in the camera's frame, (F, 3) of one hand,
    vertices.npy            (hands, V, 3) m
    mesh.png, depth.png, normals.png, mask.png
    reference.png           plain SD's picture of the request; with reference_keypoints.npy as above and
                            reference_mask.png, where a hand was found on it

and it leaves picture.png of any size there. What it prints goes to the log.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.types import Camera, HandPose, Plan, UserError, register, to_json

if TYPE_CHECKING:
    from engine.init import Pictures

logger = logging.getLogger(__name__)
LIMIT_S = 1800
LOOK_EVERY_S = 0.1
HINTS = ("mesh", "depth", "normals", "mask")


@register
@dataclass(frozen=True, kw_only=True)
class Outside:
    """An init part that leaves the whole picture to another program: no loop of ours runs."""

    weights: str  # the entry that names the program
    reference: Plan
    hands: tuple[HandPose, ...] = ()
    camera: Camera | None = None

    def make(
        self, plan: Plan, command: Sequence[str], pictures: Pictures
    ) -> Generator[None, None, np.ndarray]:
        """(H, W, 3) uint8 of the plan's size. Yields while the program runs; closing the generator ends it."""
        from engine.image import fit, open_image

        with tempfile.TemporaryDirectory(prefix="handlab-") as place:
            folder = Path(place)
            self._write(folder, plan, pictures[self.reference])
            yield from _run([*command, place], folder / "log.txt")
            picture = folder / "picture.png"
            if not picture.is_file():
                raise UserError("The outside program ended without a picture.", code="outside_failed")
            return fit(open_image(picture.read_bytes()), plan.size)

    def _write(self, folder: Path, plan: Plan, reference: np.ndarray) -> None:
        from engine.hand import pose_hand
        from engine.image import encode
        from engine.render import keypoints_px, render_hint

        height, width = plan.size
        view = self.camera.resized(width_px=width, height_px=height)
        posed = [pose_hand(hand) for hand in self.hands]
        request = {
            "method": plan.method, "prompt": plan.text.text, "negative": plan.text.negative, "seed": plan.seed,
            "height": height, "width": width, "hands": to_json(self.hands), "camera": to_json(view),
        }  # fmt: skip
        (folder / "request.json").write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
        sides = [hand.side for hand in self.hands]
        points = [keypoints_px(hand, view) for hand in posed]
        np.save(folder / "keypoints.npy", both_hands(sides, points))
        np.save(folder / "joints.npy", both_hands(sides, [hand.joints for hand in posed]))
        np.save(folder / "vertices.npy", np.stack([hand.verts for hand in posed]).astype(np.float32))
        np.save(folder / "faces.npy", posed[0].faces)
        for kind in HINTS:
            hint = render_hint(kind, self.hands, view, plan.size)
            (folder / f"{kind}.png").write_bytes(encode(hint))
        (folder / "reference.png").write_bytes(encode(reference))
        self._write_found(folder, reference, view)

    def _write_found(self, folder: Path, reference: np.ndarray, view: Camera) -> None:
        """Where the reference picture's own hands are, if they are found."""
        from engine.image import encode
        from engine.reconstruct import reconstruct
        from engine.render import render_hint

        found = reconstruct(reference, view)
        if found:
            sides = [hand.hand.side for hand in found]
            points = both_hands(sides, [hand.keypoints_px for hand in found])
            np.save(folder / "reference_keypoints.npy", points)
            hands = tuple(hand.hand for hand in found)
            mask = render_hint("mask", hands, view, reference.shape[:2])
            (folder / "reference_mask.png").write_bytes(encode(mask))


def both_hands(sides: Sequence[str], values: Sequence[np.ndarray]) -> np.ndarray:
    """(42, d) float32: right, then left; NaN for one that is not there."""
    out = np.full((42, values[0].shape[1]), np.nan, np.float32)
    for side, value in zip(sides, values, strict=True):
        start = 0 if side == "right" else 21
        out[start : start + 21] = value
    return out


def _run(command: list[str], log: Path) -> Generator[None, None, None]:
    until = time.monotonic() + LIMIT_S
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(
                f"The outside program cannot be started: {error.strerror}.", code="outside_failed"
            ) from None
        try:
            while process.poll() is None:
                if time.monotonic() > until:
                    raise UserError("The outside program took too long.", code="outside_failed")
                time.sleep(LOOK_EVERY_S)
                yield
        finally:
            _end(process)
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    logger.info("%s\n%s", command[0], said[-4000:])
    if process.returncode:
        last = said.splitlines()[-1][:200] if said else "it said nothing"
        raise UserError(f"The outside program failed: {last}", code="outside_failed")


def _end(process: subprocess.Popen) -> None:
    """With everything that it started."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
