"""What a method is, and the plan that all of them differ from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.attention import Recorder
from engine.init import Noise
from engine.outside import Outside
from engine.text import Prompt
from engine.types import Plan, Request

Text = Mapping[str, str]  # language ("en", "zh") -> text


@dataclass(frozen=True, kw_only=True)
class Param:
    """One slider or choice of a method: a keyword of its plan function."""

    name: str
    label: Text
    kind: Literal["float", "choice", "bool", "text"]
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    help: Text = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A published way to make the picture, as a function from a Request to a Plan."""

    name: str
    title: Text
    summary: Text
    changes: Text  # what differs from plain Stable Diffusion
    source: Text  # paper and code
    differs: Text  # what differs here from the paper and from its published code
    plan: Callable[..., Plan]  # (request, **params)
    params: tuple[Param, ...] = ()
    neutral: Mapping[str, Any] = field(default_factory=dict)  # params at which it is plain SD exactly
    baseline: bool = True
    alternatives: tuple[
        Mapping[str, Any], ...
    ] = ()  # params at which it runs on other weights than by default
    needs: tuple[Literal["hands", "gesture", "token"], ...] = ()  # of the request; token: of the run

    @property
    def defaults(self) -> dict[str, Any]:
        return {param.name: param.default for param in self.params}


def base(request: Request, method: str = "sd") -> Plan:
    """Plain Stable Diffusion: the prompt, from noise. The recorder stands last, for every method."""
    return Plan(
        method=method,
        weights="unet",
        text=Prompt(text=request.prompt, negative=request.negative),
        init=Noise(),
        attention=(Recorder(),),
        sampler=request.sampler,
        seed=request.seed,
        size=request.size,
    )


def phrase_of(gesture: str) -> str:
    """The words that captions use for a gesture of presets/gestures."""
    from engine.hand.gesture import load_gestures

    return load_gestures()[gesture].phrase


def by_authors(plan: Plan, request: Request) -> Plan:
    """The same request to the authors' own program (engine/outside.py), with plain SD's picture to refer to."""
    made = Outside(
        weights=f"{plan.method}-authors", reference=base(request), hands=request.hands, camera=request.camera
    )
    return replace(plan, init=made, structure=())


AUTHORS = "authors"
WHOSE = Param(
    name="whose",
    label={"en": "Weights", "zh": "权重"},
    kind="choice",
    default="ours",
    choices=("ours", AUTHORS),
    help={
        "en": "authors: their own program and weights, where the owner of this machine has declared them.",
        "zh": "authors：作者自己的程序与权重，需由本机所有者声明。",
    },
)
STRENGTH = Param(
    name="strength",
    label={"en": "Control strength", "zh": "控制强度"},
    kind="float",
    default=1.0,
    minimum=0.0,
    maximum=2.0,
    step=0.05,
    help={
        "en": "Factor on everything the control branch adds; 0 is plain SD.",
        "zh": "控制分支输出的系数；0 等同于原始 SD。",
    },
)
TUNED = Param(
    name="tuned",
    label={"en": "Tuned weights", "zh": "使用微调权重"},
    kind="bool",
    default=True,
    help={
        "en": "Off: the same text on the base weights.",
        "zh": "关闭：在基础权重上使用相同的文本条件。",
    },
)
