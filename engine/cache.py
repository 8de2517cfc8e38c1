"""Results by the key of their plan: in memory up to a number of bytes, on disk up to another.

Files are written whole or not at all, and a file that cannot be read is taken away and made again.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import zipfile
from collections import OrderedDict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.types import Plan, Result, UserError, from_json, to_json

logger = logging.getLogger(__name__)
MEMORY_BYTES = 256 << 20
DISK_BYTES = 2 << 30
_ARRAYS = ("image", "heat", "heat_steps", "self_map")
_GROUPS = ("heat_sites", "hints")  # dictionaries of arrays
_PLAIN = ("words", "hand_words", "text_parts", "seconds", "weights_hash")


class Cache:
    """Safe for several threads; several processes may share the folder."""

    def __init__(
        self, folder: Path | None = None, *, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES
    ):
        self.folder = folder
        self.memory_bytes = memory_bytes
        self.disk_bytes = disk_bytes
        self._memory: OrderedDict[str, Result] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Result | None:
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        result = self._read(key)
        if result is not None:
            self._remember(key, result)
        return result

    def put(self, key: str, result: Result) -> None:
        self._remember(key, result)
        if self.folder is not None:
            try:
                self._write(key, result)
            except OSError as error:  # a full or read-only disk costs the cache, not the picture
                logger.warning("the cache cannot write to %s: %s", self.folder, error)

    def _remember(self, key: str, result: Result) -> None:
        with self._lock:
            self._memory[key] = result
            self._memory.move_to_end(key)
            total = sum(size_of(r) for r in self._memory.values())
            while total > self.memory_bytes and self._memory:
                total -= size_of(self._memory.popitem(last=False)[1])

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> Result | None:
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            result = load_result(path)
            os.utime(path)  # the oldest use goes first
            return result
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, UserError) as error:
            logger.warning("a cached result is unreadable and is made again: %s", error)
            path.unlink(missing_ok=True)
            return None

    def _write(self, key: str, result: Result) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_result(path, result)
        self._prune()

    def _prune(self) -> None:
        found = [(p.stat().st_mtime, p.stat().st_size, p) for p in self.folder.glob("*/*.npz")]
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.disk_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def size_of(result: Result) -> int:
    """Bytes of its arrays."""
    arrays = [getattr(result, name) for name in _ARRAYS] + list(result.previews)
    arrays += [array for name in _GROUPS for array in getattr(result, name).values()]
    return sum(a.nbytes for a in arrays if a is not None)


def save_result(path: Path, result: Result) -> None:
    """One .npz: every array, the rest as JSON, no previews. Written beside and moved into place."""
    arrays = {name: getattr(result, name) for name in _ARRAYS if getattr(result, name) is not None}
    for group in _GROUPS:
        arrays.update({f"{group}/{name}": array for name, array in getattr(result, group).items()})
    plain = {"plan": to_json(result.plan), **{name: getattr(result, name) for name in _PLAIN}}
    data = np.frombuffer(json.dumps(plain, ensure_ascii=False).encode(), dtype=np.uint8)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            np.savez_compressed(file, json=data, **arrays)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_result(path: Path) -> Result:
    """The inverse of save_result; ValueError, KeyError or OSError when the file is not one."""
    with np.load(path, allow_pickle=False) as file:
        plain = json.loads(file["json"].tobytes())
        data: dict[str, Any] = {name: file[name] for name in _ARRAYS if name in file.files}
        for group in _GROUPS:
            start = f"{group}/"
            data[group] = {n.removeprefix(start): file[n] for n in file.files if n.startswith(start)}
    plan = from_json(plain.pop("plan"))
    if not isinstance(plan, Plan):
        raise ValueError("the file holds no plan")
    data.update({name: plain[name] for name in _PLAIN})
    data["words"], data["hand_words"] = tuple(data["words"]), tuple(data["hand_words"])
    result = Result(plan=plan, **data)
    _check(result)
    return result


def _check(result: Result) -> None:
    """A truncated or foreign file must not come back as a picture."""
    image = result.image
    if image.dtype != np.uint8 or image.shape != (*result.plan.size, 3):
        raise ValueError(f"an image of {image.shape} {image.dtype} for a plan of {result.plan.size}")


def copy_as(result: Result, plan: Plan) -> Result:
    """The cached result under the label of the plan that asked for it."""
    return replace(result, plan=plan, cached=True)


assert set(_ARRAYS) | set(_GROUPS) | set(_PLAIN) | {"plan", "previews", "cached"} == {
    f.name for f in fields(Result)
}
