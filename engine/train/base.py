"""Stage 2: the base text-to-image UNet, with the mesh ControlNet learning beside it.

ControlNet trains its branch on a finished, frozen base. On a small budget that teaches the branch to ask for hands
which the base's decoder never learned to draw; so here both learn together, the branch on a share of each
batch. Without the branch's residuals the UNet is a plain text-to-image model: that is what `sd` runs.
The later control stages start from this branch and leave the base frozen, as published.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.train.captions import BaseCaptions
from engine.train.diffusion import (
    World,
    build_controlnet,
    build_unet,
    denoising_loss,
    dropped,
    prefix_residuals,
    start_from,
)
from engine.train.loop import Stage, fit
from engine.train.recipe import Recipe

if TYPE_CHECKING:
    from diffusers import ControlNetModel, UNet2DConditionModel

    from engine.weights import Weights


def train(recipe: Recipe, world: World) -> tuple[UNet2DConditionModel, ControlNetModel]:
    unet = build_unet(recipe)
    branch = build_controlnet(unet, recipe)
    if recipe.start:
        start_from(unet, recipe, "unet")
        start_from(branch, recipe, "controlnet")
    if recipe.keeps("base"):
        return tuple(model.to(world.device).requires_grad_(False).eval() for model in (unet, branch))
    settings = recipe.stage("base")
    captions = BaseCaptions(world.rows, recipe.seed)
    controlled = round(settings.batch * float(settings.options["control_share"]))
    drop = float(settings.options["drop_text"])
    hand_weight = float(settings.options.get("hand_weight", 1.0))

    def loss(step, rng, generator):
        index = rng.integers(0, len(world), settings.batch)
        noisy, t, target = world.noised(world.clean(index), generator)
        text = world.text(dropped(captions(index, rng), rng, drop))
        k = controlled
        down, mid = branch(
            noisy[:k],
            t[:k],
            encoder_hidden_states=text[:k],
            controlnet_cond=world.hints(index[:k]),
            return_dict=False,
        )
        down, mid = prefix_residuals(down, mid, settings.batch)
        pred = unet(
            noisy, t, text, down_block_additional_residuals=down, mid_block_additional_residual=mid
        ).sample
        return {
            "loss": denoising_loss(pred, target, world.hand_weights(index, hand_weight)),
            "with_mesh": denoising_loss(pred[:k], target[:k]),
            "without": denoising_loss(pred[k:], target[k:]),
        }

    fit(
        Stage(name="base", modules={"unet": unet, "controlnet": branch}, loss=loss),
        settings,
        Path(recipe.out) / "base",
        seed=recipe.seed,
    )
    unet.requires_grad_(False).eval()
    return unet, branch


def borrow(recipe: Recipe, weights: Weights) -> tuple[UNet2DConditionModel, ControlNetModel]:
    """A profile's own UNet in single precision, and a control branch that begins as a copy of its encoder."""
    unet = weights.component("unet").float()
    branch = build_controlnet(unet, recipe)
    return unet, branch.to(weights.device).requires_grad_(False).eval()
