"""The hand read back from a picture, and how far it is from the asked-for one."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.types import Camera, HandPose, Reconstruction, UserError

if TYPE_CHECKING:
    from engine.reconstruct import HandErrors

logger = logging.getLogger(__name__)
_FLOOR_SCALES = (1, 2, 3)
_REMEMBERED = 512  # measurements, about 30 kB each


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A measurement's numbers: PA-MPJPE; `error_mm` is None when no hand was found."""

    error_mm: float | None
    floor_mm: float | None


@dataclass(frozen=True, eq=False)
class Measured:
    """`reconstruction` is None when no hand was found, which is a result like any other.

    `floor` is the error of the same reading on the asked-for hand's own mesh image: what the instrument gets
    wrong by itself. None where it finds no hand there.
    """

    reconstruction: Reconstruction | None
    errors: HandErrors | None
    floor: HandErrors | None

    @property
    def reading(self) -> Reading:
        error, floor = (e.pa_mpjpe_mm if e is not None else None for e in (self.errors, self.floor))
        return Reading(error_mm=error, floor_mm=floor)


class Meter:
    """Measures pictures; remembers what it measured."""

    def __init__(self):
        self._known: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def measure(
        self, image: np.ndarray, hands: tuple[HandPose, ...], camera: Camera | None, *, key: Hashable
    ) -> Measured | None:
        """What `image` (H, W, 3) shows of the first of `hands`; None without a hand to compare with.

        `key` names the image, so that a picture from the cache is not measured twice.
        """
        if not hands or camera is None:
            return None
        view = camera.resized(width_px=image.shape[1], height_px=image.shape[0])
        measured = self._once(("image", key, hands, view), lambda: _read(image, hands[0], view))
        floor = self._once(("floor", hands, view), lambda: _floor(hands, view))
        return Measured(*measured, floor)

    def _once(self, key: Hashable, make: Any) -> Any:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        value = make()
        with self._lock:
            self._known[key] = value
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return value


def _read(
    image: np.ndarray, target: HandPose, camera: Camera
) -> tuple[Reconstruction | None, HandErrors | None]:
    from engine.reconstruct import errors, reconstruct

    found = reconstruct(image, camera, target.side)
    return (found[0], errors(found[0], target, camera)) if found else (None, None)


def _floor(hands: tuple[HandPose, ...], camera: Camera) -> HandErrors | None:
    """At the picture's size, or larger where the reader sees nothing in so few pixels of bare mesh."""
    from engine.render import render_hint

    for scale in _FLOOR_SCALES:
        view = camera.resized(width_px=scale * camera.width_px, height_px=scale * camera.height_px)
        try:
            image = render_hint("mesh", hands, view, (view.height_px, view.width_px))
        except UserError:  # the hand is out of view: nothing to read
            return None
        found = _read(image, hands[0], view)[1]
        if found is not None:
            return found
    return None
