"""Every stage runs, resumes and ships, at toy size on made-up pictures; and what may learn is all that learns."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from engine.train.__main__ import BRANCHES, STAGES
from engine.train.data import cache_folder, create_arrays, mirrored_text, open_pictures
from engine.train.loop import Stage, fit, schedule
from engine.train.recipe import StageSettings, load_recipe
from engine.types import UserError

WALLS = ("red", "blue")


def row(i: int) -> dict:
    short = f"a woman in a {WALLS[i % 2]} shirt in front of a {WALLS[i % 2]} wall"
    return {
        "captions": {"short": short, "wordy": f"This is a portrait of {short}.", "gesture": short},
        "semantics": None,
        "attributes": {"gesture": "ok", "phrase": "making ok hand gesture", "side": "right"},
    }


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The toy recipe over four pictures of 64 px, written as `render` writes them."""
    root = tmp_path_factory.mktemp("train")
    toy = dataclasses.replace(
        load_recipe("toy"), data=str(root / "data"), out=str(root / "runs"), mirror=False
    )
    cache = cache_folder(root / "data", toy.size, False)
    images, meshes = create_arrays(cache, 4, toy.size, False)
    rng = np.random.default_rng(0)
    images[:] = rng.integers(0, 255, images.shape)
    meshes[:, 20:40, 10:30] = 200
    images.flush()
    meshes.flush()
    for kind in toy.hints:
        np.save(cache / f"{kind}.npy", rng.integers(0, 255, (4, toy.size, toy.size, 3), np.uint8))
    (cache / "rows.json").write_text(json.dumps([row(i) for i in range(4)]))
    stage_one = root / "runs" / "hand1000-ok"
    stage_one.mkdir(parents=True)
    np.savez(stage_one / "features.npz", ok=rng.normal(size=63).astype(np.float32))
    return toy


@pytest.fixture(scope="module")
def shipped(recipe, tmp_path_factory):
    from engine.train.__main__ import run

    assets = tmp_path_factory.mktemp("assets")
    run(list(STAGES), recipe, assets)
    return assets / "weights" / "embedded"


