"""AttentionHand's text attention stage: before a step of training, noisy latents are moved to where words of the
hand are attended to more (Park et al. 2024, after Chefer et al. 2023, Attend-and-Excite)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.attention import Control, attend, probabilities

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from torch import Tensor

    from engine.types import Site

SCALE = 20.0  # their scale factor
RANGE = (1.0, 0.5)  # its share at the noisiest and at the cleanest timestep
SHARPNESS = 100.0  # of the softmax over the words, without the first token
BLUR = (0.5, 3)  # deviation and size of the kernel, in cells of the map
DOWN = 4  # maps of a quarter of the latents' side: 16 x 16 of Stable Diffusion's 64 x 64


class Maps(Control):
    """Cross-attention of the layers with `cells` queries, with gradients."""

    def __init__(self, cells: int):
        self.cells = cells
        self.found: list[Tensor] = []  # each (batch, queries, keys)

    def wants(self, site: Site) -> bool:
        return site.is_cross

    def observe(self, site: Site, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        if query.shape[2] == self.cells:
            self.found.append(probabilities(query, key, bias))


def neglect(maps: Tensor, hands: Tensor, shape: tuple[int, int]) -> Tensor:
    """(batch,): 1 - the strongest cell of the most neglected hand token; 0 for a text without one.

    maps (batch, queries, keys), hands (batch, keys) bool, shape (rows, columns) of the queries.
    """
    import torch
    import torch.nn.functional as F

    words = (SHARPNESS * maps[..., 1:]).softmax(-1)  # (batch, queries, keys - 1)
    tokens = words.transpose(1, 2).unflatten(2, shape)
    sigma, size = BLUR
    at = torch.arange(size, device=maps.device, dtype=maps.dtype) - size // 2
    line = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    mode = "reflect" if min(shape) > size // 2 else "replicate"
    padded = F.pad(tokens, [size // 2] * 4, mode=mode).flatten(0, 1)[:, None]
    smooth = F.conv2d(padded, kernel[None, None]).view_as(tokens)
    strongest = smooth.flatten(2).amax(-1)  # (batch, keys - 1)
    return torch.where(hands[:, 1:], 1 - strongest, 0.0).amax(-1)


def excited(unet: UNet2DConditionModel, noisy: Tensor, t: Tensor, text: Tensor, hands: Tensor) -> Tensor:
    """The noisy latents (batch, channels, rows, columns) after one step down `neglect`; no gradient goes through."""
    import torch

    shape = tuple(side // DOWN for side in noisy.shape[2:])
    maps = Maps(shape[0] * shape[1])
    moved = noisy.detach().requires_grad_(True)
    with torch.enable_grad(), attend(unet, [maps]):
        unet(moved, t, text)
        value = neglect(torch.stack(maps.found).mean(0), hands, shape).sum()
        (slope,) = torch.autograd.grad(value, moved)
    noisiest, cleanest = RANGE
    share = cleanest + (noisiest - cleanest) * t.float() / 1000
    return noisy - SCALE * share.sqrt()[:, None, None, None] * slope
