"""The one loop. Every method's plan runs through it; a method that needs another loop is wrongly designed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.attention import Control, attend
from engine.sampler import Sampler
from engine.structure import ControlBranch, residuals


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """What an init part gives the loop."""

    latents: Tensor  # (1, C, h, w), unit noise
    extra: Tensor | None = None  # (1, c, h, w): channels beside the latents, of an inpainting model
    project: Callable[[Tensor, int], Tensor] | None = None  # (x, index) after each step


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoised:
    """After a step."""

    index: int
    latents: Tensor  # (1, C, h, w)
    x0: Tensor  # (1, C, h, w): the estimate of the end


def guide(output: Tensor, cfg: float) -> Tensor:
    """Classifier-free guidance over [unconditional, conditional]; one row is the conditional alone."""
    if len(output) == 1:
        return output
    uncond, cond = output.chunk(2)
    return uncond + cfg * (cond - uncond)


@torch.inference_mode()
def denoise(
    unet: nn.Module,
    sampler: Sampler,
    start: Start,
    text: Tensor,
    *,
    cfg: float,
    generator: torch.Generator,
    branches: Sequence[ControlBranch] = (),
    controls: Sequence[Control] = (),
    precision: Callable[[], AbstractContextManager] = nullcontext,
) -> Iterator[Denoised]:
    """Yields after each step. Nothing is patched between two steps, so it may be left at any of them.

    precision: what the models' passes run in. The sampler's arithmetic stays in that of the latents.
    text: (2, length, width), unconditional first, or (1, length, width) for the conditional model alone.
    """
    x = sampler.start(start.latents)
    for index, t in enumerate(sampler.timesteps):
        seen = sampler.scale(x, t).expand(len(text), -1, -1, -1)
        with precision():
            down, mid = residuals(branches, seen, t, text)
        if start.extra is not None:
            seen = torch.cat([seen, start.extra.expand(len(text), -1, -1, -1)], dim=1)
        with attend(unet, controls), precision():
            output = unet(
                seen,
                t,
                encoder_hidden_states=text,
                down_block_additional_residuals=down,
                mid_block_additional_residual=mid,
            ).sample
        x, x0 = sampler.step(guide(output.to(x), cfg), t, x, generator)
        if start.project is not None:
            x = start.project(x, index)
        yield Denoised(index=index, latents=x, x0=x0)
