"""`python -m engine.train STAGE… [--recipe cpu|full|toy|FILE]`: trains, resumes, and ships the embedded weights.

Stages in order: autoencoder, latents, base, controlnet, sesahand, hand1000, sd_ft, controlnet-depth (HandRefiner's),
handbooster, attentionhand, foundhand, ship; `all` is all that the recipe has. A stage that is done is only loaded; one
that was killed goes on where it was. With --alone only the named stages are trained, so that several processes can
share one GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

from engine.train.recipe import Recipe, load_recipe
from engine.types import UserError

BRANCHES = ("controlnet-depth", "handbooster", "attentionhand", "foundhand")
STAGES = (
    "autoencoder", "latents", "base", "controlnet", "sesahand", "hand1000", "sd_ft", *BRANCHES, "ship",
)  # fmt: skip


def parse(argv: list[str] | None) -> tuple[list[str], Recipe, Path, bool]:
    parser = argparse.ArgumentParser(prog="engine.train", description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="+", choices=(*STAGES, "all"))
    parser.add_argument("--recipe", default="cpu", help="cpu, full, toy or a .toml file")
    parser.add_argument("--data", help="corpus folder instead of the recipe's")
    parser.add_argument("--out", help="runs folder instead of the recipe's")
    parser.add_argument("--start", help="folder of weights to go on from instead of the recipe's")
    parser.add_argument("--assets", default="assets", help="where `ship` writes weights/embedded")
    parser.add_argument("--limit", type=int, help="pictures to use at most")
    parser.add_argument("--gesture", help="only these of hand1000's and sd_ft's gestures, with commas")
    parser.add_argument("--alone", action="store_true", help="no stage of the recipe but the named ones")
    args = parser.parse_args(argv)
    recipe = load_recipe(args.recipe)
    changes = {key: value for key in ("data", "out", "start", "limit") if (value := getattr(args, key))}
    if args.gesture:
        changes["stages"] = {
            name: dataclasses.replace(s, options={**s.options, "gestures": args.gesture.split(",")})
            if "gestures" in s.options
            else s
            for name, s in recipe.stages.items()
        }
    stages = list(STAGES) if "all" in args.stages else args.stages
    return stages, dataclasses.replace(recipe, **changes), Path(args.assets), args.alone


def main(argv: list[str] | None = None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        run(*parse(argv))
    except UserError as error:
        sys.exit(str(error))


def run(stages: list[str], recipe: Recipe, assets: Path, alone: bool = False) -> None:
    """Everything up to the last stage that was asked for; what is done is loaded, not trained again.

    A recipe that goes on from shipped weights and has no stage `base` leaves everything below its stages as it is;
    one that names another profile tunes that one's models, which lie in the hub's cache.
    """
    from engine.manifest import Manifest
    from engine.train import autoencoder, base, control, hand1000, ship
    from engine.train.data import TextBank, open_pictures
    from engine.train.diffusion import World, build_scheduler
    from engine.weights import Weights

    last = max(STAGES.index(stage) for stage in stages)
    out = Path(recipe.out)
    pictures = open_pictures(
        recipe.data, size=recipe.size, limit=recipe.limit, mirror=recipe.mirror, hints=recipe.hints
    )
    weights = Weights(Manifest(), recipe.profile)
    vae = weights.component("vae").float() if recipe.borrows else autoencoder.train(recipe, pictures)
    if last == 0:
        return
    latents = autoencoder.encode_all(vae, pictures, out / "autoencoder")
    if last == 1:
        return
    texts = TextBank(weights.component("text"), str(vae.device))
    config = weights.component("scheduler") if recipe.borrows else recipe.scheduler
    world = World.of(pictures, latents, texts, build_scheduler(config), str(vae.device))
    unet, branch = base.borrow(recipe, weights) if recipe.borrows else base.train(recipe, world)
    made = ship.Made(vae=vae, unet=unet, branch=branch, scheduler=world.scheduler)

    def wanted(stage: str) -> bool:
        # `all` is all that the recipe has
        named = stage in stages or (not alone and stage in recipe.stages)
        return last >= STAGES.index(stage) and named and not recipe.keeps(stage)

    if wanted("controlnet"):
        made.controlnet = control.train("controlnet", recipe, world, unet, branch)
    if wanted("sesahand"):
        made.sesahand = control.train("sesahand", recipe, world, unet, made.controlnet or branch)
    if wanted("hand1000"):
        made.hand1000 = list(hand1000.train(recipe, world, unet))
    if wanted("sd_ft"):
        made.sd_ft = list(hand1000.train(recipe, world, unet, "sd_ft"))
    for name in BRANCHES:
        if wanted(name):
            made.branches[name] = control.train(name, recipe, world, unet, made.controlnet or branch)
    if "ship" in stages:
        if recipe.borrows:
            ship.store(made, recipe)
        else:
            ship.ship(made, recipe, assets)


if __name__ == "__main__":
    main()
