from __future__ import annotations

import copy

import pytest
import torch

from engine.train.low_rank import factored


@pytest.fixture
def base():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(4, 16, 3, padding=1), torch.nn.GroupNorm(2, 16), torch.nn.Conv2d(16, 16, 3, padding=1)
    )


@pytest.fixture
def tuned(base):
    model = copy.deepcopy(base)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def difference(model, base, name):
    return (model.get_parameter(name) - base.get_parameter(name)).detach().flatten(1)


def test_the_difference_is_cut_to_its_best_approximation(base, tuned):
    whole = difference(tuned, base, "2.weight")
    u, s, v = torch.linalg.svd(whole, full_matrices=False)
    with factored(tuned, base, 3):
        pass
    assert torch.allclose(difference(tuned, base, "2.weight"), u[:, :3] * s[:3] @ v[:3], atol=1e-5)
    assert not [name for name in tuned.state_dict() if "parametrizations" in name]


def test_what_learns_afterwards_keeps_the_rank(base, tuned):
    x = torch.randn(2, 4, 8, 8)
    with factored(tuned, base, 3):
        params = [p for p in tuned.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(params, lr=1e-2)
        losses = []
        for _ in range(20):
            loss = (tuned(x) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        inside = tuned(x).detach()
    assert losses[-1] < 0.5 * losses[0]
    assert torch.allclose(tuned(x), inside, atol=1e-6)
    assert torch.linalg.matrix_rank(difference(tuned, base, "2.weight"), atol=1e-4) <= 3
    assert not torch.equal(tuned.get_parameter("1.weight"), base.get_parameter("1.weight"))


def test_small_and_frozen_weights_stay_whole(base, tuned):
    frozen = copy.deepcopy(base)
    frozen[0].requires_grad_(False)
    with factored(frozen, base, 3):
        assert not hasattr(frozen[0], "parametrizations")
        assert hasattr(frozen[2], "parametrizations")
    with factored(tuned, base, 100):  # factors would be larger than the weights
        assert torch.equal(tuned[2].weight, tuned.get_parameter("2.weight"))
        assert not hasattr(tuned[2], "parametrizations")