class TestStages:
    def test_every_entry_is_shipped_in_diffusers_layout(self, shipped):
        for entry in ("vae", "unet", "controlnet"):
            assert (shipped / entry / "config.json").is_file()
            assert (shipped / entry / "diffusion_pytorch_model.fp16.safetensors").is_file()
        differences = {"sesahand", "hand1000-ok", "sd_ft-ok", *BRANCHES}
        for entry in differences:
            assert (shipped / entry / "difference.safetensors").is_file()
        assert (shipped / "scheduler" / "scheduler_config.json").is_file()

    def test_the_report_names_every_file_with_its_hash(self, shipped):
        report = json.loads((shipped / "weights.json").read_text())
        files = {str(p.relative_to(shipped)) for p in shipped.rglob("*") if p.is_file()} - {"weights.json"}
        assert set(report["files"]) == files
        runs = set(STAGES) - {"latents", "ship", "hand1000"} | {
            "hand1000-ok",
            "hand1000-ok/low-rank",
            "foundhand/low-rank",
        }
        assert set(report["stages"]) == runs

    def test_a_done_stage_is_loaded_and_not_trained_again(self, recipe, shipped, tmp_path):
        from engine.train.__main__ import run

        before = (shipped / "unet" / "diffusion_pytorch_model.fp16.safetensors").read_bytes()
        run(["ship"], recipe, tmp_path)
        again = tmp_path / "weights" / "embedded" / "unet" / "diffusion_pytorch_model.fp16.safetensors"
        assert again.read_bytes() == before

    def test_a_recipe_goes_on_from_shipped_weights(self, recipe, shipped, tmp_path):
        """No autoencoder of its own; the base begins where the shipped one ended."""
        from safetensors.torch import load_file

        from engine.train.__main__ import run

        still = {name: dataclasses.replace(s, lr=0.0, weight_decay=0.0) for name, s in recipe.stages.items()}
        more = dataclasses.replace(recipe, start=str(shipped), out=str(tmp_path / "runs"), stages=still)
        run(["base"], more, tmp_path)
        state = torch.load(tmp_path / "runs" / "base" / "state.pt", weights_only=True)["modules"]["unet"]
        for name, value in load_file(shipped / "unet" / "diffusion_pytorch_model.fp16.safetensors").items():
            torch.testing.assert_close(state[name], value.float())

    def test_a_recipe_of_one_stage_leaves_the_shipped_rest_alone(self, recipe, shipped, tmp_path):
        """Only Hand1000's files change; its difference fits the base that was there."""
        import shutil

        from engine.train.__main__ import run

        assets = tmp_path / "assets"
        there = assets / "weights" / "embedded"
        shutil.copytree(shipped, there)
        before = {p: p.read_bytes() for p in there.rglob("*.safetensors")}
        features = tmp_path / "runs" / "hand1000-ok"
        features.mkdir(parents=True)
        shutil.copy(f"{recipe.out}/hand1000-ok/features.npz", features)
        tuning = {"hand1000": dataclasses.replace(recipe.stages["hand1000"], lr=1e-2, options={
            **recipe.stages["hand1000"].options, "early": 1.0})}  # fmt: skip
        more = dataclasses.replace(recipe, start=str(there), out=str(tmp_path / "runs"), stages=tuning)
        run(["hand1000", "ship"], more, assets)
        changed = {p.parent.name for p, data in before.items() if p.read_bytes() != data}
        assert changed == {"hand1000-ok"}
        report = json.loads((there / "weights.json").read_text())
        runs = set(STAGES) - {"latents", "ship", "hand1000"} | {
            "hand1000-ok",
            "hand1000-ok/low-rank",
            "foundhand/low-rank",
        }
        assert set(report["stages"]) == runs
        assert report["recipe"].endswith(f"then {recipe.name}")

    def test_alone_is_one_stage_of_many(self, recipe, shipped, tmp_path):
        """Several processes can train a recipe's stages side by side: each makes its own and nothing else."""
        from engine.train.__main__ import run

        many = {name: recipe.stages[name] for name in ("sesahand", "attentionhand", "handbooster")}
        more = dataclasses.replace(recipe, start=str(shipped), out=str(tmp_path / "runs"), stages=many)
        run(["attentionhand", "ship"], more, tmp_path, alone=True)
        there = tmp_path / "weights" / "embedded"
        assert {p.name for p in there.iterdir() if p.is_dir()} == {"attentionhand"}
        assert not (tmp_path / "runs" / "sesahand").exists()

    def test_early_noise_levels_come_more_often(self, recipe):
        from types import SimpleNamespace

        from engine.train.diffusion import World, build_scheduler

        world = SimpleNamespace(scheduler=build_scheduler(recipe.scheduler))
        x0 = torch.zeros(4000, 1, 1, 1)
        means = []
        for early in (0.0, 1.0):
            _, t, _ = World.noised(world, x0, torch.Generator().manual_seed(0), early)
            assert 0 <= t.min() <= t.max() < 1000
            means.append(t.float().mean())
        assert means[0] == pytest.approx(500, abs=20)
        assert means[1] == pytest.approx(667, abs=20)  # E[t] of p(t) ~ t

    def test_a_recipe_that_goes_on_from_nothing_says_so(self, recipe, tmp_path):
        from engine.train.__main__ import run

        more = dataclasses.replace(recipe, start=str(tmp_path / "none"), out=str(tmp_path / "runs"))
        with pytest.raises(UserError, match="not there"):
            run(["base"], more, tmp_path)

    def test_hand1000_keeps_what_belongs_together(self, shipped):
        from engine.weights import load_gestures

        tuned = load_gestures(
            shipped / "hand1000-ok" / "gestures.json", shipped / "hand1000-ok" / "features.safetensors"
        )
        assert tuned.phrases == {"ok": "making ok hand gesture"}
        assert tuned.share == 0.7
        assert tuned.features["ok"].shape == (63,)

    def test_the_differences_are_not_empty_and_fit_their_bases(self, shipped):
        from safetensors.torch import load_file

        from engine.weights import load_difference

        for entry, base in (("sesahand", "controlnet"), ("hand1000-ok", "unet"), ("sd_ft-ok", "unet")):
            names = load_file(shipped / base / "diffusion_pytorch_model.fp16.safetensors")
            difference = load_difference(shipped / entry / "difference.safetensors")
            assert difference
            assert set(difference) <= set(names)
            assert any(value.abs().max() > 0 for value in difference.values())

    def test_foundhand_sees_another_picture_of_the_person(self, recipe, shipped, tmp_path):
        """Six channels of hint, and what is shipped becomes the trained branch again."""
        from engine.manifest import Manifest
        from engine.weights import Weights

        branch = torch.load(f"{recipe.out}/foundhand/low-rank/state.pt", weights_only=True)["ema"]
        name = "controlnet/controlnet_cond_embedding.conv_in.weight"
        assert branch[name].shape[1] == 6
        assert branch[name][:, 3:].abs().max() > 0
        for entry in ("controlnet", "foundhand"):
            target = tmp_path / "weights/embedded" / entry
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(shipped / entry)
        (tmp_path / "models.toml").write_text(
            '[profiles.embedded]\ntitle = {en = "", zh = ""}\nnote = {en = "", zh = ""}\nsize = [64, 64]\nunit = 8\n'
            'max_side = 64\n[embedded.controlnet]\nkind = "controlnet"\n'
            '[embedded.controlnet.files]\n"config.json" = ""\n"diffusion_pytorch_model.fp16.safetensors" = ""\n'
            '[embedded.foundhand]\nkind = "controlnet"\nbase = "controlnet"\noptions = {hint_channels = 6}\n'
            '[embedded.foundhand.files]\n"difference.safetensors" = ""\n'
        )
        loaded = Weights(Manifest(tmp_path), "embedded", device="cpu").component("foundhand")
        assert loaded.config.conditioning_channels == 6
        weight = loaded.controlnet_cond_embedding.conv_in.weight
        torch.testing.assert_close(weight, branch[name], atol=1e-3, rtol=1e-2)


