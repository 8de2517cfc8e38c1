"""Profile sd15 on random weights at toy width, laid out exactly as the hub's cache lays out the real ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from torch import nn

from engine import attention, fetch, tiny
from engine.engine import Engine
from engine.manifest import ASSETS, Manifest, sha256
from engine.types import SamplerSpec, UserError

SIZE = (64, 128)
WIDTHS = {"block_out_channels": (32, 32, 64, 64), "norm_num_groups": 8, "cross_attention_dim": 32}
SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1,
    "clip_sample": False,
}  # fmt: skip


def snapshot(cache: Path, entry) -> Path:
    return cache / f"models--{entry.repo.replace('/', '--')}" / "snapshots" / entry.revision


def write_tokenizer(folder: Path) -> None:
    """As the hub has it: vocab.json and merges.txt, byte pairs with </w>."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges = ["h a", "ha n", "han d</w>"]
    vocab = [*letters, *(c + "</w>" for c in letters), *(m.replace(" ", "") for m in merges)]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocab)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special["pad_token"] = "<|endoftext|>"
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_text_encoder(folder: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=600, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=515, eos_token_id=516, pad_token_id=516,
    )  # fmt: skip
    CLIPTextModel(config).half().save_pretrained(folder, variant="fp16")


def write_safety_checker(folder: Path) -> None:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 16, "projection_dim": 8}
    config = CLIPConfig(vision_config=vision, text_config=small, projection_dim=8)
    StableDiffusionSafetyChecker(config).half().save_pretrained(folder, variant="fp16")


def unet(**options):
    return diffusers.UNet2DConditionModel(**WIDTHS, attention_head_dim=4, layers_per_block=2, **options)


def controlnet():
    model = diffusers.ControlNetModel.from_unet(unet(), conditioning_channels=3)
    for conv in tiny.zero_convs(model):
        nn.init.normal_(conv.weight, std=0.05)
    return model


