"""What every diffusion stage shares: models by recipe, batches by index, the denoising loss."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.train.data import Pictures, TextBank, sent
from engine.train.recipe import Recipe
from engine.types import UserError

if TYPE_CHECKING:
    from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel
    from torch import Tensor


def build_unet(recipe: Recipe) -> UNet2DConditionModel:
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(recipe.seed + 1)
    down = 2 ** (len(recipe.vae["block_out_channels"]) - 1)
    channels = recipe.vae["latent_channels"]
    return UNet2DConditionModel(
        sample_size=recipe.size // down, in_channels=channels, out_channels=channels, **recipe.unet
    )


def start_from(model, recipe: Recipe, entry: str) -> None:
    """The entry's shipped weights into `model`, which has their architecture."""
    from safetensors.torch import load_file

    path = Path(recipe.start) / entry / "diffusion_pytorch_model.fp16.safetensors"
    if not path.is_file():
        raise UserError(f"The recipe goes on from {path}, which is not there.")
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})


def build_controlnet(unet: UNet2DConditionModel, recipe: Recipe) -> ControlNetModel:
    """A copy of the encoder, zero output convolutions, a hint encoder that ends at the latents' size."""
    from diffusers import ControlNetModel

    return ControlNetModel.from_unet(
        unet, conditioning_channels=3, conditioning_embedding_out_channels=recipe.hint_channels
    )


def build_scheduler(config: dict[str, Any]) -> DDIMScheduler:
    """config: a recipe's arguments, or the file of any scheduler of the same noise levels."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_config(config)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A corpus ready for diffusion. On a GPU latents and mesh images lie there, where they are needed."""

    rows: list[dict]  # captions, semantics, attributes
    images: np.ndarray  # (N, H, W, 3) uint8
    latents: Tensor  # (N, C, h, w) float16
    meshes: Tensor  # (N, H, W) uint8
    more_hints: dict[str, Tensor] = field(default_factory=dict)  # kind -> (N or N / 2, H, W, 3) uint8
    texts: TextBank
    scheduler: DDIMScheduler

    @classmethod
    def of(cls, pictures: Pictures, latents: np.ndarray, texts: TextBank, scheduler, device: str) -> World:
        import torch

        def tensor(array: np.ndarray) -> Tensor:
            if device == "cpu":
                with warnings.catch_warnings():  # the map is read-only, and nothing writes to it
                    warnings.simplefilter("ignore", UserWarning)
                    return torch.from_numpy(array)
            return torch.from_numpy(np.array(array)).to(device)

        return cls(
            rows=pictures.rows,
            images=pictures.images,
            latents=tensor(latents),
            meshes=tensor(pictures.meshes),
            more_hints={kind: tensor(images) for kind, images in pictures.hints.items()},
            texts=texts,
            scheduler=scheduler,
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def device(self) -> str:
        return str(self.latents.device)

    def draw(self, rng: np.random.Generator, count: int, hint: str = "mesh") -> np.ndarray:
        """(count,) indices of pictures that have this hint."""
        return rng.integers(0, len(self) if hint == "mesh" else len(self.more_hints[hint]), count)

    def hints(self, index: np.ndarray, kind: str = "mesh") -> Tensor:
        """(B, 3, H, W) in [0, 1]; the mesh image is grey in three channels."""
        if kind != "mesh":
            return self.more_hints[kind][self._at(index)].permute(0, 3, 1, 2).float() / 255
        grey = self.meshes[self._at(index)].float() / 255
        return grey[:, None].expand(-1, 3, -1, -1)

    def pictures(self, index: np.ndarray) -> Tensor:
        """(B, 3, H, W) in [0, 1]: the pictures themselves."""
        import torch

        chosen = torch.from_numpy(self.images[np.asarray(index)])
        return sent(chosen, self.device).permute(0, 3, 1, 2).float() / 255

    def hand_weights(self, index: np.ndarray, factor: float) -> Tensor | None:
        """(B, 1, h, w), mean 1: latent cells that hold some of the hand count `factor` times as much."""
        import torch.nn.functional as F

        if factor == 1:
            return None
        cover = F.adaptive_avg_pool2d(self.hints(index)[:, :1], self.latents.shape[2:])
        weight = 1 + (factor - 1) * (cover > 0.02).float()
        return weight / weight.mean((1, 2, 3), keepdim=True)

    def clean(self, index: np.ndarray) -> Tensor:
        """(B, C, h, w) float32."""
        return self.latents[self._at(index)].float()

    def _at(self, index: np.ndarray) -> Tensor:
        import torch

        return sent(torch.from_numpy(np.asarray(index, dtype=np.int64)), self.device)

    def noised(self, x0: Tensor, generator, early: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """x0 (B, C, h, w) -> noisy latents, timesteps (B,), target.

        early 0: every timestep equally likely; above, p(t) grows as t ** early, so that the noisy ones, where a
        picture's layout is settled, come more often.
        """
        import torch

        device = generator.device
        noise = torch.randn(x0.shape, generator=generator, device=device).to(x0)
        share = torch.rand(len(x0), generator=generator, device=device) ** (1 / (1 + early))
        count = self.scheduler.config.num_train_timesteps
        t = (share * count).long().clamp_max(count - 1).to(x0.device)
        noisy = self.scheduler.add_noise(x0, noise, t)
        if self.scheduler.config.prediction_type == "v_prediction":
            return noisy, t, self.scheduler.get_velocity(x0, noise, t)
        return noisy, t, noise

    def text(self, texts: list[str]) -> Tensor:
        """States (B, length, width)."""
        return self.texts(texts)


def dropped(texts: list[str], rng: np.random.Generator, share: float) -> list[str]:
    """A share of the prompts becomes the empty one: what guidance needs."""
    return ["" if rng.random() < share else text for text in texts]


def denoising_loss(pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """E w || target - pred ||^2, every noise level weighing the same; weight (B, 1, h, w) of mean 1, or none."""
    error = (pred.float() - target.float()) ** 2
    return (error if weight is None else error * weight).mean()


def prefix_residuals(down: list[Tensor], mid: Tensor, batch: int) -> tuple[list[Tensor], Tensor]:
    """Residuals of the first rows of a batch, with zeros for the rest: one UNet pass for both kinds."""
    import torch

    def grow(x: Tensor) -> Tensor:
        return x if len(x) == batch else torch.cat([x, x.new_zeros(batch - len(x), *x.shape[1:])])

    return [grow(x) for x in down], grow(mid)
