"""What one visitor has on the screen. Each has their own; the engine knows nothing of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from demo.forms import Settings
from demo.measure import Measured, Reading
from demo.views.overlay import HAND_WORDS
from engine.types import Result, UserError

ColumnState = Literal["idle", "waiting", "running", "done", "shipped", "failed", "stopped"]


@dataclass
class Column:
    """One method's place on the board."""

    method: str
    state: ColumnState = "waiting"
    preview: np.ndarray | None = None  # (H, W, 3) uint8, while running
    result: Result | None = None  # when done
    image: np.ndarray | None = None  # (H, W, 3) uint8: the result's, or a shipped picture
    measured: Measured | None = None  # when the hand has been read from the image
    reading: Reading | None = None  # measured's numbers, or a shipped picture's
    error: UserError | None = None

    def finish(self, result: Result) -> None:
        self.state, self.result, self.image, self.preview = "done", result, result.image, None

    def measure(self, measured: Measured | None) -> None:
        self.measured, self.reading = measured, measured.reading if measured else None


@dataclass
class Starred:
    """A picture that the visitor keeps in sight over runs."""

    method: str
    settings: Settings
    image: np.ndarray  # (H, W, 3) uint8
    result: Result | None
    note: str = ""

    def is_of(self, column: Column, settings: Settings | None) -> bool:
        return self.method == column.method and self.settings == settings


@dataclass
class Progress:
    """How far a run is, in sampler steps over all columns that need the engine."""

    total: int
    done: int = 0
    ahead: int = 0  # visitors before this one
    started_s: float = field(default_factory=time.monotonic)
    working_s: float = 0.0  # without waiting for others

    def seconds_left(self) -> float | None:
        """None until the first steps tell the speed."""
        return self.working_s / self.done * (self.total - self.done) if self.done >= 2 else None


@dataclass
class View:
    """What the board's pictures show."""

    layer: Literal["image", "heat", "hand"] = "image"
    word: str = HAND_WORDS
    site: str | None = None
    one_scale: bool = False  # of heat, for all columns


@dataclass
class Session:
    """One visitor's board. `visitor` is random and lives as long as the page."""

    visitor: str = ""
    language: str = "en"
    settings: Settings | None = None  # of what the board shows
    columns: dict[str, Column] = field(default_factory=dict)
    view: View = field(default_factory=View)
    progress: Progress | None = None  # while running
    stopping: bool = False
    photo: tuple[int, int] | None = None  # (height_px, width_px) of the one whose hand is being read
    photo_path: str | None = None  # its file: the browser may tell of one photo twice
    runs: int = 0  # that have ended
    token: str | None = None  # the visitor's own, for a provider; nowhere but here
    shelf: list[Starred] = field(default_factory=list)

    def __post_init__(self):
        self.visitor = self.visitor or uuid.uuid4().hex

    def __deepcopy__(self, memo: dict) -> Session:
        return Session()  # gradio copies the initial value for each visitor: a new visitor, not a copy of one

    @property
    def running(self) -> bool:
        return self.progress is not None

    def stop(self) -> None:
        """Ask the run, if there is one, to end; it does after the step it is in, and says so itself."""
        self.stopping = self.running

    def is_starred(self, column: Column) -> bool:
        return any(star.is_of(column, self.settings) for star in self.shelf)

    def results(self) -> dict[str, Result]:
        """The columns that have a result of this process or of a loaded file."""
        return {name: column.result for name, column in self.columns.items() if column.result is not None}