class TestInnerSteps:
    def test_each_sees_the_one_before_in_half_precision(self, tmp_path):
        """Autocast around the whole loss would go on with copies of the weights made for the first step."""
        model = torch.nn.Linear(4, 1, bias=False)
        seen = []

        def loss(step, rng, generator):
            for _ in range(3):
                with stage.extra["autocast"]():
                    out = model(torch.ones(1, 4))
                seen.append((float(out.detach()), float(model.weight.detach().sum())))
                stage.extra["optimizer"].zero_grad()
                out.sum().backward()
                stage.extra["optimizer"].step()
            return {"loss": out.detach().sum()}

        stage = Stage(name="inner", modules={"m": model}, loss=loss, own_backward=True)
        fit(stage, StageSettings(steps=1, lr=0.1, warmup=0, precision="bf16"), tmp_path)
        for out, weights in seen:
            assert out == pytest.approx(weights, abs=0.05)
        assert seen[0][0] - seen[2][0] > 0.3


class TestHalfNorms:
    def test_norms_compute_in_what_they_are_given_and_only_inside(self):
        from engine.train.loop import norms_as_given

        norms = {"group": torch.nn.GroupNorm(2, 4), "layer": torch.nn.LayerNorm(4)}
        x = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
        for norm in norms.values():
            torch.nn.init.normal_(norm.weight)
            whole = norm(x)
            with norms_as_given():
                assert torch.equal(norm(x), whole)
                with torch.autocast("cpu", torch.bfloat16):
                    half = norm(x.bfloat16())
            assert half.dtype == torch.bfloat16
            torch.testing.assert_close(half.float(), whole, atol=0.05, rtol=0.05)
        assert torch.nn.GroupNorm.forward.__qualname__ == "GroupNorm.forward"
        assert torch.nn.LayerNorm.forward.__qualname__ == "LayerNorm.forward"


