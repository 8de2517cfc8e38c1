"""What a request must be before a method may plan it; every refusal is one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.types import SAMPLERS, HandPose, Request, SamplerSpec, UserError

if TYPE_CHECKING:
    from engine.manifest import Profile
    from engine.methods import Param

MAX_PROMPT = 2000  # characters
MAX_STEPS = 100
MAX_CFG = 30.0
MAX_BETA = 5.0  # standard deviations
MIN_DISTANCE_M, MAX_DISTANCE_M = 0.05, 10.0
SEEDS = 2**32


def check(request: Request, profile: Profile) -> Request:
    """The request in its canonical form (stripped text, plain numbers), or UserError."""
    return replace(
        request,
        prompt=_prompt(request.prompt, "prompt", required=True),
        negative=_prompt(request.negative, "negative prompt"),
        seed=_whole(request.seed, 0, SEEDS - 1, "seed"),
        size=_size(request.size, profile),
        sampler=_sampler(request.sampler),
        hands=_hands(request),
    )


def _prompt(text: str, name: str, *, required: bool = False) -> str:
    text = " ".join(str(text).split())
    if required and not text:
        raise UserError("The prompt is empty; say what the picture shows.", code="empty_prompt")
    if len(text) > MAX_PROMPT:
        raise UserError(
            f"The {name} has {len(text):,} characters; use at most {MAX_PROMPT:,}.",
            code="long_prompt",
            length=len(text),
            limit=MAX_PROMPT,
        )
    return text


def _whole(value: Any, low: int, high: int, name: str) -> int:
    try:
        number = int(value)
        exact = number == float(value)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact or not low <= number <= high:
        raise UserError(
            f"The {name} must be a whole number from {low} to {high}.",
            code="bad_number",
            name=name,
            low=low,
            high=high,
        )
    return number


def _real(value: Any, low: float, high: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:  # false for NaN too
        raise UserError(
            f"The {name} must be a number from {low:g} to {high:g}.",
            code="bad_number",
            name=name,
            low=low,
            high=high,
        )
    return number


def _size(size: Sequence[int], profile: Profile) -> tuple[int, int]:
    try:
        height, width = size
    except (TypeError, ValueError):
        raise UserError("The size must be a height and a width.", code="bad_size") from None
    sides = tuple(_whole(side, profile.unit, profile.max_side, "picture's side") for side in (height, width))
    if any(side % profile.unit for side in sides):
        raise UserError(
            f"The picture's sides must be multiples of {profile.unit} pixels.",
            code="bad_size",
            unit=profile.unit,
        )
    return sides


def _sampler(spec: SamplerSpec) -> SamplerSpec:
    if spec.kind not in SAMPLERS:
        raise UserError(
            f"There is no sampler '{spec.kind}'; choose one of {', '.join(SAMPLERS)}.", code="bad_sampler"
        )
    return SamplerSpec(
        kind=spec.kind,
        steps=_whole(spec.steps, 1, MAX_STEPS, "number of steps"),
        cfg=_real(spec.cfg, 0.0, MAX_CFG, "guidance scale"),
        eta=_real(spec.eta, 0.0, 1.0, "eta"),
    )


def _hands(request: Request) -> tuple[HandPose, ...]:
    from engine.hand.anatomy import is_valid

    if len(request.hands) > 2:
        raise UserError("There can be at most two hands.", code="many_hands")
    if request.hands and request.camera is None:
        raise UserError("A posed hand needs a camera; pick a view.", code="no_camera")
    for hand in request.hands:
        if max(abs(b) for b in hand.betas) > MAX_BETA:
            raise UserError(
                f"A hand's shape numbers must lie between -{MAX_BETA:g} and {MAX_BETA:g}.", code="bad_shape"
            )
        if not MIN_DISTANCE_M <= hand.transl[2] <= MAX_DISTANCE_M:
            raise UserError(
                f"The hand must be {MIN_DISTANCE_M:g} to {MAX_DISTANCE_M:g} m in front of the camera.",
                code="hand_out_of_view",
            )
        if not is_valid(hand.hand_pose, hand.side):
            raise UserError(
                "The pose bends a joint further than a hand can; pull it back or press Reset.",
                code="bad_pose",
            )
    return request.hands


def check_params(params: Mapping[str, Any], known: Sequence[Param]) -> dict[str, Any]:
    """A method's keyword parameters: defaults filled in, each within its range."""
    by_name = {param.name: param for param in known}
    for name in params:
        if name not in by_name:
            raise UserError(
                f"This method has no setting '{name}'; it has {', '.join(by_name) or 'none'}.",
                code="bad_setting",
            )
    return {name: _param(params.get(name, param.default), param) for name, param in by_name.items()}


def _param(value: Any, param: Param) -> Any:
    if param.kind == "float":
        return _real(value, param.minimum, param.maximum, param.name)
    if param.kind == "bool":
        return bool(value)
    if param.kind == "choice" and value not in param.choices:
        raise UserError(
            f"The setting '{param.name}' must be one of {', '.join(param.choices)}.", code="bad_setting"
        )
    return str(value)
