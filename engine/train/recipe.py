"""A training recipe: one TOML file, read into frozen settings."""

from __future__ import annotations

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.types import UserError

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How long and how fast a stage learns. The clock counts training only, over all resumed runs."""

    minutes: float = 10.0  # stop after this much training time …
    steps: int = 1_000_000_000  # … or after this many steps, whichever comes first
    batch: int = 32
    lr: float = 3e-4
    warmup: int = 100  # steps
    final_lr: float = 0.1  # cosine decay ends at this share of lr
    weight_decay: float = 0.01
    beta2: float = 0.99  # Adam's
    ema: float = 0.999
    clip: float = 1.0  # gradient norm
    precision: str = "no"  # accelerate's: no | bf16 | fp16
    half_norms: bool = False  # with bf16 on a GPU: norms in it too
    channels_last: bool = True
    compile: bool = False
    save_every_s: float = 120.0
    sample_every_s: float = 600.0
    options: dict[str, Any] = field(default_factory=dict)  # the stage's own switches


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    data: str  # folder of corpus shards
    out: str  # folder of runs
    limit: int = 1_000_000  # pictures to use at most
    seed: int = 0
    size: int = 256  # px
    mirror: bool = False  # also every picture's mirror image
    start: str = (
        ""  # folder of embedded weights to go on from: autoencoder kept, base and control branch tuned on
    )
    profile: str = "embedded"  # another one's frozen models are tuned: no autoencoder, no base of our own
    rank: int = 32  # of the stored differences; 0 stores tuned models whole
    vae: dict[str, Any] = field(default_factory=dict)  # AutoencoderKL arguments
    unet: dict[str, Any] = field(default_factory=dict)  # UNet2DConditionModel arguments
    hint_channels: tuple[int, ...] = (8, 16, 32, 96, 128)  # ControlNet's conditioning_embedding_out_channels
    scheduler: dict[str, Any] = field(default_factory=dict)  # DDIMScheduler arguments
    stages: dict[str, StageSettings] = field(default_factory=dict)

    @property
    def hints(self) -> tuple[str, ...]:
        """Kinds of hint images that its stages need beside the mesh image."""
        kinds = {str(s.options.get("hint", "mesh")) for s in self.stages.values()}
        return tuple(sorted(kinds - {"mesh"}))

    def keeps(self, stage: str) -> bool:
        """Whether the stage's weights stay as they are: it goes on from others' and does not name the stage."""
        return (bool(self.start) or self.borrows) and stage not in self.stages

    @property
    def borrows(self) -> bool:
        """Whether the frozen models are those of a profile that was not trained here."""
        return self.profile != "embedded"

    def kept_rank(self, stage: str, otherwise: int) -> int:
        """Of the stage's stored difference: the one it learnt at, if it learnt at one."""
        low = self.stage(stage).options.get("low_rank")
        return low["rank"] if low else otherwise

    def kept_share(self, stage: str) -> float:
        """Of the energy of that difference: what must be left when its least useful factors go."""
        return self.stage(stage).options.get("low_rank", {}).get("keep", 1.0)

    def stage(self, name: str) -> StageSettings:
        if name not in self.stages:
            raise UserError(f"The recipe {self.name!r} has no stage {name!r}; it has {sorted(self.stages)}.")
        return self.stages[name]


def load_recipe(name: str | Path) -> Recipe:
    """A shipped recipe by name ("cpu", "full", "toy") or any TOML file by path.

    With `like`, everything but the stages is another recipe's where the file does not say otherwise.
    """
    path = Path(name) if str(name).endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise UserError(f"No recipe {name!r}: give a .toml file or one of {known}.")
    data = tomllib.loads(path.read_text())
    if like := data.pop("like", None):
        other = tomllib.loads((path.parent / f"{like}.toml").read_text())
        data = {**{key: value for key, value in other.items() if key != "stages"}, **data}
    known = {f.name for f in fields(StageSettings)} - {"options"}
    stages = {}
    for stage, values in data.pop("stages", {}).items():
        settings = {k: v for k, v in values.items() if k in known}
        options = {k: v for k, v in values.items() if k not in known}
        stages[stage] = StageSettings(**settings, options=options)
    data["hint_channels"] = tuple(data.get("hint_channels", Recipe.hint_channels))
    return Recipe(name=path.stem, stages=stages, **data)
