"""Samplers: diffusers' schedulers behind one signature, made anew for each run because they hold state."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from torch import Tensor

from engine.types import SAMPLERS, SamplerSpec

_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpmpp_2m_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": True},
    ),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
assert tuple(_CLASSES) == SAMPLERS


class Sampler:
    """One run's timesteps and its step from x_t to x_{t-1}."""

    def __init__(self, spec: SamplerSpec, config: dict[str, Any], device: str = "cpu"):
        name, options = _CLASSES[spec.kind]
        self.scheduler = getattr(diffusers, name).from_config(config, **options)
        self.scheduler.set_timesteps(spec.steps, device=device)
        self._options = {"eta": spec.eta} if spec.kind == "ddim" else {}

    @property
    def timesteps(self) -> Tensor:
        return self.scheduler.timesteps

    def start(self, noise: Tensor) -> Tensor:
        """Unit noise -> the first x."""
        return noise * self.scheduler.init_noise_sigma

    def scale(self, x: Tensor, t: Tensor) -> Tensor:
        """x as the model wants to see it at t."""
        return self.scheduler.scale_model_input(x, t)

    def step(self, output: Tensor, t: Tensor, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The model's output at t -> (the next x, the estimate of x0)."""
        options = self._options
        if hasattr(self.scheduler, "model_outputs"):  # multistep solvers keep their x0 estimates
            out = self.scheduler.step(output, t, x, return_dict=False)
            return out[0], self.scheduler.model_outputs[-1]
        if not isinstance(self.scheduler, diffusers.EulerDiscreteScheduler):
            options = {**options, "generator": generator}
        out = self.scheduler.step(output, t, x, **options)
        return out.prev_sample, out.pred_original_sample

    def noised(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """Clean latents brought to the noise level that follows step `index`; clean after the last one."""
        if index + 1 >= len(self.timesteps):
            return latents
        return self.scheduler.add_noise(latents, noise, self.timesteps[index + 1].reshape(1))
