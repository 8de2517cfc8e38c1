"""Shared models at toy width, built once a session. Sizes are never square."""

from __future__ import annotations

import pytest

from engine import tiny
from engine.types import Camera, HandPose, Request, SamplerSpec

LATENT_SIZE = (8, 12)  # rows, columns
PHRASE = "making ok hand gesture"


@pytest.fixture(scope="session")
def unet():
    return tiny.unet()


@pytest.fixture(scope="session")
def controlnet():
    return tiny.controlnet()


@pytest.fixture(scope="session")
def encoder():
    return tiny.text()


@pytest.fixture
def inputs():
    """x (2, 4, 8, 12), t, text (2, 24, 32), hint (2, 3, 64, 96): a batch as guidance makes it."""
    import torch

    generator = torch.Generator().manual_seed(7)
    x = torch.randn(2, tiny.LATENTS, *LATENT_SIZE, generator=generator)
    text = torch.randn(2, tiny.LENGTH, tiny.WIDTH, generator=generator)
    hint = torch.rand(2, 3, 64, 96, generator=generator)
    return x, torch.tensor(500), text, hint


@pytest.fixture(scope="session")
def hint_of():
    """A hint without a renderer: a bar at the hand's place, its shade by kind; (H, W, 3) uint8."""
    import numpy as np

    def render(kind, hands, camera, size):
        image = np.zeros((*size, 3), dtype=np.uint8)
        for hand in hands:
            middle = int(size[1] / 2 + hand.transl[0] * 100)
            shade = 60 + 40 * ("mesh", "depth", "normals", "keypoints", "mask").index(kind)
            image[size[0] // 4 : size[0] // 2, middle - 8 : middle + 12] = (shade, shade // 2, 255 - shade)
        return image

    return render


@pytest.fixture(scope="session")
def tiny_engine():
    from engine.engine import Engine

    return Engine("tiny", device="cpu")


@pytest.fixture(scope="session")
def shared_cache():
    from engine.cache import Cache

    return Cache()


@pytest.fixture
def engine(tiny_engine, hint_of, monkeypatch):
    """The tiny engine with an empty cache and hints that need no renderer."""
    from engine.cache import Cache

    monkeypatch.setattr("engine.render.render_hint", hint_of)
    monkeypatch.setattr(tiny_engine, "cache", Cache())
    return tiny_engine


@pytest.fixture
def patient(engine, shared_cache, monkeypatch):
    """The same engine with one cache for the session: for tests that only look at results."""
    monkeypatch.setattr(engine, "cache", shared_cache)
    return engine


@pytest.fixture
def request_ok():
    """A request that every method can plan; its prompt has the gesture's phrase."""
    return Request(
        prompt=f"a woman in a red shirt {PHRASE}",
        negative="blue",
        gesture="ok",
        hands=(HandPose(transl=(0.02, 0.0, 0.5)),),
        camera=Camera.simple(focal_px=120, width_px=96, height_px=64),
        seed=3,
        size=(64, 96),
        sampler=SamplerSpec(steps=3, cfg=3.0),
    )
