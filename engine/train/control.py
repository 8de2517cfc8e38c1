"""Control branches on a frozen base. `controlnet` as published; `sesahand` adds its two modules; those of other
hints (depth, normals, keypoints) begin as the mesh image's branch. With `reference`, the hint has three more
channels: another picture of the same person, the next or the one before in a corpus of two takes (FoundHand's pairs).
`attentionhand` moves the noisy latents first, as its text attention stage does (excite.py).
With `low_rank` (rank, minutes, lr) the last minutes teach only what will be kept.

SesaHand trains and samples with both: hierarchical structural fusion inside the branch, and the bias on hand
tokens in the frozen decoder's cross-attention, with four-part prompts (papers/sesahand.md 5 to 7).
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.train.captions import BaseCaptions, SemanticCaptions
from engine.train.diffusion import World, denoising_loss, dropped
from engine.train.excite import excited
from engine.train.loop import Stage
from engine.train.low_rank import fit_to_rank
from engine.train.recipe import Recipe
from engine.types import UserError

if TYPE_CHECKING:
    from diffusers import ControlNetModel, UNet2DConditionModel
    from torch import Tensor


def train(
    name: str, recipe: Recipe, world: World, unet: UNet2DConditionModel, start: ControlNetModel
) -> ControlNetModel:
    """name: "sesahand", "attentionhand", "controlnet" or one of another hint, as the recipe says.

    `start` is copied, not changed.
    """
    import torch

    from engine.attention import BoostHand, attend
    from engine.structure import StructuralFusion, fuse
    from engine.weights import widen_hint

    settings = recipe.stage(name)
    branch = copy.deepcopy(start)
    sesahand = name == "sesahand"
    captions = (SemanticCaptions if sesahand else BaseCaptions)(world.rows)
    drop = float(settings.options.get("drop_text", 0.1))
    hand_weight = float(settings.options.get("hand_weight", 1.0))
    boost = BoostHand(alpha=float(settings.options.get("alpha", 2.0)))
    size = world.latents.shape[2:]
    hint = str(settings.options.get("hint", "mesh"))
    reference = bool(settings.options.get("reference", False))
    if reference:
        if len(world) % 2:
            raise UserError(
                "Pairs of pictures of one person are needed: `engine.corpus make --takes 2`, an even --n."
            )
        widen_hint(branch, 6)
    branch.requires_grad_(True).train()

    def shown(index: np.ndarray) -> Tensor:
        """(B, 3 or 6, H, W) in [0, 1]."""
        drawn = world.hints(index, hint)
        return torch.cat([drawn, world.pictures(index ^ 1)], dim=1) if reference else drawn

    def loss(step, rng, generator):
        index = world.draw(rng, settings.batch, hint)
        noisy, t, target = world.noised(world.clean(index), generator)
        prompts = dropped(captions(index, rng), rng, drop)
        text = world.text(prompts)
        if name == "attentionhand":
            noisy = excited(unet, noisy, t, text, world.texts.hand_tokens(prompts))
        with ExitStack() as stack:
            if sesahand:
                stack.enter_context(fuse(branch, StructuralFusion(), size))
                stack.enter_context(attend(unet, [boost.control(world.texts.hand_tokens(prompts))]))
            down, mid = branch(
                noisy,
                t,
                encoder_hidden_states=text,
                controlnet_cond=shown(index),
                return_dict=False,
            )
            pred = unet(
                noisy, t, text, down_block_additional_residuals=list(down), mid_block_additional_residual=mid
            ).sample
        return denoising_loss(pred, target, world.hand_weights(index, hand_weight))

    stage = Stage(name=name, modules={"controlnet": branch}, loss=loss)
    folder = Path(recipe.out) / name
    fit_to_rank(stage, settings, folder, model=branch, base=copy.deepcopy(branch), seed=recipe.seed + 7)
    return branch.requires_grad_(False).eval()
