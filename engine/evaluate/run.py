"""Makes and reads the pictures of a suite: every variant for every case, each once, whatever was killed in
between.

outputs/evaluate/<profile>/<suite>/<variant>/
    rows-<worker>.jsonl   one row a finished picture: case, key of its plan, seconds, reading
    <case>.png            the picture
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.evaluate.cases import Case, load_cases
from engine.evaluate.reading import READER_VERSION, Reading, read_picture
from engine.evaluate.store import RowWriter, read_rows
from engine.evaluate.suites import AUTOENCODER, CEILING, CHANCE, Suite, Variant
from engine.types import SamplerSpec, UserError
from engine.workers import run_shares

if TYPE_CHECKING:
    from engine.engine import Engine

logger = logging.getLogger(__name__)
OUTPUTS = Path("outputs/evaluate")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One evaluation; the same settings find the same finished rows again."""

    profile: str = "embedded"
    data: Path = Path("data/plain")
    out: Path = OUTPUTS
    n: int = 500
    steps: int | None = None  # the profile's own where None
    processes: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A finished picture; `refused` is a method's sentence where the request does not fit it."""

    case: int
    key: str
    seconds: float = 0.0
    reading: Reading | None = None
    refused: str = ""
    psnr_db: float | None = None  # of the autoencoder's picture to the render


def run(suite: Suite, variants: Sequence[Variant], settings: Settings) -> None:
    """Makes what is missing, in `settings.processes` processes."""
    run_shares(work, (suite, variants, settings), settings.processes)


def work(suite: Suite, variants: Sequence[Variant], settings: Settings, worker: int, workers: int) -> None:
    """One process's share: the cases whose position is `worker` modulo `workers`."""
    from engine.engine import Engine

    engine = Engine(profile=settings.profile, cache_dir=settings.out / settings.profile / "cache")
    for variant in variants:
        cases = suite_cases(suite, settings, doubled=variant.name == CEILING)
        folder = folder_of(suite, variant, settings)
        done = finished(folder)
        with RowWriter(folder / f"rows-{worker}.jsonl") as writer:
            for position in range(worker, len(cases), workers):
                picture = Picture(engine, suite, variant, settings, cases, position)
                index = picture.case.index
                if index in done and done[index].key == picture.key:
                    continue
                writer.write(picture.row(folder))
                logger.info("%s %s: case %d", suite.name, variant.name, index)


def split_available(variants: Sequence[Variant], settings: Settings) -> tuple[list[Variant], list[str]]:
    """Those whose weights are here, and a sentence for each of the others."""
    from engine.engine import Engine
    from engine.methods import METHODS

    engine = Engine(profile=settings.profile)
    available, missing = [], []
    for variant in variants:
        if variant.method not in METHODS:
            reason = f"there is no method '{variant.method}'"
        elif not (state := engine.availability(variant.method)).ok:
            reason = state.reason
        else:
            available.append(variant)
            continue
        missing.append(f"{variant.title} left out: {reason}")
        logger.warning("%s", missing[-1])
    return available, missing


@lru_cache(maxsize=1)
def _test_cases(data: Path, n: int, gestures: tuple[str, ...] | None) -> list[Case]:
    return load_cases(data, n, gestures=gestures)


def suite_cases(suite: Suite, settings: Settings, *, doubled: bool = False) -> list[Case]:
    """The first n; `doubled`: and as many more, whose renders are the floor's other side."""
    cases = _test_cases(settings.data, 2 * settings.n, suite.gestures)
    return cases if doubled else cases[: settings.n]


class Picture:
    """One variant's picture of one case, before it is made: its key is known, its pixels are not."""

    def __init__(
        self,
        engine: Engine,
        suite: Suite,
        variant: Variant,
        settings: Settings,
        cases: Sequence[Case],
        position: int,
    ):
        self.case = cases[position]
        self.refused = ""
        self._engine, self._plan = engine, None
        self._coded = variant.name == AUTOENCODER
        self._render = cases[(position + 1) % len(cases)] if variant.name == CHANCE else self.case
        if variant.method is None:
            coder = f" {engine.manifest.fingerprint(engine.profile.name, ('vae',))}" if self._coded else ""
            self.key = f"render {self._render.index}{coder}"
        else:
            sampler = sampler_of(engine, settings)
            try:
                self._plan = engine.plan(
                    variant.method, self.case.request(suite.style, sampler), **variant.params
                )
                self.key = engine.key(self._plan)
            except UserError as error:
                self.refused, self.key = str(error), f"refused: {error}"

    def row(self, folder: Path) -> dict[str, Any]:
        """Makes, stores and reads it."""
        from engine.image import encode

        head = {"version": READER_VERSION, "case": self.case.index, "key": self.key, "made": time.time()}
        if self.refused:
            return {**head, "refused": self.refused}
        if self._coded:
            image, seconds = through_autoencoder(self._engine, self._render.image), 0.0
            head["psnr_db"] = round(psnr_db(image, self._render.image), 3)
        elif self._plan is None:
            image, seconds = self._render.image, 0.0
        else:
            result = self._engine.result(self._plan)
            image, seconds = result.image, result.seconds
        picture_path(folder, self.case.index).write_bytes(encode(image, "png"))
        return {**head, "seconds": round(seconds, 3), "reading": read_picture(image, self.case).to_json()}


def through_autoencoder(engine: Engine, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 to latents and back: what no method's picture can be better than."""
    import torch

    from engine.image import to_tensor, to_uint8

    models = engine.weights.models_for("unet")
    with torch.inference_mode():
        return to_uint8(models.decode(models.encode(to_tensor(image))))


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def sampler_of(engine: Engine, settings: Settings) -> SamplerSpec:
    """The profile's sampler, with `settings.steps` where given."""
    sampler = engine.profile.sampler
    return sampler if settings.steps is None else dataclasses.replace(sampler, steps=settings.steps)


def folder_of(suite: Suite, variant: Variant, settings: Settings) -> Path:
    return settings.out / settings.profile / suite.name / variant.name


def picture_path(folder: Path, case: int) -> Path:
    return folder / f"{case:06d}.png"


def load_picture(folder: Path, case: int) -> np.ndarray:
    """(H, W, 3) uint8."""
    from engine.image import decode

    return decode(picture_path(folder, case).read_bytes())


def finished(folder: Path) -> Mapping[int, Row]:
    """By case; the row made last counts, rows of another reader version do not."""
    rows = {}
    for row in sorted(read_rows(folder), key=lambda row: row["made"]):
        if row["version"] != READER_VERSION:
            continue
        reading = Reading.from_json(row["reading"]) if "reading" in row else None
        rows[row["case"]] = Row(
            case=row["case"],
            key=row["key"],
            seconds=row.get("seconds", 0.0),
            reading=reading,
            refused=row.get("refused", ""),
            psnr_db=row.get("psnr_db"),
        )
    return rows
