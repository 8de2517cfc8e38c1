from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.safety import SafetyCheck
from engine.types import UserError


@pytest.fixture
def checker():
    """diffusers' checker at toy width; `threshold` says how near a concept a picture must be."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config={**small, "image_size": 32, "patch_size": 16, "projection_dim": 8},
        text_config=small,
        projection_dim=8,
    )

    def make(threshold):
        model = StableDiffusionSafetyChecker(config).eval()
        with torch.no_grad():
            model.concept_embeds_weights.fill_(threshold)
            model.special_care_embeds_weights.fill_(2.0)
        return SafetyCheck(model)

    return make


def test_the_checker_decides(checker):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    before = image.copy()
    checker(2.0)(image)
    assert np.array_equal(image, before)
    with pytest.raises(UserError) as error:
        checker(-2.0)(image)
    assert error.value.code == "unsafe"


@pytest.mark.parametrize("method", ["sd", "hand1000", "sesahand", "handrefiner"])
def test_every_methods_picture_is_checked(engine, request_ok, checker, monkeypatch, method):
    seen = []
    monkeypatch.setattr(engine, "profile", replace(engine.profile, safety=True))
    monkeypatch.setattr(engine, "_entries", lambda plan: ("vae", "text", "scheduler"))
    component = engine.weights.component
    checks = {"safety": seen.append}
    monkeypatch.setattr(engine.weights, "component", lambda name: checks.get(name) or component(name))
    result = engine.result(engine.plan(method, request_ok))
    assert np.array_equal(seen[-1], result.image)

    checks["safety"] = checker(-2.0)
    plan = engine.plan(method, replace(request_ok, seed=9))
    with pytest.raises(UserError):
        engine.result(plan)
    assert engine.cached(plan) is None, "what was held back is not kept"
