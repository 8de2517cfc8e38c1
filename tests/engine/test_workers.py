from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.types import UserError
from engine.workers import run_shares


def note(folder: Path, worker: int, workers: int) -> None:
    (folder / f"{worker}-of-{workers}").write_text(str(os.getpid()))


def note_and_stay(folder: Path, worker: int, workers: int) -> None:
    note(folder, worker, workers)
    time.sleep(600)


def fail_second(folder: Path, worker: int, workers: int) -> None:
    if worker == 1:
        raise ValueError("the second fails")


def test_one_worker_is_this_process(tmp_path):
    run_shares(note, (tmp_path,), 1)
    assert (tmp_path / "0-of-1").read_text() == str(os.getpid())


def test_a_failed_worker_is_told(tmp_path):
    with pytest.raises(UserError, match="stopped early"):
        run_shares(fail_second, (tmp_path,), 2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("blow", ["SIGTERM", "SIGKILL"])
def test_workers_end_with_a_killed_parent(tmp_path, blow):
    program = (
        "from pathlib import Path\n"
        "from engine.workers import run_shares\n"
        "from tests.engine.test_workers import note_and_stay\n"
        "if __name__ == '__main__':\n"
        f"    run_shares(note_and_stay, (Path({str(tmp_path)!r}),), 2)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(program)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": str(root)})
    try:
        workers = [int(_read(tmp_path / f"{worker}-of-2")) for worker in range(2)]
        assert all(map(_lives, workers))
        parent.send_signal(getattr(signal, blow))
        parent.wait()
        until = time.monotonic() + 20
        while any(map(_lives, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(_lives, workers))
    finally:
        parent.kill()


def _read(path: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise TimeoutError(path)


def _lives(pid: int) -> bool:
    """A zombie that nobody waits for has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
