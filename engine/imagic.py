"""Imagic's tuning for one picture (Kawar et al. 2023): a text embedding, then the UNet.

A background job: `tune` is a generator that yields after each step, so its caller shows progress and
cancels by closing it. Steps and learning rates are those of the notebook that Hand1000 builds on
(papers/hand1000.md 4.2). `python -m engine.imagic` makes the weights of a gesture from a picture of it, or from
the first one of a corpus with its caption.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.manifest import DIFFERENCE, ENTRY, sha256
from engine.types import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from engine.weights import Models

logger = logging.getLogger(__name__)
EMBEDDINGS = "embeddings.safetensors"
BASES = {"imagic": "unet", "sd_ft_imagic": "sd_ft"}  # method -> the entry its tuning begins from


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast each stage goes."""

    embedding_steps: int = 500
    embedding_lr: float = 1e-3
    unet_steps: int = 1000
    unet_lr: float = 1e-6
    seed: int = 0
    # Where given, stage 2 teaches the cross-attention alone, as factors of this rank: a hundredth of the size.
    rank: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """After a step of tuning."""

    stage: Literal["embedding", "unet"]
    index: int  # 0-based, over both stages
    total: int
    loss: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """What one picture taught."""

    embedding: Tensor  # (length, width)
    unet: nn.Module
    prompt: str


def tune(
    models: Models, picture: np.ndarray, prompt: str, recipe: Recipe = Recipe()
) -> Generator[Progress, None, Tuned]:
    """Stage 1 fits the embedding with the UNet frozen, stage 2 the UNet with the embedding frozen.

    picture: (H, W, 3) uint8 of a size the profile takes. The loaded UNet is left as it is: a copy is tuned.
    """
    import torch

    from engine.image import to_tensor

    generator = torch.Generator().manual_seed(recipe.seed)
    total = recipe.embedding_steps + recipe.unet_steps
    with torch.no_grad():
        latents = models.encode(to_tensor(picture)).float()
        plain = models.text([prompt]).to(models.device).float()
    unet = copy.deepcopy(models.unet).float().train().requires_grad_(False)
    embedding = plain.clone()

    def steps(stage: str, learning: list[Tensor], first: int, count: int, lr: float) -> Iterator[Progress]:
        optimiser = torch.optim.Adam(learning, lr=lr)
        for index in range(first, first + count):
            with models.weights.mixed_precision():
                loss = denoising_loss(unet, latents, embedding, models.scheduler, generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield Progress(stage=stage, index=index, total=total, loss=loss.item())

    embedding.requires_grad_()
    yield from steps("embedding", [embedding], 0, recipe.embedding_steps, recipe.embedding_lr)
    embedding.requires_grad_(False)
    with _learning(unet, models.unet, recipe) as parameters:
        yield from steps("unet", parameters, recipe.embedding_steps, recipe.unet_steps, recipe.unet_lr)
    return Tuned(embedding=embedding.detach()[0], unet=unet.eval().requires_grad_(False), prompt=prompt)


@contextmanager
def _learning(unet: nn.Module, base: nn.Module, recipe: Recipe) -> Iterator[list[Tensor]]:
    """What stage 2 teaches: every parameter, or factors of the cross-attention's matrices."""
    if recipe.rank is None:
        yield list(unet.requires_grad_(True).parameters())
        return
    import torch

    from engine.train.low_rank import factored

    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("attn2" in name and parameter.ndim > 1)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        with factored(unet, base, recipe.rank):
            yield [parameter for parameter in unet.parameters() if parameter.requires_grad]


def denoising_loss(
    unet: nn.Module, latents: Tensor, text: Tensor, scheduler: dict[str, Any], generator: Any
) -> Tensor:
    """E ||target - UNet(z_t, t, text)||^2 at one random t, for noise- or velocity-prediction."""
    import torch
    import torch.nn.functional as F
    from diffusers import DDPMScheduler

    schedule = DDPMScheduler.from_config(scheduler)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    t = torch.randint(schedule.config.num_train_timesteps, (1,), generator=generator).to(latents.device)
    noised = schedule.add_noise(latents, noise, t)
    velocity = schedule.config.prediction_type == "v_prediction"
    target = schedule.get_velocity(latents, noise, t) if velocity else noise
    return F.mse_loss(unet(noised, t, encoder_hidden_states=text).sample, target)


def save(folder: Path, tuned: Tuned, base: nn.Module, base_name: str, *, rank: int | None = 16) -> None:
    """A self-describing entry: the difference, the embedding, and entry.json, which the manifest finds."""
    from safetensors.torch import save_file

    from engine.weights import save_difference

    folder.mkdir(parents=True, exist_ok=True)
    save_difference(folder / DIFFERENCE, tuned.unet.state_dict(), base.state_dict(), rank=rank)
    save_file({"embedding": tuned.embedding.half().cpu().contiguous()}, folder / EMBEDDINGS)
    entry = {
        "kind": "unet",
        "base": base_name,
        "files": {name: sha256(folder / name) for name in (DIFFERENCE, EMBEDDINGS)},
        "source": "tuned on one picture by engine.imagic",
        "licence": "as the base weights",
        "purpose": f"Imagic: {tuned.prompt}",
        "command": "python -m engine.imagic",
    }
    (folder / ENTRY).write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    from engine.engine import Engine
    from engine.image import fit

    parser = argparse.ArgumentParser(prog="engine.imagic", description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="a picture, or the folder of a corpus")
    parser.add_argument("gesture", help="its weights are called METHOD/GESTURE")
    parser.add_argument("--method", choices=tuple(BASES), default="imagic")
    parser.add_argument(
        "--prompt", help="what the picture shows; by default its caption or the gesture's phrase"
    )
    parser.add_argument("--profile", default="embedded")
    parser.add_argument("--embedding-steps", type=int, default=Recipe.embedding_steps)
    parser.add_argument("--unet-steps", type=int, default=Recipe.unet_steps)
    parser.add_argument("--unet-lr", type=float, default=Recipe.unet_lr)
    parser.add_argument("--rank", type=int, help="teach the cross-attention alone, as factors of this rank")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        engine = Engine(options.profile)
        picture, caption = _example(options.picture, options.gesture)
        picture, prompt = fit(picture, engine.profile.size), options.prompt or caption
        recipe = Recipe(
            embedding_steps=options.embedding_steps,
            unet_steps=options.unet_steps,
            unet_lr=options.unet_lr,
            rank=options.rank,
        )
        job = engine.tune_imagic(options.gesture, picture, prompt, recipe, method=options.method)
        for progress in _logged(job):
            logger.debug("%s", progress)
    except UserError as error:
        logger.error("%s", error)
        return 1
    return 0


def _example(path: Path, gesture: str) -> tuple[np.ndarray, str]:
    """The picture at `path` or the first of that gesture in the corpus there, and what it shows."""
    from engine.image import open_image
    from engine.methods.base import phrase_of

    if not path.is_dir():
        return open_image(path), f"a person {phrase_of(gesture)}"
    from engine.evaluate.cases import load_cases

    case, *_ = load_cases(path, 1, split="train", gestures=(gesture,))
    return case.image, case.prompt("phrase")


def _logged(job: Iterator[Progress], every: int = 50) -> Iterator[Progress]:
    for progress in job:
        if (progress.index + 1) % every == 0:
            logger.info(
                "%s %d/%d loss %.4f", progress.stage, progress.index + 1, progress.total, progress.loss
            )
        yield progress


if __name__ == "__main__":
    sys.exit(main())
