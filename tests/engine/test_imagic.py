from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine import imagic, tiny
from engine.engine import Engine
from engine.imagic import Recipe, denoising_loss, tune
from engine.manifest import ASSETS, DIFFERENCE
from engine.types import UserError
from engine.weights import load_difference

FAST = Recipe(embedding_steps=3, unet_steps=2, embedding_lr=1e-2, unet_lr=1e-4)


@pytest.fixture
def lab(tmp_path, hint_of, monkeypatch):
    """A tiny engine whose assets are its own, so that what it makes stays in the test's folder."""
    (tmp_path / "models.toml").write_text(
        (ASSETS / "models.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.setattr("engine.render.render_hint", hint_of)
    return Engine("tiny", device="cpu", assets=tmp_path)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)


def finish(job):
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as end:
            return steps, end.value


def test_stages_touch_only_what_is_theirs(lab, picture):
    models = lab.weights.models_for("unet")
    before = {k: v.clone() for k, v in models.unet.state_dict().items()}
    plain = models.text(["a hand"])[0]

    _, only_text = finish(tune(models, picture, "a hand", replace(FAST, unet_steps=0)))
    assert not torch.allclose(only_text.embedding, plain, atol=1e-4)
    assert all(torch.equal(v, before[k]) for k, v in only_text.unet.state_dict().items())

    _, only_unet = finish(tune(models, picture, "a hand", replace(FAST, embedding_steps=0)))
    assert torch.equal(only_unet.embedding, plain)
    assert any(not torch.equal(v, before[k]) for k, v in only_unet.unet.state_dict().items())
    assert all(torch.equal(v, before[k]) for k, v in models.unet.state_dict().items())
    assert not any(p.requires_grad for p in models.unet.parameters())


def test_progress_counts_over_both_stages(lab, picture):
    steps, _ = finish(tune(lab.weights.models_for("unet"), picture, "a hand", FAST))
    assert [s.index for s in steps] == [0, 1, 2, 3, 4]
    assert {s.total for s in steps} == {5}
    assert [s.stage for s in steps] == ["embedding"] * 3 + ["unet"] * 2
    assert all(np.isfinite(s.loss) for s in steps)


def test_tuning_lowers_the_loss(lab, picture):
    models = lab.weights.models_for("unet")
    recipe = Recipe(embedding_steps=10, unet_steps=15, embedding_lr=1e-2, unet_lr=1e-3)
    _, tuned = finish(tune(models, picture, "a hand", recipe))
    from engine.image import to_tensor

    with torch.no_grad():
        latents = models.encode(to_tensor(picture))

        def loss(unet, embedding):
            generator = torch.Generator().manual_seed(9)
            parts = [
                denoising_loss(unet, latents, embedding[None], models.scheduler, generator) for _ in range(12)
            ]
            return float(sum(parts)) / 12

        assert loss(tuned.unet, tuned.embedding) < 0.9 * loss(models.unet, models.text(["a hand"])[0])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_knows_the_prediction_type(prediction):
    """A model that answers the very target has no loss."""
    config = {**tiny.SCHEDULER, "prediction_type": prediction}
    latents = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0))

    def oracle(noised, t, encoder_hidden_states):
        from diffusers import DDPMScheduler

        alpha = DDPMScheduler.from_config(config).alphas_cumprod[t]
        noise = (noised - alpha.sqrt() * latents) / (1 - alpha).sqrt()
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        return SimpleNamespace(sample=velocity if prediction == "v_prediction" else noise)

    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        assert denoising_loss(oracle, latents, None, config, generator) < 1e-4


