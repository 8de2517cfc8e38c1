"""HandRefiner's adaptive control strength: the weakest whose hand lies about as well as with full control.

Its published code tries 0.4 ... 0.9 in turn and keeps the first whose 2D joint error is under 1.15 times that of
strength 1.0: two to seven pictures. Theirs measures against the mesh that was estimated from the bad hand, ours
against the one that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace

from engine.types import Plan, Result, register


@register
@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """An init part that leaves the picture to other plans: no loop runs. `full` starts from an Inpaint."""

    full: Plan  # at strength 1.0
    strengths: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    slack: float = 1.15

    @property
    def most(self) -> int:
        """How many pictures it may take."""
        return 1 + len(self.strengths)

    def choose(self) -> Generator[Plan, Result, Result]:
        """Asks for the results of plans, one after the other; returns the one that is kept, with its strength."""
        full = yield self.full
        limit = self.slack * error_px(full)
        for tried, strength in enumerate(self.strengths):
            result = yield self.at(strength)
            if error_px(result) < limit:
                return self._told(result, strength, 2 + tried)
        return self._told(full, 1.0, self.most)

    def at(self, strength: float) -> Plan:
        control, *others = self.full.structure
        return replace(self.full, structure=(replace(control, strength=strength), *others))

    def _told(self, result: Result, strength: float, pictures: int) -> Result:
        told = f"{strength:g} · {pictures}/{self.most}"
        return replace(result, text_parts={**result.text_parts, "strength": told})


def error_px(result: Result) -> float:
    """Mean 2D distance of the picture's joints from the asked-for hand's, px; infinite where no hand is found."""
    from engine.reconstruct import errors, reconstruct

    init = result.plan.init
    height, width = result.image.shape[:2]
    view = init.camera.resized(width_px=width, height_px=height)
    found = reconstruct(result.image, view, init.hands[0].side)
    return errors(found[0], init.hands[0], view).mpjpe_2d_px if found else math.inf
