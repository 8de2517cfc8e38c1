"""A study that can be run: what `python -m demo.study prepare` made, read back.

ROOT/NAME/VERSION holds `study.json` (definition, methods, a plan a picture) and `pictures/`, named by their
content. VERSION is the hash of all of it. ROOT/NAME/current holds the version new participants get; earlier
versions stay, for those who began with them. SHIPPED holds the ready studies in the same form; a study of the same
name under ROOT goes before it.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demo.study.definition import Study, parse
from demo.study.schedule import Design
from engine.types import UserError

ROOT = Path(__file__).parents[2] / "data" / "studies"
SHIPPED = Path(__file__).parents[2] / "presets" / "studies" / "prepared"
SCHEMA = 1  # of study.json
_VERSION = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A study that can be run: its definition and where its pictures lie."""

    study: Study
    version: str
    methods: tuple[str, ...]
    breakable: tuple[tuple[str, str], ...]  # (method, stimulus) with a broken twin
    folder: Path
    pictures: dict[str, dict[str, str]]  # method -> stimulus -> file
    broken: dict[str, dict[str, str]]  # the same, for breakable
    references: dict[str, str]  # item -> file

    @cached_property
    def design(self) -> Design:
        catch = self.study.catch
        return Design(
            methods=self.methods,
            pairs=self.study.pairs(self.methods),
            stimuli=self.study.stimuli,
            breakable=self.breakable,
            comparisons=self.study.comparisons,
            identical=catch.identical,
            broken=catch.broken,
            repeated=catch.repeated,
            seed=self.study.seed,
        )

    def picture(self, method: str, stimulus: str, broken: bool = False) -> bytes:
        return self._read((self.broken if broken else self.pictures)[method][stimulus])

    def reference(self, item: str) -> bytes | None:
        return self._read(self.references[item]) if item in self.references else None

    def _read(self, name: str) -> bytes:
        return (self.folder / "pictures" / name).read_bytes()


def load(name: str, root: Path = ROOT, version: str | None = None) -> Prepared:
    """The prepared study `name`: `version`, or the current one."""
    newest = current(name, root)  # also holds that the name is one of ours, and no path
    version = version or newest
    folders = (home / name / version for home in homes(root))
    folder = next((folder for folder in folders if (folder / "study.json").is_file()), None)
    if not _VERSION.fullmatch(version) or folder is None:
        raise UserError(
            f"Version {version} of the study {name!r} is not here.", code="no_version", version=version
        )
    raw = json.loads((folder / "study.json").read_text("utf-8"))
    if raw["schema"] != SCHEMA:
        raise UserError(
            f"The study {name!r} was prepared by another release: prepare it again.", code="old_study"
        )
    return Prepared(
        study=parse(raw["definition"], name),
        version=raw["version"],
        methods=tuple(raw["methods"]),
        breakable=tuple((method, stimulus) for method, stimulus in raw["breakable"]),
        folder=folder,
        pictures=raw["pictures"],
        broken=raw["broken"],
        references=raw["references"],
    )


def current(name: str, root: Path = ROOT) -> str:
    """The version that new participants get."""
    if name not in names(root):
        raise UserError(
            f"The study {name!r} is not prepared: run `python -m demo.study prepare {name}`.",
            code="not_prepared",
            name=name,
        )
    pointers = (home / name / "current" for home in homes(root))
    return next(pointer for pointer in pointers if pointer.is_file()).read_text().strip()


def homes(root: Path) -> tuple[Path, ...]:
    """Where to look, first to last: the shipped studies stand in for those that nobody prepared here."""
    return (root, SHIPPED) if root == ROOT else (root,)


def names(root: Path = ROOT) -> list[str]:
    """Names of the studies that are prepared."""
    return sorted({path.parent.name for home in homes(root) for path in home.glob("*/current")})


class Library:
    """The prepared studies under a folder, each read once a version."""

    def __init__(self, root: Path = ROOT):
        self._root = root
        self._read: dict[tuple[str, str], Prepared] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        return names(self._root)

    def get(self, name: str, version: str | None = None) -> Prepared:
        """`version` of the study, or the current one, which a new `prepare` may have changed."""
        version = version or current(name, self._root)
        with self._lock:
            if (name, version) not in self._read:
                self._read[name, version] = load(name, self._root, version)
            return self._read[name, version]
