"""Stage 1: the autoencoder, diffusers' AutoencoderKL at a small width, on crops that hold a hand half of the time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.train.data import Pictures
from engine.train.diffusion import start_from
from engine.train.loop import Stage, fit
from engine.train.recipe import Recipe
from engine.weights import pick_device

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from torch import Tensor

log = logging.getLogger(__name__)

ENCODE_PIXELS = 32 * 3 * 256**2  # values a batch


def build_vae(recipe: Recipe) -> AutoencoderKL:
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(recipe.seed)
    levels = len(recipe.vae["block_out_channels"])
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        sample_size=recipe.size,
        scaling_factor=1.0,  # `normalise` folds each channel's mean and deviation into the 1x1 convolutions
        **recipe.vae,
    )


def pixels(images: np.ndarray, device="cpu") -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1]."""
    import torch

    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def crops(pictures: Pictures, rng: np.random.Generator, batch: int, size: int) -> np.ndarray:
    """(batch, size, size, 3) uint8, mirrored half of the time; every second crop lies over the mesh's box."""
    height, width = pictures.images.shape[1:3]
    out = np.zeros((batch, size, size, 3), np.uint8)
    for k, i in enumerate(rng.integers(0, len(pictures), batch)):
        y, x = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
        if k % 2 and size < height:
            rows, columns = np.nonzero(pictures.meshes[i] > 30)
            if len(rows):
                y = int(np.clip(rng.choice(rows) - size // 2, 0, height - size))
                x = int(np.clip(rng.choice(columns) - size // 2, 0, width - size))
        crop = pictures.images[i, y : y + size, x : x + size]
        out[k] = crop[:, ::-1] if rng.random() < 0.5 else crop
    return out


def train(recipe: Recipe, pictures: Pictures) -> AutoencoderKL:
    """Absolute error of colours and of their differences at two scales (edges are what fingers are), small KL."""
    vae = build_vae(recipe)
    if recipe.start:
        start_from(vae, recipe, "vae")
        return vae.to(pick_device()).requires_grad_(False).eval()
    settings = recipe.stage("autoencoder")
    crop = min(int(settings.options.get("crop", 128)), recipe.size)
    kl_weight, edge_weight = float(settings.options["kl"]), float(settings.options["edges"])

    def loss(step, rng, generator):
        x = pixels(crops(pictures, rng, settings.batch, crop), vae.device)
        posterior = vae.encode(x).latent_dist
        noise = _randn_like(posterior.mean, generator)
        y = vae.decode(posterior.mean + posterior.std * noise).sample
        colour = (y - x).abs().mean()
        edges = _edge_error(x, y)
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return {
            "loss": colour + edge_weight * edges + kl_weight * kl,
            "colour": colour,
            "edges": edges,
            "kl": kl,
        }

    fit(
        Stage(name="autoencoder", modules={"vae": vae}, loss=loss),
        settings,
        Path(recipe.out) / "autoencoder",
        seed=recipe.seed,
    )
    vae.requires_grad_(False).eval()
    normalise(vae, pictures)
    return vae


def _randn_like(x: Tensor, generator) -> Tensor:
    import torch

    return torch.randn(x.shape, generator=generator, dtype=torch.float32).to(x)


def _edge_error(x: Tensor, y: Tensor) -> Tensor:
    """Absolute error of neighbour differences, at full and half scale."""
    import torch.nn.functional as F

    total = 0.0
    for _ in range(2):
        d = y - x
        total = (
            total + (d[..., 1:, :] - d[..., :-1, :]).abs().mean() + (d[..., 1:] - d[..., :-1]).abs().mean()
        )
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return total


def normalise(vae: AutoencoderKL, pictures: Pictures, count: int = 256) -> None:
    """Every latent channel gets mean 0 and deviation 1 on the corpus, exactly undone before the decoder.

    Folded into quant_conv and post_quant_conv, so the files stay plain diffusers with scaling_factor 1.
    """
    import torch

    chosen = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int)
    with torch.no_grad():
        z = torch.cat(
            [vae.encode(pixels(pictures.images[i : i + 1], vae.device)).latent_dist.mean for i in chosen]
        )
        mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3)).clamp_min(1e-6)
        c = len(mean)
        quant, post = vae.quant_conv, vae.post_quant_conv
        quant.bias[:c] = (quant.bias[:c] - mean) / std
        quant.weight[:c] /= std[:, None, None, None]
        quant.bias[c:] -= 2 * std.log()
        post.bias += post.weight[:, :, 0, 0] @ mean
        post.weight *= std[None, :, None, None]


def encode_all(vae: AutoencoderKL, pictures: Pictures, folder: Path) -> np.ndarray:
    """(N, C, h, w) float16 scaled latents (posterior means), computed once and kept in `folder`; resumable."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    path, mark = folder / "latents.npy", folder / "latents.count"
    c, down = vae.config.latent_channels, 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (len(pictures), c, pictures.images.shape[1] // down, pictures.images.shape[2] // down)
    start = int(mark.read_text()) if mark.is_file() and path.is_file() else 0
    out = np.lib.format.open_memmap(path, "r+" if start else "w+", *(() if start else (np.float16, shape)))
    if start and out.shape != shape:
        out, start = np.lib.format.open_memmap(path, "w+", np.float16, shape), 0
    batch = max(1, ENCODE_PIXELS // pictures.images[0].size)
    with torch.inference_mode():
        for i in range(start, len(pictures), batch):
            z = vae.encode(pixels(pictures.images[i : i + batch], vae.device)).latent_dist.mean
            out[i : i + batch] = (z * vae.config.scaling_factor).half().cpu().numpy()
            if i // batch % 16 == 15:
                out.flush()
                mark.write_text(str(i + batch))
    out.flush()
    mark.write_text(str(len(pictures)))
    return np.load(path, mmap_mode="r")
