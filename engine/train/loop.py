"""The one training loop: accelerate, EMA, time budget, checkpoints that survive a kill, samples, TensorBoard.

A stage says which modules learn and how a batch becomes a loss; `fit` does everything else. A batch is a
function of (seed, step) alone, so a resumed run sees exactly the pictures the killed one would have seen.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.train.recipe import StageSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Stage:
    """What a stage teaches.

    loss(step, rng, generator) -> scalar Tensor, or a dict of them under "loss" and further names to log;
    rng chooses the batch, generator draws its noise. sample(folder, step) writes pictures to look at.
    """

    name: str
    modules: dict[str, nn.Module]  # what learns and is saved
    loss: Callable[[int, np.random.Generator, Any], Tensor | dict[str, Tensor]]
    sample: Callable[[Path, int], None] | None = None
    # The loss does its own optimiser steps (Hand1000's inner loops), each forward pass in its own extra["autocast"]():
    # autocast keeps its copies of the weights until the block ends, so that later steps would not see earlier ones.
    own_backward: bool = False
    extra: dict[str, Any] = field(default_factory=dict)  # fit adds "optimizer" and "autocast"


def schedule(settings: StageSettings, step: int, progress: float) -> float:
    """Learning rate: linear warm-up, then half a cosine down to final_lr, by progress in [0, 1]."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup))
    low = settings.final_lr
    return settings.lr * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Ema:
    """Exponential moving average of parameters, with the usual short-run correction of the decay."""

    def __init__(self, modules: dict[str, nn.Module], decay: float):
        self.decay = decay
        self.shadow = {
            f"{name}/{key}": p.detach().float().clone()
            for name, module in modules.items()
            for key, p in module.named_parameters()
            if p.requires_grad
        }

    def update(self, modules: dict[str, nn.Module], step: int) -> None:
        import torch

        decay = min(self.decay, (1 + step) / (10 + step))
        live = [p.detach() for module in modules.values() for p in module.parameters() if p.requires_grad]
        torch._foreach_lerp_(list(self.shadow.values()), [p.float() for p in live], 1 - decay)

    def copy_to(self, modules: dict[str, nn.Module]) -> None:
        import torch

        with torch.no_grad():
            for name, module in modules.items():
                for key, p in module.named_parameters():
                    if p.requires_grad:
                        p.copy_(self.shadow[f"{name}/{key}"])


@contextmanager
def norms_as_given() -> Iterator[None]:
    """Inside, group and layer norms compute in the precision of their input, sums in float32 all the same.

    On a GPU automatic precision would run them in float32: a copy of every activation there, and one back for the
    next convolution. For a UNet of narrow layers that is most of what its memory moves.
    """
    import torch
    import torch.nn.functional as F

    def given(call: Callable) -> Callable:
        def forward(self, x: Tensor) -> Tensor:
            weight, bias = (None if p is None else p.to(x.dtype) for p in (self.weight, self.bias))
            with torch.autocast(x.device.type, enabled=False):
                return call(self, x, weight, bias)

        return forward

    group, layer = torch.nn.GroupNorm.forward, torch.nn.LayerNorm.forward
    torch.nn.GroupNorm.forward = given(lambda m, x, w, b: F.group_norm(x, m.num_groups, w, b, m.eps))
    torch.nn.LayerNorm.forward = given(lambda m, x, w, b: F.layer_norm(x, m.normalized_shape, w, b, m.eps))
    try:
        yield
    finally:
        torch.nn.GroupNorm.forward, torch.nn.LayerNorm.forward = group, layer


