"""Last step: what was trained becomes assets/weights/embedded, in diffusers' layout, half precision, safetensors.

The control branch of SesaHand and the UNet of Hand1000 are stored as low-rank differences from what they
started from; how much of the difference that keeps is printed and written to weights.json.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.manifest import DIFFERENCE, sha256
from engine.train.recipe import Recipe
from engine.weights import save_difference, widen_hint

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel

    from engine.train.hand1000 import Tuned

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Made:
    """What the stages made so far."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler: DDIMScheduler
    branch: ControlNetModel  # what the control stages start from
    controlnet: ControlNetModel | None = None
    sesahand: ControlNetModel | None = None
    hand1000: Iterable[Tuned] = ()  # one for each gesture, or one for all of them
    sd_ft: Iterable[Tuned] = ()
    branches: dict[str, ControlNetModel] = field(default_factory=dict)  # of other hints than the mesh image

    @property
    def start(self) -> ControlNetModel:
        """What the differences of embedded control branches are from."""
        return self.controlnet or self.branch

    def start_of(self, branch: ControlNetModel) -> ControlNetModel:
        """The same, as wide as `branch`."""
        channels = branch.config.conditioning_channels
        if channels == self.start.config.conditioning_channels:
            return self.start
        wide = copy.deepcopy(self.start)
        widen_hint(wide, channels)
        return wide


def store(made: Made, recipe: Recipe) -> Path:
    """What was tuned on a borrowed profile, as entries in <out>/weights, and models.local.toml that declares them.

    Whole models in half precision, or differences from the profile's own of the recipe's rank. Returns that file:
    beside assets/models.toml it makes the methods of the profile run on these weights.
    """
    from engine.weights import save_gestures

    root = Path(recipe.out).resolve() / "weights"
    lines = [f"# What the recipe {recipe.name} made; belongs beside assets/models.toml."]

    def add(name: str, model, base=None, base_name: str = "", gestures=None) -> None:
        folder = root / name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        if recipe.rank and base is not None:
            kept = save_difference(
                folder / DIFFERENCE, model.state_dict(), base.state_dict(), rank=recipe.rank
            )
            log.info("%s: %.4f of the difference kept at rank %d", name, kept, recipe.rank)
        else:
            base_name = ""
            save_half(model, folder)
        if gestures is not None:
            save_gestures(folder, gestures)
        table = {
            "kind": "controlnet" if "controlnet" in type(model).__name__.lower() else "unet",
            **({"base": base_name} if base_name else {}),
            "path": str(folder),
            "source": f"this machine, recipe {recipe.name}",
            "licence": "that of the base weights and of the pictures",
            "purpose": name,
            "command": f"python -m engine.train {name.partition('/')[0]} ship --recipe {recipe.name}",
        }
        lines.append(f"\n[{recipe.profile}.{json.dumps(name)}]")
        lines.extend(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())
        if base_name and (channels := getattr(model.config, "conditioning_channels", 3)) != 3:
            lines.append(f"options = {{ hint_channels = {channels} }}")
        lines.append(f"[{recipe.profile}.{json.dumps(name)}.files]")
        lines.extend(
            f'{json.dumps(path.name)} = "{sha256(path)}"'
            for path in sorted(folder.iterdir())
            if path.is_file()
        )

    if made.controlnet is not None:
        add("controlnet", made.controlnet)
    if made.sesahand is not None:
        add("sesahand", made.sesahand, made.controlnet, "controlnet")
    for tuned in made.hand1000:
        add(_entry("hand1000", tuned), tuned.unet, made.unet, "unet", tuned.gestures())
    for tuned in made.sd_ft:
        add(_entry("sd_ft", tuned), tuned.unet, made.unet, "unet")
    for name, branch in made.branches.items():
        add(name, branch, made.controlnet and made.start_of(branch), "controlnet")
    path = root / "models.local.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    log.info(
        "%s declares the weights: put it beside assets/models.toml, or add its lines to yours there", path
    )
    return path


