from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from engine import attention, tiny
from engine.attention import BoostHand
from engine.structure import StructuralFusion, deepest, fuse

SIZE, CELLS = (8, 12), (2, 3)


def run(model, inputs, fusion=None, controls=(), strength=1.0):
    x, t, text, hint = inputs

    def call():
        return model(
            x,
            t,
            encoder_hidden_states=text,
            controlnet_cond=hint,
            conditioning_scale=strength,
            return_dict=False,
        )

    if fusion is None:
        return call()
    with fuse(model, fusion, SIZE, controls) as state:
        down, mid = call()
    assert state.psi.shape == (2, 6, 6)
    return down, mid


@torch.no_grad()
def changed(model, inputs, fusion):
    """Which outputs, down then middle, the fusion changes."""
    plain, fused = run(model, inputs), run(model, inputs, fusion)
    pairs = [*zip(plain[0], fused[0], strict=True), (plain[1], fused[1])]
    return [not torch.equal(a, b) for a, b in pairs]


def test_deepest_grid_follows_the_model(controlnet):
    assert deepest(controlnet, SIZE) == CELLS
    with pytest.raises(ValueError):
        deepest(controlnet, (8, 10))


@pytest.mark.parametrize("mode", ["matmul", "elementwise"])
def test_targets(controlnet, inputs, mode):
    n = len(controlnet.controlnet_down_blocks)
    assert changed(controlnet, inputs, StructuralFusion(mode=mode)) == [False] * n + [True]
    assert all(changed(controlnet, inputs, StructuralFusion(mode=mode, targets="all")))
    deep = changed(controlnet, inputs, StructuralFusion(mode=mode, targets="deepest"))
    with torch.no_grad():
        down, _ = run(controlnet, inputs)
    assert deep == [tuple(d.shape[-2:]) == CELLS for d in down] + [True]
    assert 1 < sum(deep) < n + 1


def test_switches_give_different_middles(controlnet, inputs):
    readings = [
        StructuralFusion(mode=m, transpose=t, normalise=n)
        for m in ("matmul", "elementwise")
        for t in (False, True)
        for n in (False, True)
    ]
    with torch.no_grad():
        mids = [run(controlnet, inputs, reading)[1] for reading in readings]
    for i, a in enumerate(mids):
        for b in mids[i + 1 :]:
            assert not torch.allclose(a, b, atol=1e-5)


def test_middle_is_the_zero_convolution_of_psi_times_f(controlnet, inputs):
    """f' = Z(psi' f_c), with the raw feature f_c and psi' read apart from `fuse`."""
    raw = []
    hook = controlnet.controlnet_mid_block.register_forward_pre_hook(lambda m, args: raw.append(args[0]))
    maps = attention.SelfMaps(SIZE, CELLS)
    with torch.no_grad(), attention.attend(controlnet, [maps]):
        run(controlnet, inputs)
    hook.remove()
    f = raw[0].flatten(2)  # (batch, C, N)
    expected = torch.einsum("bqk,bck->bcq", maps.fused(), f).unflatten(2, CELLS)
    with torch.no_grad():
        expected = controlnet.controlnet_mid_block(expected)
        assert torch.allclose(run(controlnet, inputs, StructuralFusion())[1], expected, atol=1e-5)


def test_zero_convolutions_at_zero_give_zero_residuals(inputs):
    fresh = tiny.controlnet()
    for conv in tiny.zero_convs(fresh):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    with torch.no_grad():
        down, mid = run(fresh, inputs, StructuralFusion(targets="all"))
    assert all(not d.any() for d in down)
    assert not mid.any()


def test_hooks_and_processors_go(controlnet, inputs):
    with torch.no_grad():
        before = run(controlnet, inputs)
        run(controlnet, inputs, StructuralFusion(targets="all"))
        after = run(controlnet, inputs)
    assert torch.equal(before[1], after[1])
    with pytest.raises(RuntimeError), fuse(controlnet, StructuralFusion(), SIZE):
        raise RuntimeError
    assert not controlnet._forward_pre_hooks
    assert not controlnet.controlnet_mid_block._forward_pre_hooks
    assert not any(
        isinstance(layer.processor, attention.Processor) for layer in attention.sites(controlnet).values()
    )


def test_fusion_takes_further_controls(controlnet, inputs):
    hands = torch.zeros(2, 24, dtype=torch.bool)
    hands[1, 3] = True
    boost = BoostHand(places=("down", "mid")).control(hands)
    with torch.no_grad():
        plain = run(controlnet, inputs, StructuralFusion())[1]
        boosted = run(controlnet, inputs, StructuralFusion(), [boost])[1]
    assert torch.allclose(plain[0], boosted[0], atol=1e-6)
    assert not torch.allclose(plain[1], boosted[1], atol=1e-4)


def gradients(inputs, fusion, checkpointing=False):
    """Gradient of a loss on the middle residual for the deepest self-attention's query weights."""
    model = tiny.controlnet().requires_grad_(True).train()
    if checkpointing:
        model.enable_gradient_checkpointing()
    _, mid = run(model, inputs, fusion)
    (mid**2).sum().backward()
    layer = model.mid_block.attentions[0].transformer_blocks[0].attn1
    return layer.to_q.weight.grad.clone()


def test_gradients_flow_through_psi_unless_detached(inputs):
    through, detached = (
        gradients(inputs, StructuralFusion()),
        gradients(inputs, StructuralFusion(detach=True)),
    )
    assert through.abs().max() > 0
    assert not torch.allclose(through, detached, rtol=1e-3)


def test_gradient_checkpointing_changes_nothing(inputs):
    plain = gradients(inputs, StructuralFusion())
    assert torch.allclose(
        plain, gradients(inputs, StructuralFusion(), checkpointing=True), rtol=1e-3, atol=1e-6
    )


def test_fusion_trains(inputs):
    """Ten steps towards the plain residual lower the loss."""
    model = tiny.controlnet().requires_grad_(True)
    target = copy.deepcopy(model)
    with torch.no_grad():
        goal = run(target, inputs)[1]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = ((run(model, inputs, StructuralFusion())[1] - goal) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
