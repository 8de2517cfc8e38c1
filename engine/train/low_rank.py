"""A tuned model whose difference from its base has a low rank, and that goes on learning as such.

Cutting a difference down after training throws away what its small singular values held, which shows in every
picture. Here the cut comes before the last minutes of training: they teach the factors that are left to do without.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.train.loop import Stage, fit
from engine.train.recipe import StageSettings

if TYPE_CHECKING:
    from torch import nn


def fit_to_rank(
    stage: Stage, settings: StageSettings, folder: Path, *, model: nn.Module, base: nn.Module, seed: int
) -> None:
    """`fit`; then, where the stage's options have low_rank (rank, minutes, lr), again with `model` factored."""
    fit(stage, settings, folder, seed=seed)
    if low := settings.options.get("low_rank"):
        last = dataclasses.replace(settings, minutes=low["minutes"], lr=low["lr"])
        with factored(model, base, low["rank"]):
            fit(stage, last, folder / "low-rank", seed=seed + 1)


@contextmanager
def factored(model: nn.Module, base: nn.Module, rank: int) -> Iterator[None]:
    """Inside, weights of two or more axes are base + up @ down of `rank` (the best one, by singular values), and
    the factors learn in their place; afterwards they are plain weights again.

    Weights that a factored form would not make smaller, biases and norms stay as they are. Only what requires
    gradients takes part: frozen weights keep the base's values. Where nothing was learnt yet the factors begin as
    LoRA's do: `up` zero, `down` random.
    """
    import torch
    from torch.nn.utils import parametrize

    class LowRank(torch.nn.Module):
        def __init__(self, difference: torch.Tensor):
            super().__init__()
            u, s, v = torch.linalg.svd(difference, full_matrices=False)
            root = s[:rank].sqrt()
            up, down = u[:, :rank] * root, root[:, None] * v[:rank]
            if not difference.any():  # nothing to begin from, and two zeros would never learn: LoRA's start
                down = torch.randn_like(down) / down.shape[1] ** 0.5
            self.up, self.down = torch.nn.Parameter(up), torch.nn.Parameter(down)

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + (self.up @ self.down).view_as(weight)

    done = []
    origin = dict(base.named_parameters())
    for name, p in list(model.named_parameters()):
        matrix = p.detach().flatten(1) if p.ndim > 1 else None
        if matrix is None or not p.requires_grad or rank * sum(matrix.shape) >= matrix.numel():
            continue
        owner, _, kind = name.rpartition(".")
        module, start = model.get_submodule(owner), origin[name].detach().to(p)
        low = LowRank(matrix - start.flatten(1))
        p.requires_grad_(False).copy_(start)
        parametrize.register_parametrization(module, kind, low, unsafe=True)
        done.append((module, kind))
    try:
        yield
    finally:
        for module, kind in done:
            parametrize.remove_parametrizations(module, kind, leave_parametrized=True)
