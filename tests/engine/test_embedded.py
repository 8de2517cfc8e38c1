"""The shipped weights, where they are there: they are whole, and every method that can run does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.engine import Engine
from engine.methods import METHODS
from engine.types import Request, SamplerSpec

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def embedded():
    engine = Engine("embedded", device="cpu")
    if not (state := engine.availability("sd")).ok:
        pytest.skip(f"{state.reason} {state.command}")
    return engine


@pytest.fixture
def asked(embedded):
    return Request(
        prompt="a woman in a red shirt in front of a blue wall",
        gesture="ok",
        seed=1,
        size=embedded.profile.size,
        sampler=SamplerSpec(steps=2),
    )


@pytest.mark.parametrize("name", list(METHODS))
def test_every_available_method_runs(embedded, asked, name):
    state = embedded.availability(name)
    if not state.ok:
        pytest.skip(state.reason)
    result = embedded.result(embedded.plan(name, asked))
    assert result.image.shape == (*asked.size, 3)
    assert result.image.std() > 5
    assert "woman" in result.words


def test_neutral_settings_hold_on_real_weights(embedded, asked):
    asked = replace(asked, prompt=asked.prompt + ", making ok hand gesture")
    plain = embedded.result(embedded.plan("sd", asked)).image
    for name, method in METHODS.items():
        if method.neutral and embedded.availability(name).ok:
            neutral = embedded.result(embedded.plan(name, asked, **method.neutral)).image
            assert np.array_equal(neutral, plain), name