def _entry(stage: str, tuned: Tuned) -> str:
    """A set of weights for one gesture, as published, is an entry of that gesture."""
    return f"{stage}/{next(iter(tuned.phrases))}" if len(tuned.phrases) == 1 else stage


def save_half(model, folder: Path) -> None:
    """The model in diffusers' layout, its fp16 variant; itself it stays as it is.

    Values have bfloat16's seven bits of mantissa, the precision in which they learnt and in which processors with
    matrix units run them: a fifth less to download, where downloads are compressed.
    """
    import torch

    copy = type(model).from_config(model.config)
    copy.load_state_dict(model.state_dict())
    copy.to(torch.bfloat16).to(torch.float16).save_pretrained(folder, variant="fp16")


def ship(made: Made, recipe: Recipe, assets: Path) -> dict[str, Any]:
    """Writes the entries that were made; returns and stores a report of sizes, hashes and kept shares.

    Entries that the recipe only goes on from stay as they are, in the folder and in the report.
    """
    from engine.weights import save_gestures

    root = assets / "weights" / "embedded"
    report: dict[str, Any] = {"recipe": recipe.name, "stages": _stages(recipe), "kept": {}, "files": {}}
    if recipe.start and (root / "weights.json").is_file():
        before = json.loads((root / "weights.json").read_text())
        report["recipe"] = f"{before['recipe']}; then {recipe.name}"
        report["stages"] = {**before["stages"], **report["stages"]}
        report["kept"] = {name: kept for name, kept in before["kept"].items() if (root / name).is_dir()}

    def whole(name: str, model) -> None:
        save_half(model, root / name)

    def difference(stage: str, tuned, base, *, folder: str = "", rank: int = recipe.rank) -> None:
        path = root / (folder or stage)
        path.mkdir(parents=True, exist_ok=True)
        kept = save_difference(
            path / DIFFERENCE,
            tuned.state_dict(),
            base.state_dict(),
            rank=recipe.kept_rank(stage, rank),
            keep=recipe.kept_share(stage),
        )
        report["kept"][path.name] = round(kept, 4)

    if not recipe.start:
        whole("vae", made.vae)
        made.scheduler.save_pretrained(root / "scheduler")
    if not recipe.keeps("base"):
        whole("unet", made.unet)
    if made.controlnet is not None:
        whole("controlnet", made.controlnet)
    if made.sesahand is not None:
        difference("sesahand", made.sesahand, made.start)
    for tuned in made.hand1000:
        folder = _entry("hand1000", tuned).replace("/", "-")
        difference("hand1000", tuned.unet, made.unet, folder=folder)
        save_gestures(root / folder, tuned.gestures())
    for tuned in made.sd_ft:
        difference("sd_ft", tuned.unet, made.unet, folder=_entry("sd_ft", tuned).replace("/", "-"))
    for name, branch in made.branches.items():
        difference(name, branch, made.start_of(branch), rank=recipe.rank // 3)
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name != "weights.json":
            report["files"][str(path.relative_to(root))] = {
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
    (root / "weights.json").write_text(json.dumps(report, indent=2) + "\n")
    total = sum(f["bytes"] for f in report["files"].values())
    log.info("shipped %.1f MB to %s; of the differences kept: %s", total / 1e6, root, report["kept"])
    return report


def _stages(recipe: Recipe) -> dict[str, Any]:
    """What each stage's done.json says: steps, seconds, last loss. Hand1000 may have a run for each gesture."""
    out = Path(recipe.out)
    done = {str(p.parent.relative_to(out)): json.loads(p.read_text()) for p in out.rglob("done.json")}
    return {
        name: report
        for stage in recipe.stages
        for name, report in sorted(done.items())
        if name.partition("/")[0] == stage
        or (recipe.stages[stage].options.get("each") and name.startswith(f"{stage}-"))
    }
