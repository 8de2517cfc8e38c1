"""Which rows a table has: methods with their parameters, and the yardsticks beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.evaluate.cases import PromptStyle
from engine.types import UserError

CEILING, CHANCE = "renders", "shuffled"
HAND1000_GESTURES = ("call", "four", "like", "mute", "ok", "palm")  # the paper's six


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row: a method with parameters, or, with method None, a yardstick made of the renders themselves."""

    name: str
    title: str
    method: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


YARDSTICKS = (
    Variant(name=CEILING, title="held-out renders (ceiling)"),
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


STRUCTURE = Suite(
    name="structure",
    title="Hands as the mesh says (layout of SesaHand's Table 1)",
    style="wordy",
    methods=("sd", "handrefiner", "foundhand", "handbooster", "controlnet", "attentionhand", "sesahand"),
)
GESTURE = Suite(
    name="gesture",
    title="Gestures as the prompt says (layout of Hand1000's Table 2)",
    style="phrase",
    methods=("sd", "sd-ft", "imagic", "sd-ft+imagic", "handrefiner", "controlnet", "sesahand", "hand1000"),
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
    suite: Suite
    variants: tuple[Variant, ...]


def _sweep(method: str, title: str, **values: Sequence[Any]) -> tuple[Variant, ...]:
    """One variant a value of one parameter."""
    ((name, settings),) = values.items()
    return tuple(
        Variant(
            name=f"{method}-{name}-{value:g}", title=f"{title} {value:g}", method=method, params={name: value}
        )
        for value in settings
    )
