"""Whole plans against diffusers' own pipelines on the same tiny weights, in float32: within 1e-4."""

from __future__ import annotations

from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch

from engine import tiny
from engine.engine import Run
from engine.image import to_tensor
from engine.init import Inpaint
from engine.sampler import Sampler
from engine.types import SAMPLERS, SamplerSpec

TOLERANCE = 1e-4
SIZE = {"height": 64, "width": 96}


def ours(engine, plan, pictures=None):
    """(latents, picture) before rounding to bytes."""
    run = Run(plan, engine.weights.models_for(plan.weights), pictures or {})
    *_, last = run.steps()
    with torch.inference_mode():
        return last.latents, run.models.decode(last.latents), run


def shared(models, **components):
    """A pipeline's components: the same models, no tokenizer (embeddings are given), no safety checker."""
    return {
        "vae": models.vae, "unet": models.unet, "text_encoder": None, "tokenizer": None,
        "scheduler": diffusers.DDIMScheduler.from_config(models.scheduler), "safety_checker": None,
        "feature_extractor": None, "requires_safety_checker": False, **components,
    }  # fmt: skip


def call(pipe, run, **arguments):
    plan = run.plan
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        prompt_embeds=run.text.cond,
        negative_prompt_embeds=run.text.uncond,
        num_inference_steps=plan.sampler.steps,
        guidance_scale=plan.sampler.cfg,
        eta=plan.sampler.eta,
        output_type="latent",
        generator=torch.Generator().manual_seed(plan.seed),
        **SIZE,
        **arguments,
    ).images


def compare(latents, theirs, models):
    assert (latents - theirs).abs().max() < TOLERANCE
    with torch.inference_mode():
        a = models.decode(latents)
        b = models.vae.decode(theirs / models.vae.config.scaling_factor).sample
    assert (a - b).abs().max() < TOLERANCE


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_sd_is_stable_diffusion_pipeline(engine, request_ok, eta):
    request = replace(request_ok, sampler=SamplerSpec(steps=4, cfg=3.0, eta=eta))
    latents, _, run = ours(engine, engine.plan("sd", request))
    pipe = diffusers.StableDiffusionPipeline(**shared(run.models))
    compare(latents, call(pipe, run), run.models)


def test_negative_and_prompt_go_where_diffusers_puts_them(engine, request_ok):
    """The equality above fails when they are swapped."""
    latents, _, run = ours(engine, engine.plan("sd", request_ok))
    run.text.cond, run.text.uncond = run.text.uncond, run.text.cond
    pipe = diffusers.StableDiffusionPipeline(**shared(run.models))
    assert (latents - call(pipe, run)).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_controlnet_is_stable_diffusion_controlnet_pipeline(engine, request_ok, strength):
    latents, _, run = ours(engine, engine.plan("controlnet", request_ok, strength=strength))
    branch = run.branches[0]
    pipe = diffusers.StableDiffusionControlNetPipeline(**shared(run.models, controlnet=branch.model))
    theirs = call(pipe, run, image=branch.hint, controlnet_conditioning_scale=strength)
    compare(latents, theirs, run.models)


@pytest.mark.parametrize("channels", [4, 9])
def test_inpainting_is_stable_diffusion_controlnet_inpaint_pipeline(
    engine, request_ok, monkeypatch, channels
):
    plan = engine.plan("controlnet", request_ok, strength=0.55)
    source = engine.plan("sd", request_ok)
    # diffusers projects with four channels only; HandRefiner's published code always does.
    init = Inpaint(
        source=source, hands=request_ok.hands, camera=request_ok.camera, project=channels == 4, paste=False
    )
    plan = replace(plan, init=init)
    picture = engine.result(source).image
    if channels == 9:
        inpainting = tiny.unet(40, extra_channels=5)
        models = engine.weights.models_for("unet")
        monkeypatch.setattr(engine.weights, "models_for", lambda name: replace(models, unet=inpainting))
    latents, _, run = ours(engine, plan, {source: picture})
    # diffusers draws from the posterior, the engine takes its mean: let the draw be the mean.
    monkeypatch.setattr(
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",
        lambda self, generator: self.mean,
    )
    branch = run.branches[0]
    pipe = diffusers.StableDiffusionControlNetInpaintPipeline(**shared(run.models, controlnet=branch.model))
    noise = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(plan.seed))
    theirs = call(
        pipe,
        run,
        image=to_tensor(picture),
        mask_image=torch.from_numpy(init.mask(picture))[None, None].float(),
        control_image=branch.hint,
        controlnet_conditioning_scale=0.55,
        strength=1.0,
        latents=noise,
    )
    compare(latents, theirs, run.models)
    mask = init.mask(picture)
    assert 0 < mask.mean() < 1


