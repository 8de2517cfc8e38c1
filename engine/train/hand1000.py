"""Hand1000's three stages on the embedded world, and its control runs.

Stage I  mean MediaPipe feature of a gesture's pictures.
Stage II the double-fused embedding is optimised by the denoising loss, UNet frozen, and thrown away afterwards.
Stage III the UNet learns with that embedding frozen.

As published, II and III are interleaved: here batch by batch, there picture by picture (papers/hand1000.md 4.2).
Switches, all in the recipe: each (a set of weights for each gesture, as published; else one for all), share
(lambda; 1 = no fusion, which is fine-tuned SD), embedding_steps, unet_steps, zero_gesture,
feature = literal | normalised, reseed_per_batch, fresh_adam, in_order, hand_weight, early (noise levels), frozen (parts
of the UNet, by the beginnings of their names), low_rank (rank, minutes, lr: last minutes in which only a difference of
that rank learns, because only that is kept), checkpointing (a third of the activations' memory for a third more time).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.train.captions import GestureCaptions
from engine.train.diffusion import World, denoising_loss
from engine.train.loop import Stage
from engine.train.low_rank import fit_to_rank
from engine.train.recipe import Recipe
from engine.types import UserError

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from torch import Tensor

    from engine.text import GestureSet

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    unet: UNet2DConditionModel
    features: dict[str, np.ndarray]  # gesture -> (63,)
    phrases: dict[str, str]
    fc_seed: int
    share: float
    feature_kind: str

    def gestures(self) -> GestureSet:
        """What inference needs beside the UNet."""
        import torch

        from engine.text import GestureSet

        return GestureSet(
            phrases=self.phrases,
            features={g: torch.from_numpy(v).float() for g, v in self.features.items()},
            fc_seed=self.fc_seed,
            feature=self.feature_kind,
            share=self.share,
        )


def mean_features(world: World, gestures: list[str], kind: str, count: int = 200) -> dict[str, np.ndarray]:
    """Stage I over up to `count` pictures of each gesture; pictures without a detected hand are left out."""
    from engine.fusion import mean_feature
    from engine.reconstruct import detect

    height, width = world.images.shape[1:3]
    out = {}
    for gesture in gestures:
        rows = [i for i, row in enumerate(world.rows) if row["attributes"]["gesture"] == gesture]
        found = []
        for i in rows[:count]:
            for hand in detect(np.asarray(world.images[i]), max_hands=1)[:1]:
                # z runs in about the scale of x: metres over the hand's size in metres, times its size in the frame
                points = hand.points_px / (width, height)
                scale = np.ptp(points[:, 0]) / max(np.ptp(hand.world_m[:, 0]), 1e-6)
                z = (hand.world_m[:, 2] - hand.world_m[0, 2]) * scale
                found.append((np.column_stack([points, z]), hand.side))
        if not found:
            raise UserError(f"No hand was found in the pictures of '{gesture}', so it has no mean feature.")
        log.info("stage I: %s, a hand in %d of %d pictures", gesture, len(found), len(rows[:count]))
        out[gesture] = mean_feature(found, kind)
    return out


def saved_features(folder: Path, world: World, gestures: list[str], kind: str) -> dict[str, np.ndarray]:
    """Stage I once: kept in features.npz, which may also come from a machine that has MediaPipe."""
    path = folder / "features.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **mean_features(world, gestures, kind))
    with np.load(path) as saved:
        return {gesture: saved[gesture] for gesture in gestures}


def fused_states(
    world: World,
    texts: list[str],
    gestures: list[str],
    features: dict[str, np.ndarray],
    *,
    fc_seed: int,
    zero: bool,
) -> Tensor:
    """(pictures, length, width) float16: e_f of each, all through one generation of the layer's rows."""
    import torch

    from engine.fusion import FusionFC

    pairs = sorted(set(zip(texts, gestures, strict=True)))
    states = world.texts([text for text, _ in pairs]).cpu()
    vectors = torch.from_numpy(np.stack([features[g] * (0.0 if zero else 1.0) for _, g in pairs])).float()
    fusion = FusionFC(tokens=states.shape[1], width=states.shape[2], seed=fc_seed)
    fused = fusion(states, vectors).half().to(world.device)
    place = {pair: i for i, pair in enumerate(pairs)}
    return fused[[place[pair] for pair in zip(texts, gestures, strict=True)]]


