"""Make a study's pictures ahead, through the engine's cache, as the folder that demo.study.prepared reads."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from demo.study.definition import ALL_METHODS, Item, Study
from demo.study.images import break_hand, encode, encode_alike
from demo.study.prepared import ROOT, SCHEMA, Prepared, load
from engine.types import Camera, HandPose, Request, UserError, replace

log = logging.getLogger(__name__)

_GROUND = (238, 240, 244, 255)  # behind a gesture's picture
BREAKABLE = 6  # pictures that get a broken twin: enough that a participant seldom meets one twice

Box = tuple[float, float, float, float]  # left, top, right, bottom in px
FindHand = Callable[[np.ndarray], "Box | None"]


def detect_hand(image: np.ndarray) -> Box | None:
    """The box of the surest hand in the picture."""
    from engine.reconstruct import detect

    found = max(detect(image), key=lambda detection: detection.score, default=None)
    return found and (*found.points_px.min(axis=0), *found.points_px.max(axis=0))


def prepare(study: Study, engine: Any, root: Path = ROOT, find_hand: FindHand = detect_hand) -> Prepared:
    """Draw every method's picture of every stimulus, or take it from the cache; write the study's folder."""
    methods = _methods(study, engine)
    plans = dict(_plans(study, engine, methods))
    images = {}
    for number, (key, plan) in enumerate(plans.items(), 1):
        log.info("%s: picture %d of %d", study.name, number, len(plans))
        images[key] = engine.result(plan).image
    twins = dict(itertools.islice(_twins(study, images, find_hand), BREAKABLE))
    if not twins:
        raise UserError(
            "No picture shows a hand large enough to be broken for the practice pair: use larger hands.",
            code="no_hand",
        )

    coded = encode_alike(
        {("", *key): image for key, image in images.items()} | {("b", *k): v for k, v in twins.items()}
    )
    references = {item.name: encode(image) for item, image in _references(study)}
    files = {
        content: f"{hashlib.sha256(content).hexdigest()[:32]}.webp"
        for content in (*coded.values(), *references.values())
    }

    def table(kind: str) -> dict[str, dict[str, str]]:
        out: dict[str, dict[str, str]] = {}
        for (which, method, stimulus), content in coded.items():
            if which == kind:
                out.setdefault(method, {})[stimulus] = files[content]
        return out

    body = {
        "schema": SCHEMA,
        "definition": study.model_dump(mode="json"),
        "methods": list(methods),
        "breakable": [list(key) for key in twins],
        "pictures": table(""),
        "broken": table("b"),
        "references": {name: files[content] for name, content in references.items()},
    }
    version = version_of(body)
    plan_of = {method: {} for method in methods}
    for (method, stimulus), plan in plans.items():
        plan_of[method][stimulus] = plan.to_json()
    _write(
        root,
        study.name,
        version,
        {"version": version, **body, "plans": plan_of},
        {files[c]: c for c in files},
    )
    return load(study.name, root, version)


def _methods(study: Study, engine: Any) -> tuple[str, ...]:
    """The study's methods, each able to draw every item; `all` takes those that can and logs the others."""
    from engine.methods import METHODS

    named = () if study.methods == ALL_METHODS else study.methods
    for name in (*named, *study.without):
        if name not in METHODS:
            raise UserError(
                f"There is no method {name!r}; there are: {', '.join(METHODS)}.", code="no_method"
            )
    able = []
    for name in named or [name for name in METHODS if name not in study.without]:
        reason = _hindrance(name, study, engine)
        if reason and named:
            raise UserError(f"{name} cannot run: {reason}", code="method_unavailable", name=name)
        if reason:
            log.warning("%s is left out: %s", name, reason)
        else:
            able.append(name)
    if len(able) < 2 or (study.against and study.against not in able):
        raise UserError(
            "The study needs two methods that can run, and the one that others are compared with.",
            code="few_methods",
        )
    return tuple(able)


def _hindrance(method: str, study: Study, engine: Any) -> str:
    """Why the method cannot draw some item of the study; empty if it can draw all."""
    for gesture in dict.fromkeys(item.gesture for item in study.items):
        state = engine.availability(method, gesture) if gesture else engine.availability(method)
        if not state.ok:
            return state.reason
    return ""