class TestExcite:
    """AttentionHand's text attention stage."""

    def test_neglect_is_the_least_seen_hand_word(self):
        from engine.train.excite import neglect

        maps = torch.full((2, 16, 6), 0.01)
        maps[:, 5, 2] = 0.9  # one cell sees word 2, none sees word 4
        hands = torch.zeros(2, 6, dtype=torch.bool)
        hands[0, 2] = True
        both = hands.clone()
        both[0, 4] = True
        seen, without = neglect(maps, hands, (4, 4))
        assert 0 < seen < 0.6
        assert without == 0
        assert neglect(maps, both, (4, 4))[0] == pytest.approx(0.8, abs=0.01)  # 1 - one of five words' share

    def test_a_step_makes_hand_words_less_neglected_and_leaves_other_pictures_alone(self, recipe):
        from engine.attention import attend
        from engine.train.diffusion import build_unet
        from engine.train.excite import DOWN, Maps, excited, neglect

        unet = build_unet(recipe).requires_grad_(False)
        draw = torch.Generator().manual_seed(0)
        noisy = torch.randn(2, 12, 16, 16, generator=draw)
        text = torch.randn(2, 8, 384, generator=draw)
        t = torch.tensor([400, 900])
        hands = torch.zeros(2, 8, dtype=torch.bool)
        hands[0, 3] = True

        def value(x):
            maps = Maps((16 // DOWN) ** 2)
            with torch.no_grad(), attend(unet, [maps]):
                unet(x, t, text)
            return neglect(torch.stack(maps.found).mean(0), hands, (16 // DOWN,) * 2)

        moved = excited(unet, noisy, t, text, hands)
        assert torch.equal(moved[1], noisy[1])
        assert not torch.equal(moved[0], noisy[0])
        assert value(moved)[0] < value(noisy)[0]
        assert not moved.requires_grad


class TestNormalise:
    def test_channels_have_mean_0_and_deviation_1_and_decoding_is_unchanged(self, recipe):
        from engine.train.autoencoder import build_vae, normalise, pixels

        pictures = open_pictures(recipe.data, size=recipe.size)
        vae = build_vae(recipe).eval()
        x = pixels(pictures.images)
        with torch.no_grad():
            before = vae.decode(vae.encode(x).latent_dist.mean).sample
            normalise(vae, pictures)
            z = vae.encode(x).latent_dist.mean
            after = vae.decode(z).sample
        assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(z.shape[1]), atol=1e-4)
        assert torch.allclose(z.std((0, 2, 3)), torch.ones(z.shape[1]), atol=1e-3)
        assert torch.allclose(before, after, atol=1e-3)


class TestLoop:
    @staticmethod
    def stage(seen):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)

        def loss(step, rng, generator):
            seen.append(step)
            x = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32))
            return (model(x) - torch.randn(4, 1, generator=generator)).pow(2).mean()

        return Stage(name="toy", modules={"model": model}, loss=loss), model

    def test_a_killed_run_resumes_to_the_same_weights(self, tmp_path):
        whole, straight = self.stage([])
        fit(whole, StageSettings(steps=6, batch=4, minutes=9), tmp_path / "whole")

        class Killed(Exception):
            pass

        settings = StageSettings(steps=6, batch=4, minutes=9, save_every_s=0)
        first, _ = self.stage([])
        inner = first.loss

        def dies(step, rng, generator):
            if step == 3:
                raise Killed
            return inner(step, rng, generator)

        first.loss = dies
        with pytest.raises(Killed):
            fit(first, settings, tmp_path / "parts")
        seen = []
        second, resumed = self.stage(seen)
        fit(second, settings, tmp_path / "parts")
        assert seen == [3, 4, 5]
        # both are the moving averages; the learning rate follows steps, so nothing depends on the clock
        assert torch.allclose(straight.weight, resumed.weight, atol=1e-5)

    def test_the_schedule_warms_up_and_ends_at_its_share(self):
        settings = StageSettings(lr=1.0, warmup=10, final_lr=0.1)
        assert schedule(settings, 0, 0.0) == pytest.approx(0.1)
        assert schedule(settings, 50, 0.0) == pytest.approx(1.0)
        assert schedule(settings, 50, 1.0) == pytest.approx(0.1)


