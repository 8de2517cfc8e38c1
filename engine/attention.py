"""Attention: one processor a layer, which edits logits by a bias and lets controls observe.

`attend(unet, controls)` is the whole interface. A site that no control wants keeps its own processor; one
that is only observed computes its output by the very call it used before, so recording changes no byte.

Plan data here: BoostHand, Recorder. Live controls: HandBias, Recording, SelfMaps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.types import Site, register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class Control:
    """Edits or observes attention at the sites it wants. A part's bind(hand_tokens, size) makes one."""

    def wants(self, site: Site) -> bool:
        return False

    def bias(self, site: Site) -> Tensor | None:
        """(batch, 1, 1, keys), added to the logits; None for no change."""
        return None

    def observe(self, site: Site, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        """query (batch, heads, queries, d), key (batch, heads, keys, d), bias as summed over all controls."""

    def end_step(self) -> None:
        """Called after each step of the loop."""


def sites(model: nn.Module) -> dict[Site, nn.Module]:
    """Every attention layer of a UNet or ControlNet, by module name, in the model's order."""
    places = {"down_blocks": "down", "mid_block": "mid", "up_blocks": "up"}
    found = {}
    for name, module in model.named_modules():
        place = places.get(name.partition(".")[0])
        if place and hasattr(module, "set_processor") and hasattr(module, "is_cross_attention"):
            found[Site(name=name, is_cross=bool(module.is_cross_attention), place=place)] = module
    return found


@contextmanager
def attend(model: nn.Module, controls: Sequence[Control]) -> Iterator[None]:
    """Installs the controls for the block; afterwards every layer has its old processor back."""
    installed = []
    try:
        found = sites(model) if controls else {}  # a walk over a thousand modules, at every step
        for site, layer in found.items():
            wanted = [control for control in controls if control.wants(site)]
            if wanted:
                installed.append((layer, layer.processor))
                layer.set_processor(Processor(site, wanted))
        yield
    finally:
        for layer, processor in installed:
            layer.set_processor(processor)


class Processor:
    """diffusers' AttnProcessor2_0 with an additive bias and observers."""

    def __init__(self, site: Site, controls: Sequence[Control]):
        self.site = site
        self.controls = tuple(controls)

    def __call__(
        self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, temb=None
    ):
        import torch.nn.functional as F

        residual, shape = hidden_states, hidden_states.shape
        if attn.spatial_norm is not None:
            hidden_states = attn.spatial_norm(hidden_states, temb)
        if len(shape) == 4:  # (batch, channels, height, width)
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)

        def heads(x: Tensor) -> Tensor:  # (batch, n, heads * d) -> (batch, heads, n, d)
            return x.unflatten(2, (attn.heads, -1)).transpose(1, 2)

        query, key, value = (
            heads(attn.to_q(hidden_states)),
            heads(attn.to_k(context)),
            heads(attn.to_v(context)),
        )
        if attn.norm_q is not None:
            query = attn.norm_q(query)
        if attn.norm_k is not None:
            key = attn.norm_k(key)

        bias = self._bias(attn, attention_mask, query, key)
        for control in self.controls:
            control.observe(self.site, query, key, bias)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out = out.transpose(1, 2).flatten(2).to(query.dtype)
        out = attn.to_out[1](attn.to_out[0](out))
        if len(shape) == 4:
            out = out.transpose(1, 2).reshape(shape)
        if attn.residual_connection:
            out = out + residual
        return out / attn.rescale_output_factor

    def _bias(self, attn, attention_mask, query: Tensor, key: Tensor) -> Tensor | None:
        total = None
        if attention_mask is not None:
            batch, keys = key.shape[0], key.shape[2]
            mask = attn.prepare_attention_mask(attention_mask, keys, batch)
            total = mask.view(batch, attn.heads, -1, mask.shape[-1])
        for control in self.controls:
            bias = control.bias(self.site)
            if bias is not None:
                bias = bias.to(query)
                total = bias if total is None else total + bias
        return total


