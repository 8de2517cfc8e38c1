"""Structure parts: ControlNet from a rendered hint, and SesaHand's structural fusion inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from engine.attention import BoostHand, Control, SelfMaps, attend, full_precision
from engine.types import Camera, HandPose, Plan, register

if TYPE_CHECKING:
    import numpy as np
    from diffusers import ControlNetModel
    from torch import Tensor

    from engine.weights import Models


LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what reading a picture as grayscale gives


@register
@dataclass(frozen=True, kw_only=True)
class ControlNet:
    """Zhang et al. 2023: a trained copy of the encoder sees the hint and adds to the UNet's features."""

    weights: str = "controlnet"  # entry of assets/models.toml
    hint: str = "mesh"  # a kind of engine.render.render_hint
    hands: tuple[HandPose, ...] = ()
    camera: Camera | None = None
    strength: float = 1.0  # factor on every residual
    gray: bool = False  # the hint's luminance in all three channels
    reference: Plan | None = None  # its picture is shown beside the hint, to models of six channels

    def picture(self, size_px: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) uint8: the hint."""
        import numpy as np

        from engine.render import render_hint

        image = render_hint(self.hint, self.hands, self.camera, size_px)
        if self.gray:
            image = np.repeat(np.rint(image @ np.array(LUMA))[..., None], 3, axis=2).astype(np.uint8)
        return image


@register
@dataclass(frozen=True, kw_only=True)
class StructuralFusion:
    """SesaHand's SF: f_c' = f_c (x) psi', psi' = sum over r of M(psi_r), before the zero convolution Z.

    The default is the reading that papers/sesahand.md 5 settles: matrix multiplication on the middle output.
    """

    targets: Literal["middle", "deepest", "all"] = "middle"  # which outputs f_c of the control branch
    mode: Literal["matmul", "elementwise"] = "matmul"
    transpose: bool = False  # True: f_c (C x N) times psi', literally; False: queries gather keys
    detach: bool = False  # no gradient through psi'
    normalise: bool = False  # rows of psi' sum to 1

    def apply(self, features: Tensor, psi: Tensor, cells: tuple[int, int]) -> Tensor:
        """features (batch, C, h, w), psi (batch, cells, cells) -> features of the same shape."""
        import torch.nn.functional as F

        if self.transpose:
            psi = psi.transpose(1, 2)
        shape, dtype = features.shape[-2:], features.dtype
        features = features.float()
        if self.mode == "elementwise":  # saliency: how much each key is looked at
            saliency = psi.mean(1).unflatten(1, cells)[:, None]
            saliency = saliency / saliency.amax((2, 3), keepdim=True)
            out = features * _resize(saliency, shape)
        else:
            coarse = features if shape == cells else F.adaptive_avg_pool2d(features, cells)
            with full_precision(psi):
                mixed = (psi @ coarse.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, cells)
            out = mixed if shape == cells else features + _resize(mixed, shape)
        return out.to(dtype)


def _resize(maps: Tensor, shape: Sequence[int]) -> Tensor:
    import torch.nn.functional as F

    if tuple(maps.shape[-2:]) == tuple(shape):
        return maps
    return F.interpolate(maps, tuple(shape), mode="bilinear", align_corners=False)


def deepest(model: ControlNetModel, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of the coarsest level for latents of `size`: 64x64 -> 8x8 in Stable Diffusion."""
    factor = 2 ** (len(model.config.block_out_channels) - 1)
    if size[0] % factor or size[1] % factor:
        raise ValueError(f"latents of {size} are not multiples of {factor}")
    return size[0] // factor, size[1] // factor


@dataclass(eq=False)
class Fused:
    """What the last forward pass under `fuse` saw."""

    maps: SelfMaps
    psi: Tensor | None = None  # (batch, cells, cells)