class TestWhatLearns:
    def test_hand1000_leaves_the_base_alone(self, recipe, shipped):
        """The tuned UNet is a copy: the base that sd runs is what the base stage left, at bfloat16's precision."""
        from diffusers import UNet2DConditionModel

        from engine.train.diffusion import build_unet

        state = torch.load(f"{recipe.out}/base/state.pt", weights_only=True)
        unet = build_unet(recipe)
        unet.load_state_dict(state["modules"]["unet"])
        for key, value in unet.named_parameters():
            value.data.copy_(state["ema"][f"unet/{key}"])
        saved = UNet2DConditionModel.from_pretrained(
            shipped / "unet", torch_dtype=torch.float16, variant="fp16"
        )
        for key, value in saved.named_parameters():
            assert torch.equal(value, unet.get_parameter(key).bfloat16().half()), key

    def test_half_of_a_batch_without_the_branch_has_no_residual(self):
        from engine.train.diffusion import prefix_residuals

        down, mid = prefix_residuals([torch.ones(2, 3, 4, 4)], torch.ones(2, 3, 2, 2), 5)
        assert down[0].shape == (5, 3, 4, 4)
        assert down[0][:2].eq(1).all()
        assert not down[0][2:].any()
        assert not mid[2:].any()

    def test_weights_of_the_hand_average_one(self, recipe):
        from engine.train.diffusion import World, build_scheduler

        pictures = open_pictures(recipe.data, size=recipe.size)
        world = World.of(
            pictures, np.zeros((4, 12, 4, 4), np.float16), None, build_scheduler(recipe.scheduler), "cpu"
        )
        weight = world.hand_weights(np.arange(4), 3.0)
        assert weight.shape == (4, 1, 4, 4)
        assert torch.allclose(weight.mean((1, 2, 3)), torch.ones(4))
        assert weight.max() / weight.min() == pytest.approx(3.0)


class TestCaptions:
    def test_the_base_hears_phrases_that_tell_it_nothing(self, recipe):
        from engine.train.captions import BaseCaptions

        rows = [row(i) for i in range(200)]
        captions = BaseCaptions(rows, seed=1)
        told = [captions.text(i, "phrase") for i in range(200)]
        assert len({t.split(" wall")[1] for t in told}) > 10, "a random gesture, not the picture's own"
        assert all("gesture" not in captions.text(i, "short") for i in range(20))

    def test_mirroring_exchanges_sides_in_words_only(self):
        assert mirrored_text({"a": "the Right hand, bright, left"}) == {"a": "the Left hand, bright, right"}


class TestRecipes:
    @pytest.mark.parametrize("name", ["cpu", "full", "toy"])
    def test_shipped_recipes_load(self, name):
        recipe = load_recipe(name)
        apart = set() if name == "toy" else {"foundhand"}  # its pairs are a corpus of their own
        assert set(STAGES) - {"latents", "ship"} - apart == set(recipe.stages)

    @pytest.mark.parametrize("name", ["gestures", "gestures-cpu", "branches"])
    def test_recipes_of_what_builds_on_the_base_leave_it(self, name):
        recipe = load_recipe(name)
        assert set(recipe.stages) <= {"hand1000", "sd_ft", "sesahand", *BRANCHES}
        assert all(recipe.keeps(stage) for stage in ("base", "controlnet"))

    def test_three_recipes_make_all_but_the_autoencoder_anew(self):
        stages = {
            stage for name in ("continue", "branches", "gestures") for stage in load_recipe(name).stages
        }
        assert set(STAGES) - {"latents", "ship", "autoencoder"} == stages

    def test_one_like_another_has_its_models_and_its_own_stages(self):
        full, more = load_recipe("full"), load_recipe("continue")
        assert (more.vae, more.unet, more.hint_channels) == (full.vae, full.unet, full.hint_channels)
        assert set(more.stages) == {"base", "controlnet"}
        assert more.start == "assets/weights/embedded"
        assert not full.start

    def test_an_unknown_recipe_is_one_sentence(self):
        with pytest.raises(UserError, match="branches, continue, cpu, full, gestures"):
            load_recipe("nothing")

    def test_no_pictures_says_what_to_run(self, tmp_path):
        with pytest.raises(UserError, match=r"engine\.corpus make"):
            open_pictures(tmp_path, size=64)
