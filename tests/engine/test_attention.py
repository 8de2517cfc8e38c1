from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from engine import attention
from engine.attention import (
    BoostHand,
    Processor,
    Recorder,
    SelfMaps,
    attend,
    grid,
    pool_spatial,
    probabilities,
)

SIZE = (8, 12)
HANDS = torch.zeros(2, 24, dtype=torch.bool)
HANDS[1, [3, 4, 7]] = True  # the conditional row only


def run(model, inputs):
    x, t, text, _ = inputs
    with torch.no_grad():
        return model(x, t, encoder_hidden_states=text).sample


def processors(model):
    return [layer.processor for layer in attention.sites(model).values()]


class Watch:
    """Wants everything, changes nothing."""

    def __init__(self):
        self.seen = []

    def wants(self, site):
        return True

    def bias(self, site):
        return None

    def observe(self, site, query, key, bias):
        self.seen.append(site)


def test_sites_are_named_by_module(unet):
    sites = list(attention.sites(unet))
    assert len(sites) == len(unet.attn_processors)
    assert {s.place for s in sites} == {"down", "mid", "up"}
    assert all(s.is_cross == s.name.endswith("attn2") for s in sites)


def test_processor_equals_diffusers_bit_for_bit(unet, inputs):
    assert all(isinstance(p, AttnProcessor2_0) for p in processors(unet))
    plain = run(unet, inputs)
    watch = Watch()
    with attend(unet, [watch]):
        assert all(isinstance(p, Processor) for p in processors(unet))
        assert torch.equal(run(unet, inputs), plain)
    assert sorted(s.name for s in watch.seen) == sorted(s.name for s in attention.sites(unet))


def test_processor_equals_diffusers_with_a_mask(unet, inputs):
    x, t, text, _ = inputs
    mask = torch.ones(2, 24)
    mask[:, 10:] = 0
    with torch.no_grad():
        plain = unet(x, t, encoder_hidden_states=text, encoder_attention_mask=mask).sample
        with attend(unet, [Watch()]):
            ours = unet(x, t, encoder_hidden_states=text, encoder_attention_mask=mask).sample
    assert torch.equal(ours, plain)
    assert not torch.equal(plain, run(unet, inputs))


def test_old_processors_come_back_after_success_and_error(unet, inputs):
    before = processors(unet)
    with attend(unet, [Watch()]):
        run(unet, inputs)
    assert processors(unet) == before
    with pytest.raises(RuntimeError), attend(unet, [Watch()]):
        raise RuntimeError
    assert processors(unet) == before


def test_old_processors_come_back_after_early_close(unet):
    before = processors(unet)

    def steps():
        with attend(unet, [Watch()]):
            yield 1
            yield 2

    generator = steps()
    next(generator)
    assert processors(unet) != before
    generator.close()
    assert processors(unet) == before


def test_unwanted_sites_keep_the_fused_kernel(unet):
    with attend(unet, [BoostHand(places=("mid",)).control(HANDS)]):
        changed = {
            s.name for s, layer in attention.sites(unet).items() if isinstance(layer.processor, Processor)
        }
    assert changed == {s.name for s in attention.sites(unet) if s.is_cross and s.place == "mid"}


@pytest.mark.parametrize("control", [BoostHand(alpha=0.0), BoostHand(alpha=2.0)])
def test_zero_mask_or_zero_alpha_is_zero_bias(unet, inputs, control):
    mask = HANDS if control.alpha == 0 else torch.zeros_like(HANDS)
    with attend(unet, [control.control(mask)]):
        boosted = run(unet, inputs)
    assert torch.equal(boosted, run(unet, inputs))


def test_boost_leaves_the_unconditional_half(unet, inputs):
    plain = run(unet, inputs)
    with attend(unet, [BoostHand(alpha=2.0).control(HANDS)]):
        boosted = run(unet, inputs)
    assert torch.allclose(boosted[0], plain[0], atol=1e-6)
    assert not torch.allclose(boosted[1], plain[1], atol=1e-4)


