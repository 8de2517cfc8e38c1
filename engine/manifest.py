"""assets/models.toml: the profiles, the weights each has, where their files are, and their hashes.

No torch here. An entry is addressed by name within a profile; "hand1000/ok" falls back to "hand1000", one
entry that serves several gestures. models.local.toml beside it, in the same form, adds or replaces a
person's own.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.types import SamplerSpec, UserError

ASSETS = Path(__file__).parent.parent / "assets"
ENTRY = "entry.json"  # describes an entry in its own folder, in place of models.toml
MADE = "made"  # the folder of weights that this machine made, beside the shipped ones
OUTSIDE = "outside"  # the kind of an entry that is another program: engine/outside.py
DIFFERENCE = "difference.safetensors"  # in place of a model's own file, for an entry with a base


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A backbone and what was trained on it."""

    name: str
    title: dict[str, str]  # language -> text
    note: dict[str, str]  # what a visitor must know of its pictures; shown on the screen
    size: tuple[int, int]  # (height_px, width_px) it was trained at
    unit: int  # px: heights and widths are multiples of it
    max_side: int  # px
    sampler: SamplerSpec
    half: bool = False  # half precision on a GPU
    bfloat16: bool = False  # the loop's models in it, on a CPU that multiplies matrices of it (AMX)
    safety: bool = False  # every picture passes the entry `safety`
    preview: tuple[
        tuple[float, ...], ...
    ] = ()  # (channels + 1, 3): latents to RGB in [-1, 1], last row constant


@dataclass(frozen=True, kw_only=True)
class Availability:
    ok: bool
    reason: str = ""
    command: str = ""  # what trains or fetches the missing files


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One set of weights."""

    name: str
    profile: str
    kind: str  # unet, vae, controlnet, text, scheduler, safety, outside
    files: Mapping[str, str] = field(
        default_factory=dict
    )  # path in the folder -> sha256, "" if not yet known
    folder: Path | None = None  # where the files lie, or
    repo: str = ""  # a repository of the hub,
    revision: str = ""
    subfolder: str = ""
    builtin: str = ""  # or a function of engine.tiny
    base: str = ""  # the entry that a difference is added to
    options: Mapping[str, Any] = field(default_factory=dict)
    fetch: Mapping[str, str] = field(
        default_factory=dict
    )  # of files that are brought into diffusers' layout first
    source: str = ""
    licence: str = ""
    purpose: str = ""
    command: str = ""

    def path(self, name: str) -> Path | None:
        """Where a file lies on this machine, or None."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repo, self.in_repo(name), revision=self.revision or None)
        return Path(found) if isinstance(found, str) else None

    def in_repo(self, name: str) -> str:
        return f"{self.subfolder}/{name}" if self.subfolder else name

    @property
    def missing(self) -> list[str]:
        if self.kind == OUTSIDE:
            return [] if self.options.get("run") else ["program"]
        return [] if self.builtin else [name for name in self.files if self.path(name) is None]

    def availability(self) -> Availability:
        missing = self.missing
        if not missing:
            return Availability(ok=True)
        return Availability(
            ok=False,
            reason=f"The weights '{self.name}' of profile {self.profile} are not here (no {missing[0]}).",
            command=self.command,
        )

    def verified(self, name: str) -> Path:
        """The file's path, once its content was found to be what the manifest says."""
        path = self.path(name)
        if path is None:
            state = self.availability()
            hint = f" Get them with: {state.command}" if state.command else ""
            raise UserError(
                state.reason + hint, code="weights_missing", entry=self.name, command=state.command
            )
        expected = self.files.get(name, "")
        if expected and sha256(path) != expected:
            raise UserError(
                f"The file {name} of the weights '{self.name}' is damaged or another version; get it again.",
                code="weights_damaged",
                entry=self.name,
                file=name,
            )
        return path

    def fingerprint(self) -> str:
        """Names the content: declared hashes, or those of the files where none is declared."""
        if self.kind == OUTSIDE:
            return f"outside:{json.dumps(dict(self.options), sort_keys=True)}"
        if self.builtin:
            return f"builtin:{self.builtin}:{json.dumps(dict(self.options), sort_keys=True)}"
        parts = []
        for name, declared in sorted(self.files.items()):
            path = self.path(name)
            parts.append(f"{name}:{declared or (sha256(path) if path else 'missing')}")
        return ";".join(parts)


def sha256(path: Path) -> str:
    state = path.stat()
    return _sha256(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else _digest(file)
        )


