"""Make a corpus: scenes to shards, in several processes, resumable after any kill."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.corpus.sample import Sample
from engine.corpus.scene import LEVELS, SPLITS, sample_scene, stream
from engine.corpus.shards import rows, write_shard
from engine.types import UserError

log = logging.getLogger(__name__)

SHARD_SIZE = 250
VERSION = 1  # raise it when the same recipe starts to mean other pictures


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a corpus's content."""

    level: str = "plain"
    split: str = "train"
    seed: int = 0
    gesture: str | None = None  # every picture shows this one; "call,four,ok": these in turn
    takes: int = 1  # pictures in a row of one person, in other poses

    def __post_init__(self):
        from engine.corpus.hands import gestures

        _one_of("level", self.level, LEVELS)
        _one_of("split", self.split, SPLITS)
        for name in self.gestures:
            _one_of("gesture", name, gestures())

    @property
    def gestures(self) -> tuple[str, ...]:
        return tuple(self.gesture.split(",")) if self.gesture is not None else ()


def _one_of(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UserError(f"There is no {what} {name!r}; choose one of {', '.join(known)}.", code=f"bad_{what}")


def make_sample(recipe: Recipe, index: int) -> Sample:
    """Picture `index` of the recipe: the same whatever was made before, and in whatever process."""
    from engine.corpus import picture
    from engine.corpus.body import load_body
    from engine.corpus.captions import describe

    body = load_body()
    named = recipe.gestures
    scene = sample_scene(
        body, seed=recipe.seed, split=recipe.split, index=index, level=recipe.level,
        gesture=named[index % len(named)] if named else None, takes=recipe.takes,
    )  # fmt: skip
    drawn = picture.draw(body, scene)
    attributes = picture.attributes(scene)
    captions, semantics = describe(attributes, stream(recipe.seed, recipe.split, index, "caption"))
    return Sample(
        key=f"{recipe.split}-{index:06d}", image=drawn.image, mesh=drawn.mesh, hands=drawn.hands,
        camera=scene.placement.camera, captions=captions, semantics=semantics, attributes=attributes,
    )  # fmt: skip


def make(recipe: Recipe, count: int, out: Path, *, workers: int = 1) -> None:
    """Write pictures 0..count-1 as shards under `out`; shards that are there already are kept."""
    out.mkdir(parents=True, exist_ok=True)
    _check_recipe(recipe, out)
    ranges = {n: (n * SHARD_SIZE, min(count, (n + 1) * SHARD_SIZE)) for n in range(-(-count // SHARD_SIZE))}
    ranges = {n: r for n, r in ranges.items() if rows(_shard_path(out, recipe, n)) < r[1] - r[0]}
    log.info("%d pictures, %d shards to make, %d workers", count, len(ranges), workers)
    start, made = time.monotonic(), 0
    for number in _run(recipe, ranges, out, workers):
        made += ranges[number][1] - ranges[number][0]
        rate = made / (time.monotonic() - start)
        left = sum(b - a for a, b in ranges.values()) - made
        log.info("shard %d written; %.1f pictures/s; %.0f min left", number, rate, left / rate / 60)


def _run(recipe: Recipe, ranges: dict[int, tuple[int, int]], out: Path, workers: int) -> Iterator[int]:
    jobs = [(recipe, number, first, last, out) for number, (first, last) in ranges.items()]
    if workers <= 1:
        yield from map(_make_shard, jobs)
        return
    import multiprocessing

    # Each process draws on one core: more OpenGL or BLAS threads would only get in each other's way.
    os.environ.update(LP_NUM_THREADS="0", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(_make_shard, jobs)


def _make_shard(job: tuple[Recipe, int, int, int, Path]) -> int:
    recipe, number, first, last, out = job
    write_shard(_shard_path(out, recipe, number), (make_sample(recipe, i) for i in range(first, last)))
    return number


def _shard_path(out: Path, recipe: Recipe, number: int) -> Path:
    return out / f"{recipe.split}-{number:05d}.parquet"


def _check_recipe(recipe: Recipe, out: Path) -> None:
    """One folder holds one recipe a split, so that a resumed run cannot mix two."""
    path = out / f"{recipe.split}.json"
    wanted = {**dataclasses.asdict(recipe), "shard_size": SHARD_SIZE, "version": VERSION}
    if not path.exists():
        path.write_text(json.dumps(wanted), encoding="utf-8")
    elif json.loads(path.read_text(encoding="utf-8")) != wanted:
        raise UserError(f"{out} holds another corpus; choose an empty folder.", code="corpus_exists")
