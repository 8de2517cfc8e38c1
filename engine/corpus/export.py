"""`python -m engine.corpus export`: pictures by a method, labelled with the hands that were asked for.

    python -m engine.corpus export --method sesahand --n 10000 --out outputs/synthetic --processes 8

First every picture is made, read back and judged: it is kept when each requested hand is found with enough
confidence and near enough to where it was asked for. That part is resumable and runs in processes or
through Ray Data. Then the kept ones are written in FreiHAND's and COCO-WholeBody's layouts, with a
manifest. Picture i depends on i alone, so any number of workers, killed at any moment, gives the same
files.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.corpus.export_layouts import Sample, write_bytes, write_coco, write_freihand, write_json
from engine.types import Plan, UserError, from_json, to_json
from engine.workers import run_shares

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.evaluate.cases import Case
    from engine.evaluate.reading import Reading

logger = logging.getLogger(__name__)
LAYOUTS = ("freihand", "coco")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is exported. Equal jobs make equal files."""

    method: str
    n: int  # pictures made; how many are kept is the manifest's to say
    out: Path
    data: Path
    profile: str = "embedded"
    prompts: str = "wordy"  # which caption of the corpus
    split: str = "train"
    steps: int | None = None
    min_score: float = 0.5  # of the detected hand
    max_error_percent: float = 15.0  # mean 2D keypoint distance, percent of the hand's box


class Exporter:
    """Makes picture i; one in each process. Callable on Ray Data's rows."""

    def __init__(self, job: Job):
        self.job = job

    @cached_property
    def cases(self) -> list[Case]:
        from engine.evaluate.cases import load_cases

        return load_cases(self.job.data, self.job.n, split=self.job.split, images=False)

    @cached_property
    def engine(self) -> Engine:
        from engine.engine import Engine

        return Engine(profile=self.job.profile)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """{"id": i} -> {"id": i, "kept": ...}."""
        return {"id": row["id"], "kept": self.make(int(row["id"]))["kept"]}

    def make(self, index: int) -> dict[str, Any]:
        """The record of picture `index`, from its file where it was made before."""
        path = record_path(self.job, index)
        case = self.cases[index % len(self.cases)]  # a small corpus is gone through again, with other seeds
        try:
            plan = self._plan(case, index)
        except UserError as error:
            record = {"index": index, "key": "", "kept": False, "reason": f"refused: {error}", "sha256": ""}
            write_json(record, path)
            return record
        key = self.engine.key(plan)
        if path.is_file() and (record := json.loads(path.read_text(encoding="utf-8")))["key"] == key:
            return record
        from engine.evaluate.reading import read_picture
        from engine.image import encode

        image = self.engine.result(plan).image
        data = encode(image, "png")
        write_bytes(data, picture_path(self.job, index))
        reading = read_picture(image, case)
        reason = refusal(reading, self.job)
        record = {
            "index": index, "key": key, "kept": not reason, "reason": reason,
            "caption": case.prompt(self.job.prompts), "sha256": hashlib.sha256(data).hexdigest(),
            "scores": [reading.score(hand) for hand in reading.hands],
            "errors_2d_percent": [hand.error_2d_percent for hand in reading.hands],
            "hands": to_json(case.hands), "camera": to_json(case.camera),
        }  # fmt: skip
        write_json(record, path)
        return record

    def _plan(self, case: Case, index: int) -> Plan:
        sampler = self.engine.profile.sampler
        if self.job.steps is not None:
            sampler = dataclasses.replace(sampler, steps=self.job.steps)
        request = dataclasses.replace(case.request(self.job.prompts, sampler), seed=index)
        return self.engine.plan(self.job.method, request)


def refusal(reading: Reading, job: Job) -> str:
    """Why a picture is left out; empty when it is kept."""
    for hand in reading.hands:
        if hand.detection is None:
            return "no hand found"
        if reading.score(hand) < job.min_score:
            return "unsure hand"
        if hand.error_2d_percent > job.max_error_percent:
            return "hand elsewhere or in another pose"
    return ""


def picture_path(job: Job, index: int) -> Path:
    return job.out / "pictures" / f"{index:08d}.png"


def record_path(job: Job, index: int) -> Path:
    return job.out / "records" / f"{index:08d}.json"