def _digest(file) -> str:  # Python 3.10 has no file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


class Manifest:
    """Profiles and their entries."""

    def __init__(self, assets: Path | None = None):
        self.assets = assets or ASSETS
        data = _read(self.assets / "models.toml")
        local = self.assets / "models.local.toml"
        if local.is_file():
            for key, table in _read(local).items():
                data[key] = {**data.get(key, {}), **table}
        self._profiles = data.pop("profiles", {})
        self._entries = data

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._profiles)

    def profile(self, name: str) -> Profile:
        if name not in self._profiles:
            raise UserError(
                f"There is no profile '{name}'; choose one of {', '.join(self.names)}.", code="bad_profile"
            )
        table = dict(self._profiles[name])
        table["sampler"] = SamplerSpec(**table.get("sampler", {}))
        table["size"] = tuple(table["size"])
        table["preview"] = tuple(tuple(row) for row in table.get("preview", ()))
        return Profile(name=name, **table)

    def entries(self, profile: str) -> list[Entry]:
        """All of a profile; aliases are not entries."""
        table = self._entries.get(profile, {})
        return [self.entry(profile, name) for name, fields in table.items() if "alias" not in fields]

    def entry(self, profile: str, name: str) -> Entry:
        """The entry of that name, or of its part before '/', after following aliases."""
        table = self._entries.get(profile, {})
        if name not in table and (described := self._self_described(profile, name)):
            return described
        found = name if name in table else name.partition("/")[0]
        for _ in range(4):
            if "alias" not in table.get(found, {}):
                break
            found = table[found]["alias"]
        if found not in table:
            gesture = name.partition("/")[2]
            known = ", ".join(sorted(key.partition("/")[2] for key in table if key.startswith(f"{found}/")))
            if gesture and known:
                raise UserError(
                    f"'{found}' was not tuned on the gesture '{gesture}'; there are weights for {known}.",
                    code="gesture_unknown",
                    gesture=gesture,
                    known=known,
                )
            raise UserError(
                f"The profile '{profile}' has no weights '{name}'.", code="weights_unknown", entry=name
            )
        return self._entry(profile, found, dict(table[found]))

    def chain(self, profile: str, name: str) -> list[Entry]:
        """The entry, the one it is a difference from, and so on."""
        chain = [self.entry(profile, name)]
        while chain[-1].base and len(chain) < 8:  # a ring in a hand-written manifest must end
            chain.append(self.entry(profile, chain[-1].base))
        return chain

    def folder(self, profile: str, name: str) -> Path:
        """Where an entry's files lie, unless it says otherwise."""
        return self.assets / "weights" / profile / name.replace("/", "-")

    def made_folder(self, profile: str, name: str) -> Path:
        """Where weights that are made on this machine go; they come before shipped ones of their name."""
        return self.assets / "weights" / profile / MADE / name.replace("/", "-")

    def _self_described(self, profile: str, name: str) -> Entry | None:
        for folder in (self.made_folder(profile, name), self.folder(profile, name)):
            try:
                table = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
                return self._entry(profile, name, table, folder)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError) as error:
                raise UserError(
                    f"The weights '{name}' have a damaged {ENTRY}: {error}.", code="bad_file"
                ) from None
        return None

    def _entry(self, profile: str, name: str, table: dict[str, Any], place: Path | None = None) -> Entry:
        """`place`: its folder, where the table does not say another."""
        if "package" in table:
            folder = Path(str(importlib.resources.files(table.pop("package"))))
        elif "path" in table:
            folder = Path(table.pop("path")).expanduser()
        elif "repo" in table or "builtin" in table:
            folder = None
        else:
            folder = place or self.folder(profile, name)
        return Entry(name=name, profile=profile, folder=folder, **table)

    def availability(self, profile: str, names: Iterable[str]) -> Availability:
        """The first of these entries that is not there, or ok; an unknown name is not there either."""
        for name in names:
            try:
                states = [entry.availability() for entry in self.chain(profile, name)]
            except UserError as error:
                return Availability(ok=False, reason=str(error))
            for state in states:
                if not state.ok:
                    return state
        return Availability(ok=True)

    def fingerprint(self, profile: str, names: Iterable[str]) -> str:
        """One hash over the content of these entries and their bases."""
        chains = [self.chain(profile, name) for name in sorted(set(names))]
        parts = [entry.fingerprint() for chain in chains for entry in chain]
        return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    with path.open("rb") as file:
        return tomllib.load(file)