def train(
    recipe: Recipe, world: World, base: UNet2DConditionModel, name: str = "hand1000"
) -> Iterator[Tuned]:
    """Stages II and III, once for all gestures or once for each; a set of weights is made when it is asked for.

    name: the stage of the recipe: "hand1000", "sd_ft", or one of the control runs.
    """
    options = recipe.stage(name).options
    gestures = list(options["gestures"])
    root = Path(recipe.out)
    if not options.get("each", False):
        yield tune(recipe, world, base, gestures, name, root / name)
        return
    for gesture in gestures:
        yield tune(recipe, world, base, [gesture], name, root / f"{name}-{gesture}")


def tune(
    recipe: Recipe, world: World, base: UNet2DConditionModel, gestures: list[str], name: str, folder: Path
) -> Tuned:
    """One set of weights for `gestures`, by the stage `name` of the recipe; its runs lie in `folder`."""
    import torch

    settings = recipe.stage(name)
    options = settings.options
    share = float(options.get("share", 0.7))
    kind = str(options.get("feature", "literal"))
    fc_seed = int(options.get("fc_seed", 1000))
    inner, outer = int(options["embedding_steps"]), int(options["unet_steps"])
    embedding_lr = float(options.get("embedding_lr", 1e-3))
    hand_weight, early = float(options.get("hand_weight", 1.0)), float(options.get("early", 0.0))

    captions = GestureCaptions(world.rows)
    rows = [i for i, row in enumerate(world.rows) if row["attributes"]["gesture"] in gestures]
    if not rows:
        raise UserError(f"The corpus has no pictures of {gestures}.")
    of = {i: world.rows[i]["attributes"]["gesture"] for i in rows}
    texts = {i: captions.text(i) for i in rows}
    features = saved_features(folder, world, gestures, kind) if share < 1 else {}
    place = {i: k for k, i in enumerate(rows)}
    fused = (
        fused_states(
            world, [texts[i] for i in rows], [of[i] for i in rows], features,
            fc_seed=fc_seed, zero=bool(options.get("zero_gesture", False)),
        )
        if share < 1
        else None
    )  # fmt: skip
    rows_array = np.array(rows)
    unet = copy.deepcopy(base).requires_grad_(False).train()
    if options.get("checkpointing", False):
        unet.enable_gradient_checkpointing()
    frozen = tuple(options.get("frozen", ()))
    for key, p in unet.named_parameters():
        p.requires_grad_(not key.startswith(frozen))
    stage = Stage(name=name, modules={"unet": unet}, loss=lambda *a: loss(*a), own_backward=True)

    def error(x0: Tensor, weight: Tensor | None, embedding: Tensor, generator) -> Tensor:
        noisy, t, target = world.noised(x0, generator, early)
        with stage.extra["autocast"]():
            return denoising_loss(unet(noisy, t, embedding).sample, target, weight)

    def loss(step: int, rng: np.random.Generator, generator) -> dict[str, Tensor]:
        if options.get("in_order", False):  # the published code: one picture after the other
            index = rows_array[(step * settings.batch + np.arange(settings.batch)) % len(rows_array)]
        else:
            index = rng.choice(rows_array, settings.batch)
        if options.get(
            "reseed_per_batch", False
        ):  # the published code's torch.manual_seed(0) before each picture
            generator.manual_seed(0)
        x0, weight = world.clean(index), world.hand_weights(index, hand_weight)
        embedding = world.text([texts[i] for i in index])
        if share < 1:
            learned = fused[[place[i] for i in index]].float()
            embedding = share * embedding + (1 - share) * learned
        embedding = embedding.detach().clone().requires_grad_(True)

        unet.requires_grad_(False)  # no gradients of weights
        adam = torch.optim.Adam([embedding], lr=embedding_lr)
        for _ in range(inner):  # stage II
            value = error(x0, weight, embedding, generator)
            (embedding.grad,) = torch.autograd.grad(value, embedding)
            adam.step()
        embedding = embedding.detach()

        optimizer = stage.extra["optimizer"]
        params = [p for group in optimizer.param_groups for p in group["params"]]  # at last factors
        for p in params:
            p.requires_grad_(True)
        if options.get("fresh_adam", False):
            optimizer.state.clear()
        total = 0.0
        for _ in range(outer):  # stage III
            value = error(x0, weight, embedding, generator)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(params, settings.clip)
            optimizer.step()
            total += value.detach()
        return {"loss": total / outer}

    fit_to_rank(stage, settings, folder, model=unet, base=base, seed=recipe.seed + 11)
    unet.requires_grad_(False).eval()
    unet.disable_gradient_checkpointing()
    return Tuned(
        unet=unet,
        features=features,
        phrases={g: captions.phrase[g] for g in gestures},
        fc_seed=fc_seed,
        share=share,
        feature_kind=kind,
    )
