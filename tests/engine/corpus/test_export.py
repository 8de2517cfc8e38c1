"""Export with a stand-in engine: what is kept, nothing lost or doubled, files that do not vary."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from engine.corpus import export
from engine.corpus.export import Job
from engine.evaluate.reading import Detection, HandReading, Reading
from engine.types import UserError
from tests.engine.evaluate import toy_world
from tests.engine.evaluate.toy_engine import ToyEngine


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return toy_world.write_corpus(tmp_path_factory.mktemp("corpus"), {"train": 4})


@pytest.fixture
def job(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.engine.Engine", ToyEngine)
    monkeypatch.setattr(ToyEngine, "made", [])
    return Job(method="perfect", n=3, out=tmp_path / "out", data=corpus, profile="toy")


def reading(score: float = 0.9, error: float = 5.0, found: bool = True) -> Reading:
    points = [[0.0, 0.0]] * 21
    detection = Detection(side="left", score=score, points_px=points, world_m=[[0.0] * 3] * 21)
    hand = HandReading(points_px=points, size=0.3, detection=0 if found else None, error_2d_percent=error)
    return Reading(detections=(detection,), confidences=(), hands=(hand,), shirt="", wall="")


def files(folder: Path) -> dict[str, str]:
    """Path -> hash of every file."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_what_is_left_out(job):
    assert export.refusal(reading(), job) == ""
    assert export.refusal(reading(found=False), job) == "no hand found"
    assert export.refusal(reading(score=0.3), job) == "unsure hand"
    assert export.refusal(reading(error=20.0), job) == "hand elsewhere or in another pose"


def test_perfect_pictures_are_kept_with_their_labels(job):
    export.make_all(job, 1)
    manifest = export.write_layouts(job)
    assert (manifest["made"], manifest["kept"], manifest["left_out"]) == (3, 3, {})
    assert manifest["written"] == {"freihand": {"hands": 3}, "coco": {"pictures": 3}}
    assert manifest["settings"]["method"] == "perfect"
    record = json.loads(export.record_path(job, 1).read_text())
    data = export.picture_path(job, 1).read_bytes()
    assert record["sha256"] == hashlib.sha256(data).hexdigest() == manifest["pictures"][1]["sha256"]
    assert record["scores"][0] > 0.5
    assert record["errors_2d_percent"][0] < 15
    xyz = json.loads((job.out / "freihand" / "training_xyz.json").read_text())
    assert len(xyz) == 3


def test_handless_pictures_are_left_out(job):
    handless = dataclasses.replace(job, method="handless", n=2)
    export.make_all(handless, 1)
    manifest = export.write_layouts(handless, ("coco",))
    assert manifest["left_out"] == {"no hand found": 2}
    assert manifest["written"] == {"coco": {"pictures": 0}}
    assert not (job.out / "freihand").exists()


@pytest.fixture
def unread(job, monkeypatch):
    """The job, with a reader that finds every other picture good."""
    verdicts = [reading(), reading(found=False)]
    monkeypatch.setattr("engine.evaluate.reading.read_picture", lambda image, case: verdicts[case.index % 2])
    return job


def test_any_number_of_workers_killed_at_any_time_makes_the_same_files(unread, tmp_path):
    export.make_all(unread, 1)
    export.write_layouts(unread)
    assert len(ToyEngine.made) == 3

    other = dataclasses.replace(unread, out=tmp_path / "other")
    export.make_share(other, 1, 2)
    export.record_path(other, 1).unlink()  # killed between picture and record
    export.make_share(other, 0, 2)
    export.make_share(other, 1, 2)
    export.write_layouts(other)
    assert len(ToyEngine.made) == 3 + 4
    assert files(other.out) == files(unread.out)

    export.make_all(other, 1)  # nothing is left to do
    assert len(ToyEngine.made) == 7


def test_a_job_larger_than_its_corpus_takes_new_seeds(unread):
    seven = dataclasses.replace(unread, n=7, method="handless")
    export.make_all(seven, 1)
    records = [json.loads(export.record_path(seven, i).read_text()) for i in range(7)]
    assert records[6]["hands"] == records[2]["hands"]
    assert len({record["key"] for record in records}) == 7


def test_refused_requests_are_records_too(unread):
    fussy = dataclasses.replace(unread, method="fussy", n=2)
    export.make_all(fussy, 1)
    manifest = export.write_layouts(fussy)
    assert manifest["left_out"] == {"refused: Only right hands.": 1}
    assert manifest["kept"] == 1


def test_changed_settings_make_the_pictures_again(unread):
    export.make_all(unread, 1)
    export.make_all(dataclasses.replace(unread, steps=9), 1)
    assert len(ToyEngine.made) == 6


def test_command(unread, corpus):
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    line = ["export", "--method", "perfect", "--n", "2", "--data", str(corpus), "--out", str(unread.out)]
    args = parser.parse_args([*line, "--layout", "coco"])
    args.run(args)
    manifest = json.loads((unread.out / "manifest.json").read_text())
    assert (manifest["made"], manifest["kept"]) == (2, 1)
    assert list(manifest["written"]) == ["coco"]
    none = parser.parse_args([*line[:4], "0", *line[5:]])
    with pytest.raises(UserError, match="1 or more"):
        none.run(none)


def test_ray_is_optional(unread, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed"):
        export.make_all_with_ray(unread, 2)


@pytest.fixture
def tiny_job(corpus, tmp_path):
    """With the real engine at toy width: its pictures show nothing, and every process can make them."""
    return Job(method="sd", n=4, out=tmp_path / "out", data=corpus, profile="tiny", steps=1)


@pytest.mark.slow
def test_processes_make_what_one_makes(tiny_job, tmp_path):
    export.make_all(tiny_job, 2)
    export.write_layouts(tiny_job)
    alone = dataclasses.replace(tiny_job, out=tmp_path / "alone")
    export.make_all(alone, 1)
    export.write_layouts(alone)
    assert files(tiny_job.out) == files(alone.out)


@pytest.mark.slow
def test_ray_makes_what_one_makes_though_a_worker_is_killed(tiny_job, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    alone = dataclasses.replace(tiny_job, out=tmp_path / "alone")
    export.make_all(alone, 1)
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    try:
        killer = threading.Thread(target=_kill_a_worker_when_it_has_made_one, args=(tiny_job,))
        killer.start()
        export.make_all_with_ray(tiny_job, 2)
        killer.join()
    finally:
        ray.shutdown()
    export.write_layouts(tiny_job)
    export.write_layouts(alone)
    assert files(tiny_job.out) == files(alone.out)


def _kill_a_worker_when_it_has_made_one(job: Job) -> None:
    """SIGKILL to one of the actors that this process's Ray started, once there is a picture."""
    while not list(job.out.glob("pictures/*.png")):
        time.sleep(0.02)
    workers = [pid for pid, (name, _) in _processes().items() if "MapWorker" in name and _is_ours(pid)]
    os.kill(workers[0], signal.SIGKILL)


def _processes() -> dict[int, tuple[str, int]]:
    """pid -> command line, parent."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = ((folder / "cmdline").read_text(), parent)
        except OSError:  # it ended meanwhile
            continue
    return found


def _is_ours(pid: int) -> bool:
    processes = _processes()
    while pid in processes and pid != os.getpid():
        pid = processes[pid][1]
    return pid == os.getpid()
