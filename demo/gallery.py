"""Shipped results: pictures that are on the screen before any model is loaded.

    python -m demo.gallery make --n 24        # fills presets/gallery from the engine

A *scene* is one prompt, hand and seed; it has a picture a method. Seeds are the first ones tried: nothing is
chosen by its looks, and pictures in which no hand was found, or a wrong one, say so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo.forms import Settings, check, settings_from_json
from demo.measure import Measured, Meter, Reading
from engine.types import UserError

logger = logging.getLogger(__name__)
FOLDER = Path(__file__).parent.parent / "presets" / "gallery"
PROMPTS = FOLDER.parent / "prompts.yaml"
_INDEX = "gallery.json"
_WEBP_QUALITY = 90
_FAR_MM = 16.0  # mean of 21 joints after alignment: beyond it at least one finger stands elsewhere


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One method's picture of a scene, and what was read from it."""

    method: str
    file: str  # below the gallery's folder
    error_mm: float | None  # PA-MPJPE; None when no hand was found
    floor_mm: float | None
    seconds: float

    @property
    def reading(self) -> Reading:
        return Reading(error_mm=self.error_mm, floor_mm=self.floor_mm)

    @property
    def verdict(self) -> str:
        """none: no hand found · far: a hand, but another pose · close."""
        if self.error_mm is None:
            return "none"
        return "far" if self.error_mm > max(_FAR_MM, self.floor_mm or 0) else "close"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One prompt, hand and seed, by every method."""

    name: str
    settings: Settings
    profile: str
    pictures: tuple[Picture, ...]

    def to_json(self) -> dict[str, Any]:
        pictures = [asdict(picture) for picture in self.pictures]
        return {
            "name": self.name,
            "profile": self.profile,
            "settings": self.settings.to_json(),
            "pictures": pictures,
        }


class Gallery:
    """The scenes in a folder, in the order of its index."""

    def __init__(self, catalogue: Mapping[str, Any], folder: Path = FOLDER):
        self.folder = folder
        self.scenes = {scene.name: scene for scene in _load(folder, catalogue)}

    def image(self, picture: Picture) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        from PIL import Image

        with Image.open(self.folder / picture.file) as image:
            return np.asarray(image.convert("RGB"))

    @property
    def pictures(self) -> Iterator[tuple[Scene, Picture]]:
        return ((scene, picture) for scene in self.scenes.values() for picture in scene.pictures)


def _load(folder: Path, catalogue: Mapping[str, Any]) -> Iterator[Scene]:
    index = folder / _INDEX
    if not index.exists():
        return
    for data in json.loads(index.read_text(encoding="utf-8")):
        pictures = tuple(Picture(**p) for p in data["pictures"] if p["method"] in catalogue)
        settings = settings_from_json(data["settings"], catalogue)
        yield Scene(name=data["name"], settings=settings, profile=data["profile"], pictures=pictures)


def scenes_to_make(
    gestures: Mapping[str, Any], prompts: Iterable[str], methods: tuple[str, ...], count: int, sampler: Any
) -> Iterator[Settings]:
    """`count` settings: every gesture in turn, prompts and seeds moving along with them."""
    turns = zip(
        itertools.cycle(gestures.values()), itertools.cycle(prompts), itertools.count(1), strict=False
    )
    for gesture, prompt, seed in itertools.islice(turns, count):
        yield Settings(
            prompt=prompt,
            gesture=gesture.name,
            hands=(gesture.hand,),
            camera=gesture.camera,
            seed=seed,
            steps=sampler.steps,
            cfg=sampler.cfg,
            methods=methods,
        )


def make(
    engine: Any, catalogue: Mapping[str, Any], settings: Iterable[Settings], folder: Path = FOLDER
) -> int:
    """Run every method over `settings` and write pictures and index; the number of pictures written."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    meter, scenes = Meter(), []
    for wanted in settings:
        wanted = check(wanted, catalogue)
        name = f"{wanted.gesture}-{wanted.seed:03d}"
        request = wanted.request(engine.profile.size, engine.profile.sampler)
        pictures = []
        for method in wanted.methods:
            try:
                result = engine.result(engine.plan(method, request))
            except UserError as error:
                logger.warning("%s by %s: %s", name, method, error)
                continue
            file = f"{name}-{method}.webp"
            Image.fromarray(result.image).save(folder / file, "WEBP", quality=_WEBP_QUALITY)
            measured = meter.measure(result.image, wanted.hands, wanted.camera, key=file)
            pictures.append(_picture(method, file, measured, result.seconds))
        logger.info("%s: %d pictures", name, len(pictures))
        scenes.append(
            Scene(name=name, settings=wanted, profile=engine.profile.name, pictures=tuple(pictures))
        )
    text = json.dumps([scene.to_json() for scene in scenes], indent=1, ensure_ascii=False)
    (folder / _INDEX).write_text(text + "\n", encoding="utf-8")
    return sum(len(scene.pictures) for scene in scenes)


def _picture(method: str, file: str, measured: Measured | None, seconds: float) -> Picture:
    reading = measured.reading if measured else Reading(error_mm=None, floor_mm=None)
    return Picture(
        method=method,
        file=file,
        error_mm=_rounded(reading.error_mm),
        floor_mm=_rounded(reading.floor_mm),
        seconds=round(seconds, 2),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def main(arguments: list[str] | None = None) -> None:
    import yaml

    from engine.engine import Engine
    from engine.hand.gesture import load_gestures
    from engine.methods import METHODS

    parser = argparse.ArgumentParser(prog="python -m demo.gallery", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make", help="run the engine over gestures, prompts and methods")
    command.add_argument("--n", type=int, default=24, help="scenes; each has one picture a method")
    command.add_argument("--profile", default="embedded")
    command.add_argument("--device")
    command.add_argument("--methods", nargs="+", default=None, help="default: every method that is available")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    engine = Engine(chosen.profile, device=chosen.device)
    methods = tuple(chosen.methods or (name for name in METHODS if engine.availability(name).ok))
    prompts = [prompt["text"] for prompt in yaml.safe_load(PROMPTS.read_text(encoding="utf-8"))]
    wanted = scenes_to_make(load_gestures(), prompts, methods, chosen.n, engine.profile.sampler)
    logger.info("%d pictures in %s", make(engine, METHODS, wanted), FOLDER)


if __name__ == "__main__":
    main()
