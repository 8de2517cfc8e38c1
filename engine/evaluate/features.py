"""Networks that turn pictures into feature vectors for Fréchet and kernel distances, behind one interface.

Which network a distance was measured with is part of its name: FID and KID are Inception's; the shipped
attribute network gives FD-world and KD-world. -H is the same on hand crops. Numbers of different networks
never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.types import UserError

if TYPE_CHECKING:
    import torch

BATCH = 32
INCEPTION_PX = 299
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INCEPTION_SOURCE = (
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"
)


class Features(Protocol):
    """A network's features. `frechet` and `kernel` are the names its distances go by."""

    frechet: str
    kernel: str
    crop_px: int  # the size at which hand crops are given

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures (H, W, 3) uint8 RGB of one size -> (N, D) float32."""
        ...


class ScriptedInception:
    """Inception as a TorchScript file: the network FID is defined by, or the one of Hand1000's script.

    "fid"       the 2015 TensorFlow network, as NVIDIA distributes it; it takes uint8 and resizes by itself.
    "hand1000"  torchvision's Inception-v3 with `fc = torch.nn.Identity()`, saved with torch.jit.trace in any
                environment that has torchvision; resized to 299, centre-cropped, ImageNet's normalisation.
    """

    crop_px = INCEPTION_PX

    def __init__(self, path: Path, variant: str = "fid"):
        import torch

        if not path.is_file():
            raise UserError(
                f"No Inception weights at {path}: download {INCEPTION_SOURCE} and give its path, "
                "or leave the option out to use the shipped attribute network.",
                code="no_inception",
            )
        self.frechet, self.kernel = {"fid": ("FID", "KID"), "hand1000": ("FID-hand1000", "KID-hand1000")}[
            variant
        ]
        self._published = variant == "hand1000"
        try:
            self._model = torch.jit.load(str(path), map_location="cpu").eval()
        except RuntimeError as error:
            raise UserError(f"{path} is not a TorchScript file.", code="bad_inception") from error

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if self._published:
            return in_batches(self._model, np.stack([imagenet_input(image) for image in images]))
        pixels = np.stack(images).transpose(0, 3, 1, 2)
        return in_batches(lambda x: self._model(x, return_features=True), pixels)


def imagenet_input(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (3, 299, 299) float32: shorter side to 299, centre crop, ImageNet's mean and
    deviation.
    """
    from PIL import Image

    height, width = image.shape[:2]
    scale = INCEPTION_PX / min(height, width)
    size = (max(round(width * scale), INCEPTION_PX), max(round(height * scale), INCEPTION_PX))
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    top, left = (resized.shape[0] - INCEPTION_PX) // 2, (resized.shape[1] - INCEPTION_PX) // 2
    centre = resized[top : top + INCEPTION_PX, left : left + INCEPTION_PX]
    normalised = (centre - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return normalised.astype(np.float32).transpose(2, 0, 1)


def in_batches(
    network: Callable[[torch.Tensor], torch.Tensor], arrays: np.ndarray, batch: int = BATCH
) -> np.ndarray:
    """The network's output for `arrays` (N, ...), float32."""
    import torch

    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(arrays[i : i + batch])).float() for i in range(0, len(arrays), batch)
        ]
    return torch.cat(parts).flatten(1).numpy()