def fit(stage: Stage, settings: StageSettings, folder: Path, *, seed: int = 0) -> dict[str, float]:
    """Trains until the budget is spent, resuming what `folder` holds; leaves the EMA weights in the modules.

    Returns {"steps", "seconds", "loss"}. A finished stage returns at once, with its weights loaded.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from torch.utils.tensorboard import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    AcceleratorState._reset_state()  # it would hold every stage to the first one's precision
    accelerator = Accelerator(mixed_precision=settings.precision)
    device = accelerator.device
    for module in stage.modules.values():
        module.to(device)
        if settings.channels_last:
            module.to(memory_format=torch.channels_last)
        if settings.compile and device.type == "cuda":
            module.compile()
    params = [p for m in stage.modules.values() for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        params, lr=settings.lr, weight_decay=settings.weight_decay, betas=(0.9, settings.beta2), fused=True
    )
    stage.extra.update(optimizer=optimizer, autocast=accelerator.autocast)
    ema = Ema(stage.modules, settings.ema)
    step, spent, average = _load(folder, stage, optimizer, ema)
    done = (folder / "done.json").is_file()
    writer = SummaryWriter(str(folder / "log")) if accelerator.is_main_process and not done else None

    last_save = last_sample = time.monotonic()
    with norms_as_given() if settings.half_norms else nullcontext():
        while not done and step < settings.steps and spent < settings.minutes * 60:
            began = time.monotonic()
            rng = np.random.default_rng([seed, step, accelerator.process_index])
            # the device's own generator, so that no noise crosses the bus
            generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
            lr = schedule(settings, step, max(spent / (settings.minutes * 60), step / settings.steps))
            for group in optimizer.param_groups:
                group["lr"] = lr
            with nullcontext() if stage.own_backward else accelerator.autocast():
                losses = stage.loss(step, rng, generator)
            losses = losses if isinstance(losses, dict) else {"loss": losses}
            if not stage.own_backward:
                optimizer.zero_grad(set_to_none=True)
                accelerator.backward(losses["loss"])
                _average_gradients(accelerator, params)
                torch.nn.utils.clip_grad_norm_(params, settings.clip)
                optimizer.step()
            ema.update(stage.modules, step)
            value = losses["loss"].detach()  # stays on the device: reading it every step would stall the GPU
            average = value if average is None else average + 0.02 * (value - average)
            step += 1
            now = time.monotonic()
            spent += now - began
            if writer and step % 20 == 0:
                for name, part in losses.items():
                    writer.add_scalar(f"{stage.name}/{name}", float(part.detach()), step)
                writer.add_scalar(f"{stage.name}/lr", lr, step)
            if step % 100 == 0:
                log.info(
                    "%s step %d, %.1f min, loss %.4f, lr %.2g",
                    stage.name,
                    step,
                    spent / 60,
                    float(average),
                    lr,
                )
            if accelerator.is_main_process and now - last_save > settings.save_every_s:
                _save(folder, stage, optimizer, ema, step, spent, average)
                last_save = now
            if stage.sample and accelerator.is_main_process and now - last_sample > settings.sample_every_s:
                with _swapped(stage.modules, ema):
                    stage.sample(folder / "samples", step)
                last_sample = time.monotonic()

    if accelerator.is_main_process and not done:
        _save(folder, stage, optimizer, ema, step, spent, average)
        report = {"steps": step, "seconds": round(spent, 1), "loss": round(float(average), 5)}
        (folder / "done.json").write_text(json.dumps(report))
    if writer:
        writer.close()
    for module in stage.modules.values():
        module._compiled_call_impl = (
            None  # later stages patch or copy it, which a compiled call would not see
        )
    ema.copy_to(stage.modules)
    if stage.sample and not done:
        stage.sample(folder / "samples", step)
    return json.loads((folder / "done.json").read_text())


def _average_gradients(accelerator: Any, params: list) -> None:
    """The mean over processes: batches differ by process, parameters start and stay equal."""
    if accelerator.num_processes > 1:
        for p in params:
            if p.grad is not None:
                p.grad = accelerator.reduce(p.grad, reduction="mean")


class _swapped:
    """The EMA weights in the modules for the length of a block."""

    def __init__(self, modules: dict[str, nn.Module], ema: Ema):
        self.modules, self.ema = modules, ema

    def __enter__(self):
        self.live = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in self.modules.items()}
        self.ema.copy_to(self.modules)

    def __exit__(self, *exc):
        for name, module in self.modules.items():
            module.load_state_dict(self.live[name])


def _save(folder: Path, stage: Stage, optimizer, ema: Ema, step: int, spent: float, average) -> None:
    """One file, written aside and then renamed: a kill leaves the old one or the new one, whole."""
    import torch

    state = {
        "modules": {name: module.state_dict() for name, module in stage.modules.items()},
        "ema": ema.shadow,
        "optimizer": optimizer.state_dict(),
        "step": step,
        "spent": spent,
        "average": float(average),
    }
    aside = folder / "state.pt.tmp"
    torch.save(state, aside)
    os.replace(aside, folder / "state.pt")


def _load(folder: Path, stage: Stage, optimizer, ema: Ema) -> tuple[int, float, float | None]:
    import torch

    path = folder / "state.pt"
    if not path.is_file():
        return 0, 0.0, None
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, module in stage.modules.items():
        module.load_state_dict(state["modules"][name])
    for key, value in state["ema"].items():
        ema.shadow[key].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    log.info("%s goes on at step %d, %.1f min", stage.name, state["step"], state["spent"] / 60)
    return state["step"], state["spent"], state["average"]