def probabilities(query: Tensor, key: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(Q K^T / sqrt(d) + bias) in float32, averaged over heads: (batch, queries, keys)."""
    with full_precision(query):
        logits = (query.float() @ key.float().transpose(-1, -2)) / math.sqrt(query.shape[-1])
        if bias is not None:
            logits = logits + bias.float()
        return logits.softmax(-1).mean(1)


def full_precision(x: Tensor) -> AbstractContextManager:
    """float32 means float32 inside, whatever automatic precision the models run in."""
    import torch

    return torch.autocast(x.device.type, enabled=False)


def grid(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of a layer with `count` positions in a model with latents of `size`."""
    factor = round(math.sqrt(size[0] * size[1] / count))
    rows, columns = size[0] // factor, size[1] // factor
    if rows * columns != count:
        raise ValueError(f"{count} positions do not tile latents of {size}")
    return rows, columns


# --- edit ---------------------------------------------------------------------------------------------


@register
@dataclass(frozen=True, kw_only=True)
class BoostHand:
    """SesaHand's hand structure attention enhancement: B[q, k] = alpha for hand tokens k, else 0.

    M = softmax(Q K^T / sqrt(d) + B) in the decoder's cross-attention, for every query alike
    (papers/sesahand.md 6). alpha multiplies a hand token's unnormalised weight by e^alpha.
    """

    alpha: float = 2.0
    places: tuple[str, ...] = ("up",)
    control_branch: bool = False  # also in the ControlNet's own cross-attention

    def control(self, hand_tokens: Tensor) -> HandBias:
        """hand_tokens: (batch, tokens) bool; all False for an unconditional row."""
        return HandBias(self, hand_tokens)

    def bind(self, hand_tokens: Tensor, size: tuple[int, int]) -> HandBias:
        return self.control(hand_tokens)


class HandBias(Control):
    """BoostHand on one batch of texts. Without a hand token, or at alpha 0, it wants no site."""

    def __init__(self, part: BoostHand, hand_tokens: Tensor):
        self.places = part.places if part.alpha != 0 and bool(hand_tokens.any()) else ()
        self._bias = part.alpha * hand_tokens[:, None, None, :].float()

    def wants(self, site: Site) -> bool:
        return site.is_cross and site.place in self.places

    def bias(self, site: Site) -> Tensor:
        return self._bias


# --- observe ------------------------------------------------------------------------------------------


@register
@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Keeps the conditional cross-attention of every layer as running means: the source of Result.heat."""

    places: tuple[str, ...] = ("down", "mid", "up")

    def control(self, size: tuple[int, int]) -> Recording:
        """size: (rows, columns) of the latents."""
        return Recording(self, size)

    def bind(self, hand_tokens: Tensor, size: tuple[int, int]) -> Recording:
        return self.control(size)


class Recording(Control):
    """Running means over heads and steps, never a list of maps. Reads the last row: the conditional one."""

    def __init__(self, part: Recorder, size: tuple[int, int]):
        self.places = part.places
        self.size = size
        self._sums: dict[str, Tensor] = {}  # site name -> (queries, tokens), summed over steps
        self._counts: dict[str, int] = {}
        self._step: list[Tensor] = []  # (tokens,) a site of the running step
        self._shares: list[Tensor] = []  # (tokens,) a step

    def wants(self, site: Site) -> bool:
        return site.is_cross and site.place in self.places

    def observe(self, site: Site, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        row = slice(-1, None)
        probs = probabilities(query[row].detach(), key[row].detach(), None if bias is None else bias[row])[0]
        self._sums[site.name] = probs + self._sums.get(site.name, 0)
        self._counts[site.name] = self._counts.get(site.name, 0) + 1
        self._step.append(probs.mean(0))

    def end_step(self) -> None:
        if self._step:
            self._shares.append(sum(self._step) / len(self._step))
            self._step = []

    def site_maps(self) -> dict[str, np.ndarray]:
        """site name -> (tokens, h, w) float32 at the layer's own size, mean over heads and steps."""
        out = {}
        for name, total in self._sums.items():
            rows, columns = grid(total.shape[0], self.size)
            out[name] = (total / self._counts[name]).T.reshape(-1, rows, columns).cpu().numpy()
        return out

    def heat(self) -> np.ndarray:
        """(tokens, *size) float32: the mean over sites, each at the latents' size; sums to 1 over tokens."""
        import torch
        import torch.nn.functional as F

        maps = [torch.from_numpy(m)[None] for m in self.site_maps().values()]
        grown = [F.interpolate(m, self.size, mode="bilinear", align_corners=False) for m in maps]
        return (sum(grown) / len(grown))[0].numpy()

    def shares(self) -> np.ndarray:
        """(steps, tokens) float32: the mean attention on each token at each step."""
        import torch

        return torch.stack(self._shares).cpu().numpy()


class SelfMaps(Control):
    """The self-attention of one forward pass, pooled to `cells` (papers/sesahand.md 5, [P] 1 to 3).

    Keeps queries and keys (small), not maps; `fused` then computes the maps in query chunks. Differentiable.
    """

    def __init__(self, size: tuple[int, int], cells: tuple[int, int]):
        self.size = size  # (rows, columns) of the latents
        self.cells = cells  # (rows, columns) of the model's deepest grid
        self._seen: dict[str, tuple[Tensor, Tensor]] = {}  # by site, so that a recomputed forward overwrites

    def wants(self, site: Site) -> bool:
        return not site.is_cross

    def observe(self, site: Site, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        self._seen[site.name] = (query, key)

    def clear(self) -> None:
        self._seen.clear()

    def counts(self) -> list[int]:
        """Positions of each layer seen, in the model's order."""
        return [query.shape[2] for query, _ in self._seen.values()]

    def pooled(self) -> dict[tuple[int, int], Tensor]:
        """(rows, columns) of a resolution -> (batch, cells, cells): mean of heads, of layers, then pooled."""
        by_grid: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for query, key in self._seen.values():
            by_grid.setdefault(grid(query.shape[2], self.size), []).append((query, key))
        return {shape: pool_spatial(layers, shape, self.cells) for shape, layers in by_grid.items()}

    def fused(self, *, detach: bool = False, normalise: bool = False) -> Tensor:
        """psi' = sum over resolutions of the pooled maps: (batch, cells, cells), query rows, key columns."""
        psi = sum(self.pooled().values())
        if normalise:
            psi = psi / psi.sum(-1, keepdim=True)
        return psi.detach() if detach else psi


def pool_spatial(
    layers: Sequence[tuple[Tensor, Tensor]], shape: tuple[int, int], cells: tuple[int, int]
) -> Tensor:
    """Attention maps max-pooled over spatial cells: (batch, cells, cells).

    layers: (query, key), each (batch, heads, rows * columns, d); their maps are averaged before the pooling.
    Pools over the four offsets (query row, query column, key row, key column) inside a cell; a pooling of the
    flattened matrix would mix an image row instead of a patch. Works through one band of cells at a time, so
    that the largest tensor is (batch, heads, columns * k, rows * columns), and recomputes it for gradients.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    rows, columns = shape
    k = rows // cells[0]
    if (cells[0] * k, cells[1] * k) != shape:
        raise ValueError(f"a grid of {shape} does not divide into cells of {cells}")

    def band(index: int, *tensors: Tensor) -> Tensor:  # -> (batch, 1, cell columns, all cells)
        part = slice(index * k * columns, (index + 1) * k * columns)
        maps = [probabilities(q[:, :, part], key) for q, key in zip(tensors[::2], tensors[1::2], strict=True)]
        mean = sum(maps) / len(maps)
        split = mean.reshape(-1, k, cells[1], k, cells[0], k, cells[1], k)
        return split.amax(dim=(1, 3, 5, 7)).flatten(2)[:, None]

    tensors = [tensor for pair in layers for tensor in pair]
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        bands = [checkpoint(band, i, *tensors, use_reentrant=False) for i in range(cells[0])]
    else:
        bands = [band(i, *tensors) for i in range(cells[0])]
    return torch.cat(bands, dim=1).flatten(1, 2)
