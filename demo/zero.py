"""Hugging Face's ZeroGPU: a card for the seconds that a call asks for. Elsewhere nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_SECONDS_PER_STEP = (
    0.2  # a guided step of Stable Diffusion 1.5 at 512x512 with a ControlNet, and room to spare
)
_SECONDS_TO_LOAD = 8


def seconds_for(plan: Any, *_args: Any, **_kwargs: Any) -> int:
    """What to ask for: the queue prefers short requests, and a visitor's quota is checked against them."""
    return round(_SECONDS_TO_LOAD + plan.sampler.steps * _SECONDS_PER_STEP)


def on_gpu(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run(plan, ...)` on a card lent for `seconds_for(plan)`, where there are such cards."""
    try:
        import spaces
    except ImportError:
        return run
    return spaces.GPU(duration=seconds_for)(run)