def vae():
    down, up = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 16, 16), down_block_types=down, up_block_types=up, layers_per_block=1,
        norm_num_groups=4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """(cache folder, assets folder): the public files at toy width, and the manifest without their hashes."""
    root = tmp_path_factory.mktemp("hub")
    assets = root / "assets"
    assets.mkdir()
    manifest = (ASSETS / "models.toml").read_text(encoding="utf-8")
    (assets / "models.toml").write_text(re.sub(r'= "[0-9a-f]{64}"', '= ""', manifest), encoding="utf-8")
    entries = {entry.name: entry for entry in Manifest(assets).entries("sd15")}
    base = snapshot(root, entries["unet"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet().half().save_pretrained(base / "unet", variant="fp16")
        vae().half().save_pretrained(base / "vae", variant="fp16")
        write_text_encoder(base / "text_encoder")
        write_safety_checker(base / "safety_checker")
        for name in ("controlnet-depth", "controlnet-keypoints"):
            controlnet().half().save_pretrained(snapshot(root, entries[name]), variant="fp16")
    write_tokenizer(base / "tokenizer")
    (base / "scheduler").mkdir()
    (base / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER))
    return root, assets


@pytest.fixture
def sd15(hub, hint_of, monkeypatch):
    root, assets = hub
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setattr("engine.render.render_hint", hint_of)
    return Engine("sd15", device="cpu", assets=assets)


@pytest.fixture
def request_15(request_ok):
    return replace(request_ok, size=SIZE, sampler=SamplerSpec(steps=2, cfg=3.0))


def test_sd_is_the_pipeline_from_the_hubs_folder(sd15, hub, request_15):
    """Prompt to picture, tokenizer and half-precision files included."""
    result = sd15.result(sd15.plan("sd", request_15))
    base = snapshot(hub[0], sd15.manifest.entry("sd15", "unet"))
    parts = {
        "unet": diffusers.UNet2DConditionModel.from_pretrained(base / "unet", variant="fp16"),
        "vae": diffusers.AutoencoderKL.from_pretrained(base / "vae", variant="fp16"),
    }
    from transformers import CLIPTextModel, CLIPTokenizer

    pipe = diffusers.StableDiffusionPipeline(
        **{name: part.float() for name, part in parts.items()},
        text_encoder=CLIPTextModel.from_pretrained(base / "text_encoder", variant="fp16").float(),
        tokenizer=CLIPTokenizer.from_pretrained(base / "tokenizer"),
        scheduler=diffusers.DDIMScheduler.from_pretrained(base / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        request_15.prompt,
        negative_prompt=request_15.negative,
        height=SIZE[0],
        width=SIZE[1],
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(request_15.seed),
        output_type="np",
    ).images[0]
    assert np.abs(theirs * 255 - result.image).max() <= 1


def test_controlnet_runs_on_public_weights(sd15, request_15):
    for hint in ("depth", "keypoints"):
        result = sd15.result(sd15.plan("controlnet", request_15, hint=hint))
        assert list(result.hints) == [hint]
    assert {result.words[i] for i in result.hand_words} == {"making", "hand", "gesture"}


def test_what_nobody_published_is_unavailable_with_its_command(sd15):
    for name in ("sesahand", "hand1000", "controlnet", "sd_ft", "imagic"):
        state = sd15.availability(name)
        assert not state.ok
        assert state.reason
    assert sd15.availability("sd").ok
    state = sd15.availability("handrefiner")
    assert not state.ok
    assert state.command == "python -m engine.fetch sd15 inpainting"


def test_without_the_files_nothing_is_stood_in(hub, tmp_path, monkeypatch, request_15):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    engine = Engine("sd15", device="cpu", assets=hub[1])
    state = engine.availability("sd")
    assert not state.ok
    assert state.command == "python -m engine.fetch sd15 vae"
    with pytest.raises(UserError, match=r"engine\.fetch"):
        engine.result(engine.plan("sd", request_15))


def test_seven_self_attention_layers_are_harvested():
    """papers/sesahand.md 18.4, on Stable Diffusion's own ladder of sizes."""
    model = controlnet().eval()
    maps = attention.SelfMaps((64, 64), (8, 8))
    with torch.inference_mode(), attention.attend(model, [maps]):
        model(
            torch.zeros(1, 4, 64, 64), torch.tensor(1),
            encoder_hidden_states=torch.zeros(1, 77, 32), controlnet_cond=torch.zeros(1, 3, 512, 512),
        )  # fmt: skip
    assert sorted(maps.counts(), reverse=True) == [4096, 4096, 1024, 1024, 256, 256, 64]


# --- fetch ------------------------------------------------------------------------------------------------


def original_layout(model) -> dict[str, torch.Tensor]:
    """A diffusers ControlNet's state under the names that ControlNet's own code gives it."""
    renames = {
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0", "controlnet_cond_embedding.conv_in": "input_hint_block.0",
        "controlnet_cond_embedding.conv_out": "input_hint_block.14",
        "controlnet_mid_block": "middle_block_out.0", "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }  # fmt: skip
    renames |= {f"controlnet_cond_embedding.blocks.{i}": f"input_hint_block.{2 * i + 2}" for i in range(6)}
    renames |= {f"controlnet_down_blocks.{i}": f"zero_convs.{i}.0" for i in range(12)}
    for i in range(12):
        level, layer = divmod(i, 3)
        if layer == 2:
            renames[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{i + 1}.0.op"
        else:
            renames[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{i + 1}.0"
            renames[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{i + 1}.1"
    inside = {
        ".norm1.": ".in_layers.0.", ".conv1.": ".in_layers.2.", ".time_emb_proj.": ".emb_layers.1.",
        ".norm2.": ".out_layers.0.", ".conv2.": ".out_layers.3.", ".conv_shortcut.": ".skip_connection.",
    }  # fmt: skip
    out = {}
    for name, value in model.state_dict().items():
        old = max((r for r in renames if name.startswith(r + ".")), key=len)
        rest = name[len(old) :]
        if "resnets" in old:
            for a, b in inside.items():
                rest = rest.replace(a, b)
        out["control_model." + renames[old] + rest] = value
    return out


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """hf_hub_download, answered from a folder."""
    asked = []

    def download(repo, name, *, revision):
        asked.append((repo, name, revision))
        return str(tmp_path / "there" / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    (tmp_path / "there/unet").mkdir(parents=True)
    return asked


def test_a_pickle_is_converted_without_running_it(sd15, downloads, tmp_path, request_15):
    inpainting = unet(in_channels=9)
    inpainting.save_config(tmp_path / "there/unet")
    torch.save(inpainting.state_dict(), tmp_path / "there/unet/diffusion_pytorch_model.bin")
    entry = sd15.manifest.entry("sd15", "inpainting")
    fetch.fetch(sd15.manifest, entry)
    assert {revision for _, _, revision in downloads} == {entry.fetch["revision"]}
    assert not entry.missing
    loaded = sd15.weights.component("inpainting")
    assert loaded.config.in_channels == 9
    assert torch.allclose(loaded.conv_in.weight, inpainting.conv_in.weight, atol=1e-3)


def test_a_pickle_that_runs_code_is_refused(sd15, downloads, tmp_path, hub):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"a": Evil()}, tmp_path / "there/unet/diffusion_pytorch_model.bin")
    entry = replace(sd15.manifest.entry("sd15", "inpainting"), folder=tmp_path / "entry")
    with pytest.raises(Exception, match=r"weights_only|Weights only|Unsupported"):
        fetch.fetch(sd15.manifest, entry)
    assert not (tmp_path / "owned").exists()


def test_a_single_file_is_brought_into_diffusers_layout(sd15, downloads, tmp_path, request_15):
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = controlnet()
    entry = sd15.manifest.entry("sd15", "handrefiner")
    save_file(original_layout(model), tmp_path / "there" / entry.fetch["file"])
    fetch.fetch(sd15.manifest, entry)
    loaded = sd15.weights.component("handrefiner").state_dict()
    assert all(torch.allclose(loaded[k], v, atol=2e-3) for k, v in model.state_dict().items())


def test_the_authors_attentionhand_is_taken_over(sd15, downloads, tmp_path, request_15):
    entry = sd15.manifest.entry("sd15", "attentionhand")
    with pytest.raises(UserError, match="--from"):
        fetch.fetch(sd15.manifest, entry)
    model = controlnet()
    state = {k.replace("control_model.", "VAS."): v for k, v in original_layout(model).items()}
    torch.save({"state_dict": {**state, "TAS.other": torch.ones(2)}}, tmp_path / "attentionhand.ckpt")
    fetch.fetch(sd15.manifest, entry, tmp_path / "attentionhand.ckpt")
    loaded = sd15.weights.component("attentionhand").state_dict()
    assert all(torch.allclose(loaded[k], v, atol=2e-3) for k, v in model.state_dict().items())
    result = sd15.result(sd15.plan("attentionhand", request_15))
    hint = result.hints["mesh"]
    assert hint.any()
    assert (hint == hint[..., :1]).all(), "gray"
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="no weights"):
        fetch.fetch(sd15.manifest, replace(entry, folder=tmp_path / "new"), tmp_path / "other.ckpt")


def test_handrefiner_runs_on_its_own_weights(sd15, request_15):
    unet(in_channels=9).save_pretrained(sd15.manifest.entry("sd15", "inpainting").folder)
    controlnet().save_pretrained(sd15.manifest.entry("sd15", "handrefiner").folder)
    plain = sd15.result(sd15.plan("sd", request_15)).image
    result = sd15.result(sd15.plan("handrefiner", request_15))
    mask = result.plan.init.mask(plain)
    assert np.array_equal(result.image[~mask], plain[~mask])
    assert not np.array_equal(result.image[mask], plain[mask])


def test_hashes_are_written_into_the_manifest(tmp_path):
    (tmp_path / "weights/p/unet").mkdir(parents=True)
    file = tmp_path / "weights/p/unet/config.json"
    file.write_text("{}")
    toml = tmp_path / "models.toml"
    toml.write_text(
        '[profiles.p]\n[p.unet]\nkind = "unet"\n[p.unet.files]\n"config.json" = ""\n"missing.bin" = ""\n\n'
        '[p."a/b"]\nkind = "unet"\n[p."a/b".files]\n"config.json" = "old"\n'
    )
    assert fetch.write_hashes(toml, "p", Manifest(tmp_path).entries("p")) == 1
    entry = Manifest(tmp_path).entry("p", "unet")
    assert entry.files == {"config.json": sha256(file), "missing.bin": ""}
    assert Manifest(tmp_path).entry("p", "a/b").files == {"config.json": "old"}


# --- a person's own training on it --------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """Four shards' pictures as a reader leaves them: with a gesture, without mesh in half of them."""
    from engine.corpus.sample import Captions, Sample
    from engine.corpus.shards import write_shard

    rng = np.random.default_rng(0)
    mesh = np.zeros((64, 64, 3), np.uint8)
    mesh[20:40, 10:30] = 200
    samples = [
        Sample(
            key=f"train-{i:06d}",
            image=rng.integers(0, 255, (64, 64, 3), np.uint8),
            mesh=mesh if i % 2 else None,
            captions=Captions(short="a man", wordy="a man", gesture="a man making ok hand gesture, smiling"),
            attributes={"gesture": "ok"},
        )
        for i in range(4)
    ]
    (tmp_path / "data").mkdir()
    write_shard(tmp_path / "data/train-00000.parquet", samples)
    return tmp_path / "data"


@pytest.fixture
def trained(sd15, hub, pictures, tmp_path, monkeypatch):
    """Both sd15 recipes at toy size, rank 0 and rank 4; the Engine that has their weights."""
    from engine.train.__main__ import run
    from engine.train.recipe import load_recipe

    monkeypatch.setattr("engine.manifest.ASSETS", hub[1])
    features = tmp_path / "hand/hand1000"
    features.mkdir(parents=True)
    np.savez(features / "features.npz", ok=np.random.default_rng(0).normal(size=63).astype(np.float32))
    declared = []
    for name, out, stages, rank in (
        ("sd15-hand1000", "hand", ["hand1000", "sd_ft", "ship"], 0),
        ("sd15-sesahand", "sesa", ["controlnet", "sesahand", "ship"], 4),
    ):
        recipe = load_recipe(name)
        short = {
            key: replace(
                stage, steps=2, batch=2, lr=1e-2, warmup=0, precision="no",
                options={**stage.options, **({"embedding_steps": 1, "unet_steps": 1} if rank == 0 else {})},
            )
            for key, stage in recipe.stages.items()
        }  # fmt: skip
        recipe = replace(
            recipe, data=str(pictures), out=str(tmp_path / out), size=64, rank=rank, stages=short,
            hint_channels=(4, 8, 8, 8),
        )  # fmt: skip
        run(stages, recipe, tmp_path)
        declared.append((tmp_path / out / "weights/models.local.toml").read_text())
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "models.toml").write_text((hub[1] / "models.toml").read_text())
    (assets / "models.local.toml").write_text("\n".join(declared))
    return Engine("sd15", device="cpu", assets=assets)


def test_methods_run_on_weights_trained_here(trained, sd15, request_15):
    plain = trained.result(trained.plan("sd", request_15)).image
    assert np.array_equal(plain, sd15.result(sd15.plan("sd", request_15)).image)  # the base is untouched
    for name in ("hand1000", "sd_ft", "controlnet", "sesahand"):
        assert trained.availability(name).ok
        assert not np.array_equal(trained.result(trained.plan(name, request_15)).image, plain), name


def test_what_was_trained_is_declared_with_its_hashes(trained):
    entry = trained.manifest.entry("sd15", "hand1000/ok")
    assert entry.name == "hand1000/ok"  # one gesture's weights are that gesture's alone
    assert not trained.manifest.availability("sd15", ["hand1000/palm"]).ok
    assert {len(digest) for digest in entry.files.values()} == {64}
    assert trained.manifest.entry("sd15", "sesahand").base == "controlnet"


def test_training_reads_the_latents_as_the_engine_does(trained, sd15, tmp_path, pictures):
    """Stable Diffusion's scaling factor is in them."""
    from engine.image import to_tensor
    from engine.train.data import open_pictures

    latents = np.load(tmp_path / "hand/autoencoder/latents.npy")
    image = open_pictures(pictures, size=64).images[0]
    with torch.inference_mode():
        expected = sd15.weights.models_for("unet").encode(to_tensor(np.array(image)))
    np.testing.assert_allclose(latents[0], expected[0].numpy(), atol=2e-3)
