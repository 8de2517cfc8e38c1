"""The one converter: pictures as (H, W, 3) uint8 RGB, tensors as (1, 3, H, W), files as bytes.

`open_image` is the only door for a file from outside.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.types import UserError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
MIN_SIDE = 32  # px: nothing smaller holds a hand
MAX_SIDE = 2048  # px: larger pictures are brought down to it
MAX_BYTES = 30 << 20


def open_image(source: str | Path | bytes | np.ndarray, *, max_side: int = MAX_SIDE) -> np.ndarray:
    """A person's picture, upright, opaque, at most `max_side` a side: (H, W, 3) uint8; else UserError."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(source, np.ndarray):
        return _bounded(Image.fromarray(_rgb_array(source)), max_side)
    data = source if isinstance(source, bytes) else _read(Path(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image.width, image.height)
                image.load()
                upright = ImageOps.exif_transpose(image)
                return _bounded(_opaque(upright), max_side)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise UserError(
            f"This file is not a picture that can be read; use {', '.join(FORMATS)}.", code="bad_image"
        ) from None
    except (OSError, ValueError, SyntaxError, MemoryError, OverflowError):
        raise UserError(
            "This picture is damaged and cannot be read; try another file.", code="bad_image"
        ) from None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"This file is larger than {MAX_BYTES >> 20} MB; use a smaller picture.", code="large_image"
            )
        return path.read_bytes()
    except OSError:
        raise UserError("This file cannot be opened; choose it again.", code="bad_image") from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UserError(
            f"This picture has {width * height / 1e6:.0f} megapixels; "
            f"use one of at most {MAX_PIXELS / 1e6:.0f}.",
            code="large_image",
        )
    if min(width, height) < MIN_SIDE:
        raise UserError(
            f"This picture is {width}x{height} pixels; use one of at least {MIN_SIDE}x{MIN_SIDE}.",
            code="small_image",
        )


def _rgb_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype != np.uint8:
        raise UserError("A picture must be an RGB array of bytes.", code="bad_image")
    _check_size(array.shape[1], array.shape[0])
    return np.ascontiguousarray(array[..., :3])


def _opaque(image: Image.Image) -> Image.Image:
    """RGB; transparent parts on white, so that they do not turn into whatever colour lay under them."""
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def _bounded(image: Image.Image, max_side: int) -> np.ndarray:
    from PIL import Image

    if max(image.size) > max_side:
        scale = max_side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> `size` (height_px, width_px), without keeping the aspect."""
    from PIL import Image

    if image.shape[:2] == tuple(size):
        return image
    resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(resized, dtype=np.uint8)


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> `size`, keeping the aspect: what is too long is cut from both ends."""
    height, width = image.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    inner = min(height, round(size[0] / scale)), min(width, round(size[1] / scale))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    return resize(image[top : top + inner[0], left : left + inner[1]], size)


def to_tensor(image: np.ndarray, *, low: float = -1.0) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [low, 1]: -1 for a VAE, 0 for a ControlNet's hint."""
    import torch

    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return pixels * (1 - low) + low


def to_uint8(pixels: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [-1, 1] -> (H, W, 3) uint8, clipped and rounded."""
    values = (pixels[0].detach().float().cpu().permute(1, 2, 0).numpy() / 2 + 0.5).clip(0, 1)
    return np.round(values * 255).astype(np.uint8)


def encode(image: np.ndarray, kind: Literal["png", "webp"] = "png") -> bytes:
    """(H, W, 3) uint8 -> the bytes of a file; png keeps every value, webp is small."""
    from PIL import Image

    out = io.BytesIO()
    options = {"compress_level": 6} if kind == "png" else {"quality": 90, "method": 4}
    Image.fromarray(image).save(out, kind.upper(), **options)
    return out.getvalue()


def decode(data: bytes) -> np.ndarray:
    """The inverse of `encode`, for files of the project's own."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