@contextmanager
def fuse(
    controlnet: ControlNetModel,
    fusion: StructuralFusion,
    size: tuple[int, int],
    controls: Sequence[Control] = (),
) -> Iterator[Fused]:
    """The ControlNet applies `fusion` to its raw outputs, before their zero convolutions, inside the block.

    size: (rows, columns) of the latents. controls: further attention controls for the branch.
    Hooks and processors are taken out again at the end. Works in training: gradients flow through psi'.
    """
    cells = deepest(controlnet, size)
    state = Fused(maps=SelfMaps(size, cells))

    def start(module, args) -> None:
        state.maps.clear()
        state.psi = None

    def refine(module, args: tuple[Tensor]) -> tuple[Tensor]:
        features = args[0]
        if fusion.targets == "deepest" and tuple(features.shape[-2:]) != cells:
            return args
        if state.psi is None:
            state.psi = state.maps.fused(detach=fusion.detach, normalise=fusion.normalise)
        return (fusion.apply(features, state.psi, cells),)

    zero_convs = [controlnet.controlnet_mid_block]
    if fusion.targets != "middle":
        zero_convs += controlnet.controlnet_down_blocks
    with ExitStack() as stack:
        for module, hook in [(controlnet, start), *((conv, refine) for conv in zero_convs)]:
            stack.callback(module.register_forward_pre_hook(hook).remove)
        stack.enter_context(attend(controlnet, [*controls, state.maps]))
        yield state


@dataclass(eq=False)
class ControlBranch:
    """A ControlNet made ready: its model, its hint, and the fusion it runs under."""

    part: ControlNet
    model: ControlNetModel
    hint: Tensor  # (1, 3, H, W) in [0, 1]; six channels with a reference
    picture: np.ndarray  # (H, W, 3) uint8: the hint, to show
    size: tuple[int, int]  # (rows, columns) of the latents
    fusion: StructuralFusion | None = None
    controls: tuple[Control, ...] = ()
    psi: Tensor | None = field(default=None, repr=False)  # of the last step, where fusion ran
    _encoded: Tensor | None = field(default=None, repr=False)

    def residuals(self, x: Tensor, t: Tensor, text: Tensor) -> tuple[list[Tensor], Tensor]:
        """What to add to the UNet's skip connections and to its middle feature."""
        with ExitStack() as stack:
            stack.enter_context(self._encoded_hint(x))
            if self.fusion:
                fused = stack.enter_context(fuse(self.model, self.fusion, self.size, self.controls))
            else:
                stack.enter_context(attend(self.model, self.controls))
            down, mid = self.model(
                x,
                t,
                encoder_hidden_states=text,
                controlnet_cond=self.hint,
                conditioning_scale=self.part.strength,
                return_dict=False,
            )
            if self.fusion:
                self.psi = fused.psi
        return list(down), mid

    @contextmanager
    def _encoded_hint(self, x: Tensor) -> Iterator[None]:
        """The hint does not change from step to step, so its encoder, a third of the branch, runs once."""
        encoder = self.model.controlnet_cond_embedding
        if self._encoded is None:
            self._encoded = encoder(self.hint.to(x))
        encoder.forward = lambda hint: self._encoded
        try:
            yield
        finally:
            del encoder.forward


def prepare(
    parts: Sequence[ControlNet | StructuralFusion],
    models: Models,
    size_px: tuple[int, int],
    controls: Sequence[tuple[Any, Control]],
    pictures: Mapping[Plan, np.ndarray],
) -> list[ControlBranch]:
    """Every ControlNet of a plan, ready; a StructuralFusion among the parts holds for all of them."""
    import torch

    from engine.image import to_tensor

    fusion = next((part for part in parts if isinstance(part, StructuralFusion)), None)
    boosts = [(part, control) for part, control in controls if isinstance(part, BoostHand)]
    inside = tuple(control for part, control in boosts if part.control_branch)
    branches = []
    for part in parts:
        if isinstance(part, ControlNet):
            picture = part.picture(size_px)
            hint = to_tensor(picture, low=0.0)
            if part.reference is not None:
                hint = torch.cat([hint, to_tensor(pictures[part.reference], low=0.0)], dim=1)
            branches.append(
                ControlBranch(
                    part=part,
                    model=models.controlnet(part.weights),
                    hint=hint.to(models.device),
                    picture=picture,
                    size=models.latent_size(size_px),
                    fusion=fusion,
                    controls=inside,
                )
            )
    return branches


def residuals(
    branches: Sequence[ControlBranch], x: Tensor, t: Tensor, text: Tensor
) -> tuple[list[Tensor] | None, Tensor | None]:
    """The sum over all branches, so that several ControlNets compose; (None, None) without any."""
    down, mid = None, None
    for branch in branches:
        more_down, more_mid = branch.residuals(x, t, text)
        down = more_down if down is None else [a + b for a, b in zip(down, more_down, strict=True)]
        mid = more_mid if mid is None else mid + more_mid
    return down, mid
