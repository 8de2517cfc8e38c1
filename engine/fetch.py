"""`python -m engine.fetch PROFILE [ENTRY ...]`: brings the public weights of a profile to this machine.

Files of the hub go to its own cache, at the pinned revision. What the hub has in another layout (a pickle,
a single file) is converted once, and stored under assets/weights. `--hash` writes the hashes of local files
into models.toml.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from pathlib import Path

from engine.manifest import Entry, Manifest, sha256
from engine.types import UserError

logger = logging.getLogger(__name__)


def fetch(manifest: Manifest, entry: Entry, given: Path | None = None) -> None:
    """Every missing file of one entry; `given` is a file that a person got from where its authors keep it."""
    from huggingface_hub import hf_hub_download

    if not entry.missing:
        return
    if "prefix" in entry.fetch:
        if given is None:
            raise UserError(f"The authors keep these weights off the hub. With their file: {entry.command}")
        _convert_controlnet(manifest, entry, _authors_file(given, entry.fetch["prefix"]))
    elif entry.repo:
        for name in entry.missing:
            logger.info("%s: %s", entry.name, name)
            hf_hub_download(entry.repo, entry.in_repo(name), revision=entry.revision)
    elif "like" in entry.fetch:
        _convert_controlnet(manifest, entry, _download(entry, entry.fetch["file"]))
    elif entry.fetch:
        _convert_pickle(entry)
    else:
        raise UserError(f"The weights '{entry.name}' are not on the hub. Make them with: {entry.command}")
    for name in entry.files:
        entry.verified(name)


def _download(entry: Entry, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(entry.fetch["repo"], name, revision=entry.fetch["revision"]))
    expected = entry.fetch.get("sha256")
    if expected and sha256(path) != expected:
        raise UserError(f"The downloaded {name} is not the file that was pinned.", code="weights_damaged")
    return path


def _convert_pickle(entry: Entry) -> None:
    """A state dict in torch's format, read without running code, written as safetensors beside its config."""
    import torch
    from safetensors.torch import save_file

    state = torch.load(_download(entry, entry.fetch["file"]), map_location="cpu", weights_only=True)
    entry.folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half().contiguous() for name, value in state.items()},
        entry.folder / "diffusion_pytorch_model.safetensors",
        metadata={"format": "pt"},
    )
    config = _download(entry, entry.fetch["config"]).read_text()
    (entry.folder / "config.json").write_text(config)


def _authors_file(path: Path, prefix: str) -> Path:
    """The ControlNet that a checkpoint holds under its authors' prefix, as a file in the original layout."""
    import torch
    from safetensors.torch import save_file

    if not path.is_file():
        raise UserError(f"There is no file {path}.", code="bad_file")
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    inside = {k.removeprefix(prefix): v.half().contiguous() for k, v in state.items() if k.startswith(prefix)}
    if not inside:
        raise UserError(f"The file {path.name} holds no weights that begin with {prefix}.", code="bad_file")
    out = path.with_suffix(".controlnet.safetensors")
    save_file({f"control_model.{name}": value for name, value in inside.items()}, out)
    return out


def _convert_controlnet(manifest: Manifest, entry: Entry, file: Path) -> None:
    """A ControlNet in the original layout, given the config of another of its kind."""
    import torch
    from diffusers import ControlNetModel

    like = manifest.entry(entry.profile, entry.fetch["like"])
    fetch(manifest, like)
    model = ControlNetModel.from_single_file(
        str(file),
        config=str(like.verified("config.json").parent),
        torch_dtype=torch.float16,
        local_files_only=True,
    )
    model.save_pretrained(entry.folder)


def write_hashes(toml: Path, profile: str, entries: list[Entry]) -> int:
    """Fills the [PROFILE.ENTRY.files] tables of models.toml for local files; returns how many hashes."""
    text, count = toml.read_text(encoding="utf-8"), 0
    for entry in entries:
        if entry.folder is None:
            continue
        key = json.dumps(entry.name) if "/" in entry.name else entry.name
        head = re.search(
            rf"^\[{re.escape(profile)}\.{re.escape(key)}\.files\]\n((?:\".*\n)*)", text, re.MULTILINE
        )
        if head is None:
            continue
        lines = []
        for line in head[1].splitlines():
            name = json.loads(line.split(" = ")[0])
            path = entry.path(name)
            lines.append(f'"{name}" = "{sha256(path)}"' if path else line)
            count += path is not None
        text = text[: head.start(1)] + "".join(f"{line}\n" for line in lines) + text[head.end(1) :]
    toml.write_text(text, encoding="utf-8")
    return count


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.fetch", description=__doc__.splitlines()[0])
    parser.add_argument("profile")
    parser.add_argument("entries", nargs="*", help="all of the profile's public ones, if none is named")
    parser.add_argument(
        "--hash", action="store_true", help="write the hashes of local files into models.toml"
    )
    parser.add_argument("--from", dest="given", type=Path, help="the authors' own file, for one entry")
    parser.add_argument("--assets", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    manifest = Manifest(options.assets)
    try:
        manifest.profile(options.profile)
        named = [manifest.entry(options.profile, name) for name in options.entries]
        entries = named or manifest.entries(options.profile)
        if options.hash:
            count = write_hashes(manifest.assets / "models.toml", options.profile, entries)
            logger.info("%d hashes written", count)
            return 0
        for entry in entries:
            if named or entry.repo or "repo" in entry.fetch:
                fetch(manifest, entry, options.given)
    except UserError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
