"""A job's shares in processes of this machine, which end with the process that started them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

from engine.types import UserError


def run_shares(work: Callable[..., None], args: tuple[Any, ...], processes: int) -> None:
    """`work(*args, worker, processes)` for every worker; in this process where there is one.

    `work` must bear being killed between any two instructions, and go on where it was.

    Raises UserError where a worker failed.
    """
    if processes == 1:
        work(*args, 0, 1)
        return
    context = multiprocessing.get_context("spawn")
    level = logging.getLogger().getEffectiveLevel()
    workers = [
        context.Process(target=_share, args=(level, work, args, i, processes)) for i in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise UserError(
            "A worker stopped early; run the command again, it goes on where it was.", code="worker_failed"
        )


def _share(level: int, work: Callable[..., None], args: tuple[Any, ...], worker: int, workers: int) -> None:
    _end_with_parent()
    logging.basicConfig(level=level, format=f"%(asctime)s [{worker}] %(message)s", datefmt="%H:%M:%S")
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    work(*args, worker, workers)


def _end_with_parent() -> None:
    """A signal that kills the parent leaves its children: they would go on beside those of the next try."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
