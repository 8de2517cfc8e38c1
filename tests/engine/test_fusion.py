from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.fusion import FEATURES, FusionFC, gesture_feature, mean_feature, uniform_rows

TOKENS, WIDTH = 8, 16  # the dossier's test size


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, TOKENS, WIDTH, generator=generator), torch.rand(FEATURES, generator=generator)


def fc(**options):
    return FusionFC(tokens=TOKENS, width=WIDTH, **options)


def test_rows_do_not_depend_on_the_block():
    whole = uniform_rows(3, 0, 50, 21)
    assert np.array_equal(uniform_rows(3, 17, 29, 21), whole[17:29])
    assert not np.array_equal(uniform_rows(4, 0, 50, 21), whole)
    assert whole.dtype == np.float32


def test_rows_are_uniform():
    values = uniform_rows(0, 0, 400, 500)
    assert 0 <= values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.003
    assert abs(values.var() - 1 / 12) < 0.001
    assert abs(np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1]) < 0.01
    assert len(np.unique(values)) > 190_000


def test_generated_equals_materialised(inputs):
    assert torch.allclose(fc(seed=2)(*inputs), fc(seed=2, mode="materialised")(*inputs), atol=1e-6)
    assert not torch.allclose(fc(seed=2)(*inputs), fc(seed=3)(*inputs), atol=1e-3)


def test_blocks_do_not_change_the_result(inputs, monkeypatch):
    whole = fc()(*inputs)
    monkeypatch.setattr("engine.fusion.BLOCK_BYTES", 4 * 200 * 10)  # ten rows a block
    assert torch.allclose(fc()(*inputs), whole, atol=1e-6)


def test_initialisation_is_torchs():
    layer = fc(mode="materialised").layer
    bound = 1 / math.sqrt(TOKENS * WIDTH + FEATURES)
    assert layer.weight.shape == (TOKENS * WIDTH, TOKENS * WIDTH + FEATURES)
    for values in (layer.weight, layer.bias):
        assert 0.9 * bound < values.abs().max() <= bound
    conv = fc(mode="conv1d").layer
    assert sum(p.numel() for p in conv.parameters()) == 65


@pytest.mark.parametrize("mode", ["generated", "materialised", "conv1d"])
def test_shapes_and_types(inputs, mode):
    text, feature = inputs
    out = fc(mode=mode)(text.half(), feature)
    assert out.shape == text.shape
    assert out.dtype == torch.float16
    per_row = fc(mode=mode)(text, feature.expand(3, -1))
    assert torch.allclose(per_row, fc(mode=mode)(text, feature), atol=1e-6)


@pytest.mark.parametrize("mode", ["materialised", "conv1d"])
def test_trainable_forms_have_gradients(inputs, mode):
    fusion = fc(mode=mode)
    fusion(*inputs).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in fusion.layer.parameters())


def test_generated_form_passes_gradients_to_the_text(inputs):
    text = inputs[0].requires_grad_()
    fc()(text, inputs[1]).sum().backward()
    assert text.grad.any()


def test_the_gesture_is_a_small_part_of_the_output():
    """The dossier's arithmetic, at Stable Diffusion's shape scaled down: RMS 1/sqrt(3) of the text's."""
    fusion = FusionFC(tokens=24, width=32)
    text = torch.randn(4, 24, 32, generator=torch.Generator().manual_seed(1))
    out = fusion(text, torch.zeros(FEATURES))
    assert 0.5 < out.pow(2).mean().sqrt() < 0.62


def hand():
    generator = np.random.default_rng(0)
    return generator.uniform(0.2, 0.8, (21, 3)).astype(np.float32)


def test_literal_feature_is_the_landmarks():
    assert np.array_equal(gesture_feature(hand()), hand().ravel())


def test_normalised_feature_forgets_place_size_and_side():
    points = hand()
    feature = gesture_feature(points, kind="normalised")
    moved = points * 0.5 + np.float32([0.1, 0.2, 0.3])
    assert np.allclose(gesture_feature(moved, kind="normalised"), feature, atol=1e-5)
    mirrored = points * np.float32([-1, 1, 1])
    assert np.allclose(gesture_feature(mirrored, "left", "normalised"), feature, atol=1e-5)
    assert not np.allclose(gesture_feature(mirrored, "right", "normalised"), feature, atol=1e-2)
    assert np.allclose(feature[:3], 0)


def test_mean_feature():
    a, b = hand(), hand()[::-1].copy()
    assert np.allclose(mean_feature([(a, "right"), (b, "left")]), (a.ravel() + b.ravel()) / 2, atol=1e-7)
    with pytest.raises(ValueError):
        mean_feature([])
