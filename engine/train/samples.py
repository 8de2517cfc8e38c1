"""Pictures to look at while training: a grid through the engine's own loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.types import SamplerSpec

if TYPE_CHECKING:
    from torch import Tensor


def sample_grid(
    path: Path,
    *,
    unet: Any,
    vae: Any,
    scheduler: Any,
    text: Tensor,
    empty: Tensor,
    branch: Any = None,
    hints: Tensor | None = None,
    steps: int = 20,
    cfg: float = 3.0,
) -> None:
    """One picture a row of `text` (B, length, width), with the branch's residuals where there is one."""
    import torch
    from PIL import Image

    from engine.denoise import Start, denoise
    from engine.sampler import Sampler
    from engine.structure import ControlBranch, ControlNet

    config = unet.config
    pictures = []
    for i in range(len(text)):
        generator = torch.Generator("cpu").manual_seed(i)
        shape = (1, config.in_channels, config.sample_size, config.sample_size)
        noise = torch.randn(shape, generator=generator).to(text)
        branches = []
        if branch is not None:
            grey = np.zeros((1, 1, 3), np.uint8)
            branches = [
                ControlBranch(
                    part=ControlNet(), model=branch, hint=hints[i : i + 1], picture=grey, size=shape[2:]
                )
            ]
        both = torch.cat([empty, text[i : i + 1]])
        sampler = Sampler(SamplerSpec(steps=steps, cfg=cfg), dict(scheduler.config), str(text.device))
        for step in denoise(
            unet, sampler, Start(latents=noise), both, cfg=cfg, generator=generator, branches=branches
        ):
            latents = step.latents
        with torch.inference_mode():
            pictures.append(vae.decode(latents).sample[0].float().cpu())
    pixels = ((torch.stack(pictures).clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    columns = int(np.ceil(np.sqrt(len(pixels))))
    blank = np.zeros_like(pixels[:1])
    pixels = np.concatenate([pixels, *[blank] * (-len(pixels) % columns)])
    rows = [np.concatenate(list(pixels[r : r + columns]), 1) for r in range(0, len(pixels), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)
