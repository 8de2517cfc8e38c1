"""Renders a corpus straight into the arrays that training maps: no shards, no encoding and decoding.

For a machine with many cores whose disk does not outlast the run. `open_pictures` finds the result as if
it had decoded shards. Pictures are those of `python -m engine.corpus make` with the same recipe and index.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import multiprocessing
import os
from pathlib import Path

import numpy as np

from engine.train.data import cache_folder, create_arrays, mirrored_text

log = logging.getLogger(__name__)


def render(
    folder: Path,
    *,
    count: int,
    workers: int,
    size: int,
    level: str,
    seed: int,
    mirror: bool,
    hints: tuple[str, ...] = (),
) -> None:
    """Fills the arrays of `folder`; worker k draws the pictures k, k + workers, …, so early rows come first."""
    cache = cache_folder(folder, size, mirror)
    create_arrays(cache, count, size, mirror)
    for kind in hints:
        np.lib.format.open_memmap(cache / f"{kind}.npy", "w+", np.uint8, (count, size, size, 3)).flush()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", LP_NUM_THREADS="0")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        jobs = [(cache, k, workers, count, level, seed, mirror, hints) for k in range(workers)]
        parts = pool.map(_work, jobs, chunksize=1)
    rows = [parts[i % workers][i // workers] for i in range(count)]
    if mirror:
        rows += [mirrored_text(row) for row in rows]
    aside = cache / "rows.json.tmp"
    aside.write_text(json.dumps(rows))
    os.replace(aside, cache / "rows.json")


def ready(folder: Path, *, workers: int, size: int, mirror: bool) -> int:
    """How many of the first pictures are all drawn."""
    cache = cache_folder(folder, size, mirror)
    marks = [cache / f"drawn-{k}" for k in range(workers)]
    return min(int(m.read_text() or 0) if m.is_file() else 0 for m in marks) * workers


def _work(job: tuple[Path, int, int, int, str, int, bool, tuple[str, ...]]) -> list[dict]:
    from engine.corpus.make import Recipe, make_sample
    from engine.render import render_hint

    cache, k, workers, count, level, seed, mirror, hints = job
    images = np.load(cache / "images.npy", mmap_mode="r+")
    meshes = np.load(cache / "meshes.npy", mmap_mode="r+")
    drawn = {kind: np.load(cache / f"{kind}.npy", mmap_mode="r+") for kind in hints}
    recipe = Recipe(level=level, split="train", seed=seed)
    rows = []
    for i in range(k, count, workers):
        sample = make_sample(recipe, i)
        images[i], meshes[i] = sample.image, sample.mesh[..., 0]
        for kind, out in drawn.items():
            out[i] = render_hint(kind, sample.hands, sample.camera, sample.image.shape[:2])
        if mirror:
            images[count + i], meshes[count + i] = images[i, :, ::-1], meshes[i, :, ::-1]
        rows.append(
            {
                "captions": dataclasses.asdict(sample.captions),
                "semantics": dataclasses.asdict(sample.semantics) if sample.semantics else None,
                "attributes": dict(sample.attributes),
            }
        )
        if len(rows) % 25 == 0:
            (cache / f"drawn-{k}").write_text(str(len(rows)))
            if k == 0:
                log.info("worker 0 drew %d", len(rows))
    (cache / f"drawn-{k}").write_text(str(len(rows)))
    return rows
