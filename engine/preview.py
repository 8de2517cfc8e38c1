"""`python -m engine.preview PROFILE PICTURES`: the linear map from latents to colours, which draws previews.

A decoder is as dear as a step of the UNet; a latent's colour is nearly linear in its channels, so least
squares on a few dozen pictures gives a preview for nothing. Prints the line for the profile's table in
assets/models.toml; to be made again when the profile's VAE changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.types import UserError

if TYPE_CHECKING:
    from engine.weights import Models

ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}


def fit(models: Models, pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """Least squares from latents and 1 to RGB in [-1, 1]: ((channels + 1, 3), share explained).

    pictures: (H, W, 3) uint8, of a size the profile takes.
    """
    import torch
    import torch.nn.functional as F

    from engine.image import to_tensor

    latents, colors = [], []
    with torch.inference_mode():
        for picture in pictures:
            pixels = to_tensor(picture)
            z = models.encode(pixels).float().cpu()
            latents.append(z[0].flatten(1).T)
            colors.append(F.adaptive_avg_pool2d(pixels, z.shape[-2:])[0].flatten(1).T)
    x, y = (torch.cat(parts).double().numpy() for parts in (latents, colors))
    x = np.hstack([x, np.ones((len(x), 1))])
    matrix, *_ = np.linalg.lstsq(x, y, rcond=None)
    explained = 1 - np.square(x @ matrix - y).sum() / np.square(y - y.mean(0)).sum()
    return matrix, float(explained)


def main(arguments: list[str] | None = None) -> int:
    from engine.engine import Engine
    from engine.image import fit as fit_size
    from engine.image import open_image

    parser = argparse.ArgumentParser(prog="engine.preview", description=__doc__.splitlines()[0])
    parser.add_argument("profile")
    parser.add_argument("pictures", type=Path, help="a folder of them")
    options = parser.parse_args(arguments)
    try:
        engine = Engine(options.profile)
        files = sorted(p for p in options.pictures.glob("*") if p.suffix.lower() in ENDINGS)
        if not files:
            raise UserError(f"There are no pictures in {options.pictures}.", code="bad_file")
        pictures = (fit_size(open_image(file), engine.profile.size) for file in files)
        matrix, explained = fit(engine.weights.models_for("unet"), pictures)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rows = ", ".join("[" + ", ".join(f"{value:.4f}" for value in row) + "]" for row in matrix)
    sys.stdout.write(f"preview = [{rows}]\n")
    sys.stderr.write(f"{len(files)} pictures, {explained:.1%} of the variance explained\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
