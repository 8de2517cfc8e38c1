"""CLIP score (Hessel et al. 2021): how well a picture fits its text, where a person has CLIP's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.types import UserError

BATCH = 16


class ClipScore:
    """100 x max(cosine, 0) of the picture's and the text's embedding; papers use openai/clip-vit-base-
    patch32.
    """

    def __init__(self, folder: Path):
        """`folder` in transformers' layout."""
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        if not (folder / "config.json").is_file():
            raise UserError(
                f"No CLIP model in {folder}: download openai/clip-vit-base-patch32 and give its folder.",
                code="no_clip",
            )
        self._model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)

    def __call__(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """(N,) of N pictures (H, W, 3) uint8 and their N texts."""
        import torch

        scores = []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            tokens = self._tokenizer(list(texts[part]), padding=True, truncation=True, return_tensors="pt")
            pixels = self._processor(list(images[part]), return_tensors="pt")
            with torch.inference_mode():
                out = self._model(**tokens, **pixels)
            scores.append((out.image_embeds * out.text_embeds).sum(-1).clamp(min=0) * 100)
        return torch.cat(scores).numpy()