def test_what_was_tuned_can_be_asked_for(lab, picture, request_ok):
    request = replace(request_ok, gesture="ok")
    assert not lab.manifest.made_folder("tiny", "imagic/mine").exists()
    list(lab.tune_imagic("mine", picture, "a hand", FAST))
    assert lab.availability("imagic").ok
    plan = lab.plan("imagic", request, name="mine")
    assert plan.weights == "imagic/mine"
    mine = lab.result(plan).image
    assert not np.array_equal(mine, lab.result(lab.plan("imagic", request)).image)
    key = lab.key(plan)
    list(lab.tune_imagic("mine", picture, "another hand", replace(FAST, seed=5)))
    assert lab.key(plan) != key, "new weights of an old name are other weights"
    assert not np.array_equal(lab.result(plan).image, mine)
    neutral = lab.plan("imagic", request, name="mine", share=1.0, tuned=False)
    assert np.array_equal(lab.result(neutral).image, lab.result(lab.plan("sd", request)).image)


def test_tuning_may_begin_from_tuned_weights(lab, picture, request_ok):
    list(lab.tune_imagic("mine", picture, "a hand", FAST, method="sd_ft_imagic"))
    chain = [entry.name for entry in lab.manifest.chain("tiny", "sd_ft_imagic/mine")]
    assert chain == ["sd_ft_imagic/mine", "sd_ft"]
    loaded, begun = lab.weights.component("sd_ft_imagic/mine"), lab.weights.component("sd_ft")
    distance = [
        float((a - b).abs().max()) for a, b in zip(loaded.parameters(), begun.parameters(), strict=True)
    ]
    assert 0 < max(distance) < 0.01


def test_at_a_rank_only_the_cross_attention_learns(lab, picture, request_ok):
    before = lab.weights.component("unet").state_dict()
    list(lab.tune_imagic("mine", picture, "a hand", replace(FAST, rank=1, unet_lr=1e-2)))
    changes = load_difference(lab.manifest.made_folder("tiny", "imagic/mine") / DIFFERENCE)
    assert changes
    assert all("attn2" in name for name in changes)
    for name, change in changes.items():
        assert change.any()
        assert np.linalg.matrix_rank(change.numpy(), tol=1e-3 * change.abs().max().item()) == 1
        assert change.numel() == before[name].numel()


def test_own_weights_come_before_shipped_ones(lab, picture, request_ok):
    for name, seed in (("shipped", 0), ("mine", 1)):
        list(lab.tune_imagic(name, picture, "a hand", replace(FAST, seed=seed)))
    shipped, mine = (lab.manifest.made_folder("tiny", f"imagic/{name}") for name in ("shipped", "mine"))
    folder = lab.manifest.folder("tiny", "imagic/mine")
    shipped.rename(folder)
    assert lab.manifest.entry("tiny", "imagic/mine").folder == mine
    shutil.rmtree(mine)
    assert lab.manifest.entry("tiny", "imagic/mine").folder == folder


def test_a_corpus_gives_its_first_picture_of_the_gesture(tmp_path, monkeypatch):
    asked = []

    def load_cases(*args, **kwargs):
        asked.append((args, kwargs))
        return [SimpleNamespace(image="its picture", prompt=lambda style: f"its {style} caption")]

    monkeypatch.setattr("engine.evaluate.cases.load_cases", load_cases)
    assert imagic._example(tmp_path, "ok") == ("its picture", "its phrase caption")
    assert asked == [((tmp_path, 1), {"split": "train", "gestures": ("ok",)})]


def test_a_cancelled_job_leaves_nothing(lab, picture, request_ok):
    job = lab.tune_imagic("mine", picture, "a hand", FAST)
    next(job)
    assert lab.result(lab.plan("sd", request_ok)).image.any(), "a run takes its turn between two steps"
    job.close()
    assert not lab._lock.locked()
    assert not lab.manifest.made_folder("tiny", "imagic/mine").exists()


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "a b"])
def test_names_stay_in_their_folder(lab, picture, name):
    with pytest.raises(UserError):
        next(lab.tune_imagic(name, picture, "a hand", FAST))


def test_a_damaged_description_is_one_sentence(lab, request_ok):
    folder = lab.manifest.made_folder("tiny", "imagic/mine")
    folder.mkdir(parents=True)
    (folder / imagic.ENTRY).write_text("{")
    with pytest.raises(UserError) as error:
        lab.result(lab.plan("imagic", request_ok, name="mine"))
    assert error.value.code == "bad_file"
