"""Shared models at toy width, built once a session. Sizes are never square."""

from __future__ import annotations

import pytest

from engine import tiny
from engine.text import TextEncoder

LATENT_SIZE = (8, 12)  # rows, columns


@pytest.fixture(scope="session")
def unet():
    return tiny.unet()


@pytest.fixture(scope="session")
def controlnet():
    return tiny.controlnet()


@pytest.fixture(scope="session")
def encoder():
    return TextEncoder(tiny.tokenizer(), tiny.text_model(), length=tiny.LENGTH, zero_padding=True)


@pytest.fixture
def inputs():
    """x (2, 4, 8, 12), t, text (2, 24, 32), hint (2, 3, 64, 96): a batch as guidance makes it."""
    import torch

    generator = torch.Generator().manual_seed(7)
    x = torch.randn(2, tiny.LATENTS, *LATENT_SIZE, generator=generator)
    text = torch.randn(2, tiny.LENGTH, tiny.WIDTH, generator=generator)
    hint = torch.rand(2, 3, 64, 96, generator=generator)
    return x, torch.tensor(500), text, hint