def test_boost_is_softmax_with_a_bias():
    q, k = torch.randn(1, 2, 6, 4), torch.randn(1, 2, 24, 4)
    control = BoostHand(alpha=1.5).control(HANDS[1:])
    weights = torch.exp(q @ k.transpose(-1, -2) / 2)
    weights[..., HANDS[1]] *= torch.e**1.5
    expected = (weights / weights.sum(-1, keepdim=True)).mean(1)
    assert torch.allclose(probabilities(q, k, control.bias(None)), expected, atol=1e-6)


def test_share_of_hand_tokens_rises_with_alpha_and_no_other_gains(unet, inputs):
    shares = []
    for alpha in (0.0, 1.0, 1.5, 2.0, 2.5):
        recording = Recorder(places=("up",)).control(SIZE)
        first = next(s for s in attention.sites(unet) if s.is_cross and s.place == "up")
        with attend(unet, [BoostHand(alpha=alpha).control(HANDS), recording]):
            run(unet, inputs)
        shares.append(torch.from_numpy(recording.site_maps()[first.name]).mean((1, 2)))
    hand = torch.stack([s[HANDS[1]].sum() for s in shares])
    other = torch.stack([s[~HANDS[1]] for s in shares])
    assert (hand.diff() > 0).all()
    assert (other.diff(dim=0) < 0).all()


def test_recording_sums_to_one_and_keeps_its_shape(unet, inputs):
    recording = Recorder().control(SIZE)
    with attend(unet, [recording]):
        for _ in range(3):
            run(unet, inputs)
            recording.end_step()
    assert recording.heat().shape == (24, 8, 12)
    assert torch.allclose(torch.from_numpy(recording.heat()).sum(0), torch.ones(SIZE), atol=1e-5)
    assert recording.shares().shape == (3, 24)
    assert {m.shape for m in recording.site_maps().values()} == {(24, 8, 12), (24, 4, 6), (24, 2, 3)}


def test_recording_reads_the_conditional_row(unet, inputs):
    x, t, text, _ = inputs
    both, alone, wrong = (Recorder().control(SIZE) for _ in range(3))
    with attend(unet, [both]):
        run(unet, inputs)
    with attend(unet, [alone]):
        run(unet, (x[1:], t, text[1:], None))
    with attend(unet, [wrong]):
        run(unet, (x[:1], t, text[:1], None))
    difference = abs(both.heat() - alone.heat()).max()
    assert difference < 1e-5 < abs(both.heat() - wrong.heat()).max()


def test_recording_changes_no_byte(unet, inputs):
    plain = run(unet, inputs)
    with attend(unet, [Recorder().control(SIZE), SelfMaps(SIZE, (2, 3))]):
        assert torch.equal(run(unet, inputs), plain)


def test_grid_needs_a_whole_number():
    assert grid(24, (8, 12)) == (4, 6)
    with pytest.raises(ValueError):
        grid(25, (8, 12))


# --- pooled self-attention ------------------------------------------------------------------------------


def position_features(
    rows: int, columns: int, extent: tuple[int, int], sharpness: float = 3.0
) -> torch.Tensor:
    """q = k such that softmax(q k^T / sqrt(d)) peaks at the nearest position: (1, 1, rows * columns, 64)."""
    y = (torch.arange(rows) + 0.5) / rows * extent[0]
    x = (torch.arange(columns) + 0.5) / columns * extent[1]
    centres_y = torch.linspace(0, extent[0], 8)
    centres_x = torch.linspace(0, extent[1], 8)
    fy = torch.exp(-((y[:, None] - centres_y) ** 2))
    fx = torch.exp(-((x[:, None] - centres_x) ** 2))
    features = (fy[:, None, :, None] * fx[None, :, None, :]).reshape(rows * columns, 64)
    features = features / features.norm(dim=-1, keepdim=True)
    return (features * sharpness * 8)[None, None]