def _plans(study: Study, engine: Any, methods: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], Any]]:
    """((method, stimulus), Plan), by stimulus: methods that build on another's picture find it cached."""
    sampler = engine.profile.sampler
    changes = {name: value for name in ("steps", "cfg") if (value := getattr(study, name)) is not None}
    for item in study.items:
        hands, camera = _pose(item, study.size_px)
        for seed in item.seeds:
            request = Request(
                prompt=item.prompt,
                gesture=item.gesture,
                hands=hands,
                camera=camera,
                seed=seed,
                size=(study.size_px, study.size_px),
                sampler=replace(sampler, **changes),
            )
            for method in methods:
                yield (method, f"{item.name}#{seed}"), engine.plan(method, request)


def _pose(item: Item, size_px: int) -> tuple[tuple[HandPose, ...], Camera | None]:
    """The hands and camera that an item asks for, its own or its gesture's."""
    hands, camera = item.poses()
    if not hands and item.gesture:
        gesture = _gesture(item.gesture)
        hands, camera = (gesture.hand,), gesture.camera
    return hands, camera and camera.resized(width_px=size_px, height_px=size_px)


def _gesture(name: str) -> Any:
    from engine.hand.gesture import load_gestures

    gestures = load_gestures()
    if name not in gestures:
        raise UserError(
            f"There is no gesture {name!r}; there are: {', '.join(gestures)}.", code="no_gesture", name=name
        )
    return gestures[name]


def _references(study: Study) -> Iterator[tuple[Item, np.ndarray]]:
    """What is shown for hand alignment: the requested mesh, or the gesture's picture."""
    from engine.render import render_hint

    if not any(question.shows == "hand" for question in study.questions):
        return
    for item in study.items:
        hands, camera = _pose(item, study.size_px)
        if study.reference == "gesture":
            yield item, _thumbnail(_gesture(item.gesture).thumbnail, study.size_px)
        elif hands:
            yield item, render_hint("mesh", hands, camera, (study.size_px, study.size_px))
        else:
            raise UserError(
                f"Item {item.name} has no hand to show; give it a gesture or hands.",
                code="no_pose",
                name=item.name,
            )


def _thumbnail(path: Path, size_px: int) -> np.ndarray:
    from PIL import Image

    with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
        image = image.convert("RGBA")
        image.thumbnail((size_px, size_px))
        # What lies under transparent pixels is nothing to look at.
        return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, _GROUND), image).convert("RGB"))


def _twins(
    study: Study, images: dict[tuple[str, str], np.ndarray], find_hand: FindHand
) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """((method, stimulus), picture with its hand broken) where a hand is found, methods mixed."""
    methods = list(dict.fromkeys(method for method, _ in images))
    for turn in range(len(images)):
        stimulus = study.stimuli[turn % len(study.stimuli)]
        method = methods[(turn % len(study.stimuli) + turn // len(study.stimuli)) % len(methods)]
        box = find_hand(images[method, stimulus])
        if box is None:
            continue
        try:
            yield (method, stimulus), break_hand(images[method, stimulus], box, seed=turn)
        except UserError:
            log.info("the hand of %s in %s is too small to be broken", method, stimulus)


def version_of(body: dict[str, Any]) -> str:
    """The hash of a study.json without its version and plans; pictures are in it by their names, their hashes."""
    body = {key: value for key, value in body.items() if key not in ("version", "plans")}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()


def _write(root: Path, name: str, version: str, manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    """The folder appears at once, then becomes current: a server that reads meanwhile sees old or new."""
    home = root / name
    home.mkdir(parents=True, exist_ok=True)
    if not (home / version).is_dir():
        scratch = Path(tempfile.mkdtemp(dir=home, prefix=".making-"))
        try:
            (scratch / "pictures").mkdir()
            for file, content in files.items():
                (scratch / "pictures" / file).write_bytes(content)
            (scratch / "study.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), "utf-8")
            scratch.chmod(0o755)
            os.replace(scratch, home / version)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    pointer = home / ".current"
    pointer.write_text(version)
    os.replace(pointer, home / "current")