# --- many workers -------------------------------------------------------------------------------------


def make_all(job: Job, processes: int) -> None:
    """In processes of this machine."""
    run_shares(make_share, (job,), processes)


def make_share(job: Job, worker: int, workers: int) -> None:
    """Pictures `worker`, `worker` + `workers`, ..."""
    exporter = Exporter(job)
    for index in range(worker, job.n, workers):
        record = exporter.make(index)
        logger.info("picture %d: %s", index, record["reason"] or "kept")


def make_all_with_ray(job: Job, workers: int) -> None:
    """Through Ray Data, on every machine of the cluster that sees `job.out`.

    A lost worker's pictures are made again. Ray's own tasks need a CPU beside those of the workers.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "Ray is not installed: `pip install 'ray[data]'`, or leave --ray out.", code="no_ray"
        ) from error
    rows = ray.data.range(job.n, override_num_blocks=min(job.n, workers * 8))
    done = rows.map(Exporter, fn_constructor_args=(job,), concurrency=workers)
    kept = sum(bool(row["kept"]) for row in done.iter_rows())
    logger.info("%d of %d kept", kept, job.n)


# --- layouts ------------------------------------------------------------------------------------------


def kept_samples(job: Job) -> Iterator[Sample]:
    """In order of index."""
    from engine.image import decode

    for index in range(job.n):
        record = json.loads(record_path(job, index).read_text(encoding="utf-8"))
        if record["kept"]:
            yield Sample(
                index=index,
                image=decode(picture_path(job, index).read_bytes()),
                hands=from_json(record["hands"]),
                camera=from_json(record["camera"]),
                caption=record["caption"],
            )


def write_layouts(job: Job, layouts: tuple[str, ...] = LAYOUTS) -> dict[str, Any]:
    """Writes the layouts and manifest.json; returns the manifest."""
    records = [json.loads(record_path(job, i).read_text(encoding="utf-8")) for i in range(job.n)]
    reasons = [record["reason"] for record in records if record["reason"]]
    written = {}
    if "freihand" in layouts:
        written["freihand"] = {"hands": write_freihand(kept_samples(job), job.out / "freihand")}
    if "coco" in layouts:
        written["coco"] = {"pictures": write_coco(kept_samples(job), job.out / "coco")}
    settings = {
        k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(job).items() if k != "out"
    }
    manifest = {
        "settings": settings,
        "made": job.n,
        "kept": job.n - len(reasons),
        "left_out": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "written": written,
        "pictures": [{k: r[k] for k in ("index", "kept", "key", "sha256")} for r in records],
    }
    write_json(manifest, job.out / "manifest.json")
    return manifest


# --- command ------------------------------------------------------------------------------------------


def add_parser(commands: Any) -> None:
    """Adds `export` to an argparse sub-command group; its default `run` is this module's."""
    parser = commands.add_parser(
        "export", help="labelled pictures by a method", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--method", default="sesahand")
    parser.add_argument("--n", type=int, default=1000, help="pictures to make")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--data", type=Path, default=Path("data/plain"), help="corpus whose hands and captions are used"
    )
    parser.add_argument("--profile", default="embedded")
    parser.add_argument("--prompts", default="wordy", choices=("short", "wordy", "gesture", "phrase"))
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--min-score", type=float, default=Job.min_score, help="handedness score to keep a hand"
    )
    parser.add_argument(
        "--max-error", type=float, default=Job.max_error_percent, help="2D error, percent of the box"
    )
    parser.add_argument("--layout", action="append", choices=LAYOUTS, help="both if not given")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--ray", type=int, metavar="WORKERS", help="run through Ray Data instead of processes"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    job = Job(
        method=args.method,
        n=args.n,
        out=args.out,
        data=args.data,
        profile=args.profile,
        prompts=args.prompts,
        steps=args.steps,
        min_score=args.min_score,
        max_error_percent=args.max_error,
    )
    if job.n < 1:
        raise UserError("--n must be 1 or more.", code="bad_n")
    if args.ray:
        make_all_with_ray(job, args.ray)
    else:
        make_all(job, args.processes)
    manifest = write_layouts(job, tuple(args.layout or LAYOUTS))
    logger.info("%d of %d pictures kept, in %s", manifest["kept"], manifest["made"], job.out)