def naive_pool(layers, shape, cells):
    """The definition, with full maps: mean over heads, mean over layers, max over spatial offsets."""
    (h, w), (ch, cw) = shape, cells
    k = h // ch
    psi = sum(probabilities(q, key) for q, key in layers) / len(layers)
    out = torch.zeros(len(psi), ch * cw, ch * cw)
    full = psi.reshape(-1, h, w, h, w)
    for a in range(ch * cw):
        for b in range(ch * cw):
            (ay, ax), (by, bx) = divmod(a, cw), divmod(b, cw)
            block = full[
                :, ay * k : ay * k + k, ax * k : ax * k + k, by * k : by * k + k, bx * k : bx * k + k
            ]
            out[:, a, b] = block.amax((1, 2, 3, 4))
    return out


def test_pooling_in_chunks_equals_the_definition():
    layers = [(torch.randn(2, 3, 96, 5), torch.randn(2, 3, 96, 5)) for _ in range(2)]
    assert torch.allclose(
        pool_spatial(layers, (8, 12), (2, 3)), naive_pool(layers, (8, 12), (2, 3)), atol=1e-6
    )
    deepest = [(q[:, :, :6], k[:, :, :6]) for q, k in layers]
    rows = pool_spatial(deepest, (2, 3), (2, 3)).sum(-1)
    assert torch.allclose(rows, torch.ones_like(rows), atol=1e-6)


def test_a_local_query_keeps_its_own_cell():
    q = position_features(8, 12, (2, 3))
    pooled = pool_spatial([(q, q)], (8, 12), (2, 3))[0]
    assert (pooled.argmax(-1) == torch.arange(6)).all()


def test_rotating_the_latent_rotates_the_fused_map():
    """Catches a pooling of the flattened matrix, for which an image row is a patch."""
    cells = (4, 4)
    q = torch.randn(1, 2, 256, 6)

    def rotate(flat, n):  # positions of an n x n grid, by 90 degrees
        return torch.rot90(flat.unflatten(2, (n, n)), 1, (2, 3)).flatten(2, 3)

    pooled = pool_spatial([(q, q)], (16, 16), cells)[0]
    turned = pool_spatial([(rotate(q, 16), rotate(q, 16))], (16, 16), cells)[0]
    order = torch.rot90(torch.arange(16).reshape(cells), 1, (0, 1)).flatten()
    assert torch.allclose(turned, pooled[order][:, order], atol=1e-6)
    assert not torch.allclose(turned, pooled, atol=1e-3)


def test_gradient_through_the_chunks_equals_the_definition():
    q, k = torch.randn(1, 2, 96, 5), torch.randn(1, 2, 96, 5)
    grads = []
    for pool in (pool_spatial, naive_pool):
        a, b = q.clone().requires_grad_(), k.clone().requires_grad_()
        (pool([(a, b)], (8, 12), (2, 3)) ** 2).sum().backward()
        grads.append((a.grad, b.grad))
    assert torch.allclose(grads[0][0], grads[1][0], atol=1e-6)
    assert torch.allclose(grads[0][1], grads[1][1], atol=1e-6)


def test_self_maps_of_a_model(controlnet, inputs):
    x, t, text, hint = inputs
    maps = SelfMaps(SIZE, (2, 3))
    with torch.no_grad(), attend(controlnet, [maps]):
        for _ in range(2):  # a second pass overwrites: nothing accumulates
            controlnet(x, t, encoder_hidden_states=text, controlnet_cond=hint)
    assert maps.counts() == [96, 24, 6]
    assert {n: m.shape for n, m in maps.pooled().items()} == {
        (8, 12): (2, 6, 6),
        (4, 6): (2, 6, 6),
        (2, 3): (2, 6, 6),
    }
    psi = maps.fused()
    assert torch.allclose(psi, sum(maps.pooled().values()))
    assert psi.min() >= 0
    assert psi.sum(-1).max() <= 3 * 6
    assert torch.allclose(maps.fused(normalise=True).sum(-1), torch.ones(2, 6), atol=1e-6)
