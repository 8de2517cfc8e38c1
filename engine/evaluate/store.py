"""Rows of JSON in append-only files: a killed run keeps every finished row, the next does only the rest.

Each process appends to a file of its own, so no lock is needed. A line torn by a kill is skipped when read
and ended before the next is written.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class RowWriter:
    """Appends rows to one file; each is on disk when `write` returns."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab")  # noqa: SIM115 - closed by close()
        if self._file.tell() and not path.read_bytes().endswith(b"\n"):
            self._file.write(b"\n")

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_rows(folder: Path, pattern: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """Every whole row of the folder's files, files in order of name."""
    for path in sorted(folder.glob(pattern)):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                yield json.loads(line)
            except ValueError:
                if line.strip():
                    logger.warning("%s:%d is not a whole row; skipped", path, number)