# --- samplers -----------------------------------------------------------------------------------------


def dummy(x, t):
    """A deterministic "model"."""
    return torch.sin(x * 2 + t / 300)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_ddim_is_diffusers(steps, prediction):
    config = {**tiny.SCHEDULER, "prediction_type": prediction}
    sampler = Sampler(SamplerSpec(steps=steps, eta=0.0), config)
    reference = diffusers.DDIMScheduler.from_config(config)
    reference.set_timesteps(steps)
    x = torch.randn(1, 4, 6, 10, generator=torch.Generator().manual_seed(0))
    a, b = sampler.start(x), x
    for t, u in zip(sampler.timesteps, reference.timesteps, strict=True):
        assert t == u
        a, _ = sampler.step(dummy(a, t), t, a, torch.Generator())
        b = reference.step(dummy(b, u), u, b, eta=0.0).prev_sample
    assert (a - b).abs().max() < 1e-5


def by_the_formula(config, steps, x):
    """DDIM with eta 0 written out (Song et al. 2021, eq. 12), on the leading grid with its offset of one."""
    betas = (
        torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    )
    alphas = torch.cumprod(1 - betas, 0)
    stride = 1000 // steps
    for i in reversed(range(steps)):
        t = i * stride + 1
        before = alphas[t - stride] if t >= stride else alphas[0]
        eps = dummy(x, t).double()
        x0 = (x - (1 - alphas[t]).sqrt() * eps) / alphas[t].sqrt()
        x = before.sqrt() * x0 + (1 - before).sqrt() * eps
    return x


def test_ddim_is_the_papers_formula():
    sampler = Sampler(SamplerSpec(steps=10), tiny.SCHEDULER)
    x = torch.randn(1, 4, 6, 10, generator=torch.Generator().manual_seed(0)).double()
    expected = by_the_formula(tiny.SCHEDULER, 10, x)
    for t in sampler.timesteps:
        x, _ = sampler.step(dummy(x, t), t, x, torch.Generator())
    assert (x - expected).abs().max() < 1e-4


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_finds_the_point_its_model_knows(kind):
    """With a model that always points at one x0, every sampler ends there, and so does its estimate."""
    sampler = Sampler(SamplerSpec(kind=kind, steps=30), tiny.SCHEDULER)
    goal = torch.randn(1, 4, 6, 10, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    x = sampler.start(torch.randn(1, 4, 6, 10, generator=generator))
    alphas = diffusers.DDIMScheduler.from_config(tiny.SCHEDULER).alphas_cumprod
    for t in sampler.timesteps:
        seen = sampler.scale(x, t)
        alpha = torch.from_numpy(np.interp(float(t), np.arange(1000), alphas)[None]).float()
        eps = (seen - alpha.sqrt() * goal) / (1 - alpha).sqrt()
        x, x0 = sampler.step(eps, t, x, generator)
        assert (x0 - goal).abs().max() < 0.1
    assert (x - goal).abs().max() < 0.2


@pytest.mark.parametrize("kind", SAMPLERS)
def test_samplers_are_seeded_by_their_generator(kind):
    def end(seed):
        sampler = Sampler(SamplerSpec(kind=kind, steps=4, eta=1.0), tiny.SCHEDULER)
        generator = torch.Generator().manual_seed(seed)
        x = sampler.start(torch.ones(1, 4, 6, 10))
        for t in sampler.timesteps:
            x, _ = sampler.step(dummy(sampler.scale(x, t), t), t, x, generator)
        return x

    assert torch.equal(end(1), end(1))
    assert torch.equal(end(1), end(2)) == (kind not in ("ddim", "ddpm", "euler_a"))
