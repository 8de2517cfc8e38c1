"""The server is killed with SIGKILL at random moments: no confirmed answer is lost, none stands twice."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from study_stand_ins import Robot, make_prepared

from demo.study.store import Store

SERVER = Path(__file__).with_name("study_server.py")
REPOSITORY = Path(__file__).parents[3]


class Server:
    """The service in processes of their own, one after the other, on one port."""

    def __init__(self, url: str, root: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, str(SERVER), url, str(root), str(self.port)]
        self._nursery = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start()

    def start(self) -> None:
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        self._pid = int(self._nursery.stdout.readline())

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._nursery.stdin.close()
        self._nursery.wait(30)

    def call(self, request: dict) -> dict:
        """As the page does: the same request again until there is a reply."""
        body = json.dumps(request).encode()
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}", body, timeout=30) as reply:
                    return json.load(reply)
            except (OSError, HTTPException, ValueError):  # ValueError: the reply was cut off
                time.sleep(0.05)


def run(url: str, root: Path, version: str, participants: int, kills: int) -> None:
    server = Server(url, root)
    rng = random.Random(os.urandom(8))
    robots = [Robot(server.call, seed=seed) for seed in range(participants)]
    over = threading.Event()

    def confirmed() -> dict[str, str]:
        return {key: value for robot in robots for key, value in list(robot.confirmed.items())}

    def take_part(robot: Robot) -> None:
        robot.enter()
        while robot.screen["screen"] != "done" and not over.is_set():
            robot.answer_one()

    try:
        with ThreadPoolExecutor(participants) as pool:
            running = [pool.submit(take_part, robot) for robot in robots]
            try:
                for _ in range(kills):
                    enough = len(confirmed()) + rng.randint(1, 2 * participants)
                    while len(confirmed()) < enough:
                        assert not all(task.done() for task in running), "nobody is taking part any more"
                        time.sleep(0.005)
                    time.sleep(rng.uniform(0, 0.05))
                    server.kill()
                    server.start()
            finally:
                over.set()
            for task in running:
                task.result()
    finally:
        server.close()

    store = Store.open(url)
    rows = store.answers(version)
    kept = {answer.id: answer.value for answer, _ in rows}
    steps = Counter((answer.trial_id, answer.question, answer.side) for answer, _ in rows)
    store.close()
    assert kept == confirmed()
    assert len(rows) == len(kept)
    assert max(steps.values()) == 1


def url_of(kind: str, folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}" if kind == "sqlite" else f"bucket://{folder / 'bucket'}"


@pytest.fixture(scope="module")
def long_study(tmp_path_factory):
    """A study that nobody finishes before the last kill."""
    root = tmp_path_factory.mktemp("long")
    return root, make_prepared(root, trials=200).version


@pytest.mark.parametrize("kind", ["sqlite", "bucket"])
def test_three_kills(kind, long_study, tmp_path):
    run(url_of(kind, tmp_path), *long_study, participants=6, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "bucket"])
def test_a_hundred_kills_under_twenty_participants(kind, long_study, tmp_path):
    run(url_of(kind, tmp_path), *long_study, participants=20, kills=100)
