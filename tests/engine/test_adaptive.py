from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine import adaptive
from engine.engine import Engine
from engine.types import Result, SamplerSpec, Step, from_json, to_json


@pytest.fixture
def engine():
    return Engine("tiny", device="cpu")


@pytest.fixture
def request_2(request_ok):
    return replace(request_ok, sampler=SamplerSpec(steps=2, cfg=3.0))


@pytest.fixture
def errors_by_strength(monkeypatch):
    """Sets what each strength's picture measures; returns the strengths that were looked at."""
    asked = []

    def use(errors: dict[float, float]) -> list[float]:
        def error_px(result: Result) -> float:
            asked.append(result.plan.structure[0].strength)
            return errors[asked[-1]]

        monkeypatch.setattr(adaptive, "error_px", error_px)
        return asked

    return use


NEVER = {strength / 10: 99.0 for strength in range(4, 10)}


@pytest.mark.parametrize(
    ("errors", "kept", "pictures"),
    [
        ({1.0: 10.0, 0.4: 20.0, 0.5: 11.0}, 0.5, 3),
        ({1.0: 10.0, 0.4: 11.4}, 0.4, 2),
        ({1.0: 10.0, **NEVER}, 1.0, 7),
        ({1.0: math.inf, 0.4: math.inf, 0.5: 30.0}, 0.5, 3),  # no hand at full strength: any is better
    ],
)
def test_the_weakest_that_is_near_enough(engine, request_2, errors_by_strength, errors, kept, pictures):
    asked = errors_by_strength(errors)
    plan = engine.plan("handrefiner", request_2, adaptive=True)
    *steps, result = engine.run(plan)
    assert len(asked) == pictures
    fixed = engine.result(engine.plan("handrefiner", request_2, strength=kept))
    assert np.array_equal(result.image, fixed.image)
    assert result.text_parts["strength"] == f"{kept:g} · {pictures}/7"
    assert result.plan == plan
    assert all(isinstance(step, Step) for step in steps)
    assert [step.index for step in steps] == list(range(2 + 2 * pictures))  # plain SD's first
    assert max(step.total for step in steps) == 2 + 2 * 7
    assert engine.cached(plan).text_parts == result.text_parts


def test_it_is_data_like_every_plan(engine, request_2):
    plan = engine.plan("handrefiner", request_2, adaptive=True)
    assert from_json(to_json(plan)) == plan
    assert plan.key() != engine.plan("handrefiner", request_2).key()


def test_the_error_is_read_from_the_picture(engine, request_2):
    """Of the mesh image itself it is small; of noise there is no hand."""
    from engine.render import render_hint

    plan = engine.plan("handrefiner", replace(request_2, gesture="ok", hands=(), camera=None))
    init = plan.init
    view = init.camera.resized(width_px=256, height_px=256)
    mesh = render_hint("mesh", init.hands, view, (256, 256))
    assert adaptive.error_px(Result(plan=plan, image=mesh)) < 8
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    assert adaptive.error_px(Result(plan=plan, image=noise)) == math.inf
