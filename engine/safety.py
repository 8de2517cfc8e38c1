"""One safety check for every method of a profile: Stable Diffusion's own, on the finished picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.types import UserError

if TYPE_CHECKING:
    import numpy as np

# CLIP's image normalisation (Radford et al. 2021), RGB.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, eq=False)
class SafetyCheck:
    """The loaded checker of diffusers."""

    model: Any

    def __call__(self, image: np.ndarray) -> None:
        """UserError when the picture must not be shown. image: (H, W, 3) uint8."""
        import torch

        from engine.image import fit, to_tensor

        side = self.model.vision_model.config.image_size
        pixels = to_tensor(fit(image, (side, side)), low=0.0)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        parameter = next(self.model.parameters())
        with torch.inference_mode():
            clip_input = ((pixels - mean) / std).to(parameter)
            _, flagged = self.model(images=[image.copy()], clip_input=clip_input)
        if flagged[0]:
            raise UserError(
                "The safety check held this picture back; change the prompt or the seed.", code="unsafe"
            )
