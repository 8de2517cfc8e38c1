"""Which rows a table has: methods with their parameters, and the yardsticks beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.evaluate.cases import PromptStyle
from engine.types import UserError

CEILING, CHANCE, AUTOENCODER = "renders", "shuffled", "autoencoder"
HAND1000_GESTURES = ("call", "four", "like", "mute", "ok", "palm")  # the paper's six


def result_files(folder: Path) -> list[Path]:
    """The JSON files that the commands wrote, as they are read: suites, ablations, the downstream table."""
    return sorted(
        folder.glob("*.json"),
        key=lambda path: (path.stem == "downstream", "-ablate-" in path.stem, path.stem),
    )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row: a method with parameters, or, with method None, a yardstick made of the renders themselves."""

    name: str
    title: str
    method: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


YARDSTICKS = (
    Variant(name=CEILING, title="held-out renders (ceiling)"),
    Variant(name=AUTOENCODER, title="renders through the autoencoder"),
    Variant(name=CHANCE, title="renders of other cases (chance)"),
)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A set of cases and the prompts their methods get."""

    name: str
    title: str
    style: PromptStyle
    methods: tuple[str, ...] = ()  # those of engine.methods.METHODS that the paper's table has, in its order
    gestures: tuple[str, ...] | None = None
    reference: str = "sd"  # what every row is compared with, case by case


STRUCTURE = Suite(
    name="structure",
    title="Hands as the mesh says (layout of SesaHand's Table 1)",
    style="wordy",
    methods=("sd", "handrefiner", "foundhand", "handbooster", "controlnet", "attentionhand", "sesahand"),
    reference="controlnet",
)
GESTURE = Suite(
    name="gesture",
    title="Gestures as the prompt says (layout of Hand1000's Table 2)",
    style="phrase",
    methods=("sd", "sd_ft", "imagic", "sd_ft_imagic", "handrefiner", "controlnet", "sesahand", "hand1000"),
    gestures=HAND1000_GESTURES,
)
SUITES = {suite.name: suite for suite in (STRUCTURE, GESTURE)}


def variants(suite: Suite, names: Sequence[str] | None = None) -> list[Variant]:
    """The suite's methods that this build has, or exactly the named ones."""
    from engine.methods import METHODS

    if unknown := set(names or ()) - set(METHODS):
        raise UserError(
            f"Unknown methods {sorted(unknown)}; there are {', '.join(METHODS)}.", code="unknown_method"
        )
    chosen = names or [name for name in suite.methods if name in METHODS]
    return [Variant(name=name, title=METHODS[name].title["en"], method=name) for name in chosen]


@dataclass(frozen=True, kw_only=True)
class Study:
    """An ablation: variants of one method over a suite's cases."""

    name: str
    title: str
    suite: Suite
    variants: tuple[Variant, ...]
    reference: str

    @property
    def titled(self) -> Suite:
        """Its suite under its own title."""
        return replace(self.suite, title=self.title)


def _variant(name: str, title: str, method: str, **params: Any) -> Variant:
    return Variant(name=name, title=title, method=method, params=params)


_NO_FUSION, _NO_BOOST, _NO_SEMANTICS = {"fusion": "off"}, {"alpha": 0.0}, {"semantics": "off"}
_PLAIN = {"weights": "controlnet"}

# SesaHand's Table 3: each module with the control branch that was trained for it. The rows after it take
# modules away from, or put them onto, a branch that was trained otherwise.
MODULES = Study(
    name="sesahand",
    title="SesaHand's modules, one after the other and each left out (layout of its Table 3)",
    suite=STRUCTURE,
    reference="none",
    variants=(
        _variant("none", "none", "sesahand", **_PLAIN, **_NO_SEMANTICS, **_NO_FUSION, **_NO_BOOST),
        _variant("se", "+SE", "sesahand", **_PLAIN, **_NO_FUSION, **_NO_BOOST),
        _variant("se-sf", "+SE+SF", "sesahand", **_NO_BOOST),
        _variant("se-sf-ae", "+SE+SF+AE", "sesahand"),
        _variant("without-se", "all but SE", "sesahand", **_NO_SEMANTICS),
        _variant("without-sf", "all but SF", "sesahand", **_NO_FUSION),
        _variant("untrained", "all, on a plain ControlNet", "sesahand", **_PLAIN),
        _variant("elementwise", "fusion element by element", "sesahand", fusion="elementwise"),
        _variant("all-outputs", "fusion of all 13 outputs", "sesahand", targets="all"),
    ),
)
ALPHA = Study(
    name="alpha",
    title="SesaHand's α, the weight of the hand attention enhancement",
    suite=STRUCTURE,
    reference="alpha-0",
    variants=tuple(
        _variant(f"alpha-{alpha:g}", f"α = {alpha:g}", "sesahand", alpha=alpha)
        for alpha in (0.0, 1.0, 1.5, 2.0, 2.5)
    ),
)
# λ is a matter of training: λ = 1, no fusion at all, is fine-tuned Stable Diffusion.
HAND1000 = Study(
    name="hand1000",
    title="Hand1000's λ and μ, and its controls",
    suite=GESTURE,
    reference="lambda-1",
    variants=(
        _variant("lambda-1", "λ = 1 (fine-tuned SD)", "sd_ft"),
        *(
            _variant(f"mu-{share:g}", f"μ = {share:g}", "hand1000", share=share)
            for share in (1.0, 0.9, 0.7, 0.5, 0.3)
        ),
        _variant("zeroed", "gesture zeroed", "hand1000", zero_gesture=True),
        _variant("untuned", "fusion on the base weights", "hand1000", tuned=False),
    ),
)
STUDIES = {study.name: study for study in (MODULES, ALPHA, HAND1000)}
