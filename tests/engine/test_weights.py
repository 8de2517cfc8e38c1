from __future__ import annotations

import copy
import json
import shutil
from types import SimpleNamespace

import pytest
import torch

from engine import tiny, weights
from engine.manifest import Manifest, sha256
from engine.text import GestureSet
from engine.types import UserError
from engine.weights import (
    Weights,
    add_difference,
    load_difference,
    load_gestures,
    load_model,
    save_difference,
    save_gestures,
)

PROFILE = '[profiles.p]\ntitle = {en = "p"}\nnote = {en = ""}\nsize = [64, 96]\nunit = 32\nmax_side = 128\n'


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A base UNet in diffusers' layout and half precision, and a tuned one's difference beside it."""
    assets = tmp_path_factory.mktemp("assets")
    base, tuned = tiny.unet(), tiny.unet()
    base_folder, tuned_folder = assets / "weights/p/unet", assets / "weights/p/hand1000"
    copy.deepcopy(base).half().save_pretrained(base_folder)
    generator = torch.Generator().manual_seed(0)
    for parameter in tuned.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape, generator=generator)
    tuned_folder.mkdir()
    save_difference(tuned_folder / "difference.safetensors", tuned.state_dict(), base.state_dict())
    return SimpleNamespace(assets=assets, base=base, tuned=tuned)


def manifest(folder, extra=""):
    unet = folder / "weights/p/unet"
    files = "".join(f'"{f.name}" = "{sha256(f)}"\n' for f in sorted(unet.iterdir()))
    (folder / "models.toml").write_text(
        f'{PROFILE}[p.unet]\nkind = "unet"\ncommand = "make train"\n[p.unet.files]\n{files}'
        '[p.hand1000]\nkind = "unet"\nbase = "unet"\n[p.hand1000.files]\n"difference.safetensors" = ""\n'
        + extra
    )
    return Manifest(folder)


# --- the manifest -----------------------------------------------------------------------------------------


def test_shipped_manifest_is_whole():
    shipped = Manifest()
    assert {"embedded", "sd15", "tiny"} <= set(shipped.names)
    for name in shipped.names:
        profile = shipped.profile(name)
        assert set(profile.title) == set(profile.note) == {"en", "zh"}
        assert all(side % profile.unit == 0 for side in profile.size)
        entries = {entry.name: entry for entry in shipped.entries(name)}
        assert {"vae", "text", "scheduler", "unet"} <= set(entries)
        for entry in entries.values():
            assert entry.builtin or (entry.source and entry.licence and entry.purpose), entry.name
            assert entry.builtin or entry.files or entry.kind == "outside", entry.name
            assert entry.builtin or entry.command, entry.name
            assert not entry.base or entry.base in entries
            assert not entry.repo or len(entry.revision) == 40, entry.name


def test_entries_fall_back_and_follow_aliases(saved):
    read = manifest(saved.assets, '[p.other]\nalias = "unet"\n')
    assert read.entry("p", "hand1000/ok").name == "hand1000"
    assert read.entry("p", "other").name == "unet"
    assert read.availability("p", ["unet", "hand1000/ok", "other"]).ok
    assert not read.availability("p", ["unet", "nothing"]).ok
    with pytest.raises(UserError):
        read.entry("p", "nothing")


def test_a_gesture_without_its_own_weights_is_named_with_those_that_have_them(saved):
    read = manifest(saved.assets, '[p."each/ok"]\nkind = "unet"\n[p."each/four"]\nkind = "unet"\n')
    assert read.entry("p", "each/ok").folder == saved.assets / "weights/p/each-ok"
    with pytest.raises(UserError, match=r"'each' was not tuned on the gesture 'fist'; .* four, ok") as caught:
        read.entry("p", "each/fist")
    assert caught.value.code == "gesture_unknown"


def test_a_persons_own_weights_replace_entries(saved, tmp_path):
    shutil.copytree(saved.assets, tmp_path, dirs_exist_ok=True)
    manifest(tmp_path)
    own = tmp_path / "mine"
    shutil.copytree(tmp_path / "weights/p/unet", own)
    (tmp_path / "models.local.toml").write_text(
        f'[p.unet]\nkind = "unet"\npath = "{own}"\nfiles = {{"config.json" = ""}}\n'
    )
    assert Manifest(tmp_path).entry("p", "unet").folder == own
    assert Manifest(tmp_path).entry("p", "hand1000").base == "unet"


def test_fingerprints_follow_the_content(saved, tmp_path):
    shutil.copytree(saved.assets, tmp_path, dirs_exist_ok=True)
    read = manifest(tmp_path)
    before = {n: read.fingerprint("p", [n]) for n in ("unet", "hand1000")}
    assert before["unet"] != before["hand1000"]
    assert read.fingerprint("p", ["unet", "hand1000"]) == read.fingerprint("p", ["hand1000", "unet", "unet"])
    changed = tmp_path / "weights/p/hand1000/difference.safetensors"
    changed.write_bytes(changed.read_bytes() + b" ")
    assert read.fingerprint("p", ["hand1000"]) != before["hand1000"]
    assert read.fingerprint("p", ["unet"]) == before["unet"]


def test_a_damaged_file_is_refused(saved, tmp_path):
    shutil.copytree(saved.assets, tmp_path, dirs_exist_ok=True)
    read = manifest(tmp_path)
    file = tmp_path / "weights/p/unet/diffusion_pytorch_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError) as error:
        load_model(read.entry("p", "unet"), torch.float32)
    assert error.value.code == "weights_damaged"
    file.unlink()
    with pytest.raises(UserError, match="make train") as error:
        load_model(read.entry("p", "unet"), torch.float32)
    assert error.value.code == "weights_missing"


# --- loading ----------------------------------------------------------------------------------------------


def test_half_precision_files_load_as_float32(saved):
    model = load_model(manifest(saved.assets).entry("p", "unet"), torch.float32)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in model.parameters())
    assert not model.training
    for a, b in zip(model.parameters(), saved.base.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_a_difference_loads_onto_its_base(saved):
    model = Weights(manifest(saved.assets), "p", device="cpu").component("hand1000/ok")
    for a, b in zip(model.parameters(), saved.tuned.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)


def test_components_are_shared_and_leave_by_age(saved):
    store = Weights(manifest(saved.assets), "p", device="cpu")
    unet = store.component("unet")
    assert store.component("unet") is unet
    size = sum(p.numel() * 4 for p in unet.parameters())
    store.budget_bytes = size
    tuned = store.component("hand1000")
    assert store.component("hand1000") is tuned
    assert store.component("unet") is not unet


# --- differences ------------------------------------------------------------------------------------------


def test_whole_differences_come_back(saved, tmp_path):
    path = tmp_path / "difference.safetensors"
    kept = save_difference(path, saved.tuned.state_dict(), saved.base.state_dict(), dtype=torch.float32)
    assert kept == 1.0
    model = tiny.unet()
    add_difference(model, path)
    for (name, a), b in zip(model.state_dict().items(), saved.tuned.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    model = tiny.unet()
    add_difference(model, path, scale=0.0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), saved.base.parameters(), strict=True))


def test_low_rank_differences_are_exact_up_to_their_rank(tmp_path):
    generator = torch.Generator().manual_seed(0)

    def low(m, n, rank):
        return torch.randn(m, rank, generator=generator) @ torch.randn(rank, n, generator=generator)

    base = {
        "w": torch.zeros(20, 30),
        "conv": torch.zeros(16, 8, 3, 3),
        "bias": torch.zeros(20),
        "same": torch.ones(3),
    }
    tuned = {
        "w": low(20, 30, 2),
        "conv": low(16, 72, 3).reshape(16, 8, 3, 3),
        "bias": torch.randn(20, generator=generator),
        "same": torch.ones(3),
    }
    path = tmp_path / "d.safetensors"
    assert save_difference(path, tuned, base, rank=3, dtype=torch.float32) > 1 - 1e-6
    back = load_difference(path)
    assert set(back) == {"w", "conv", "bias"}
    for name, value in back.items():
        assert torch.allclose(value.reshape(tuned[name].shape), tuned[name], atol=1e-4)
    whole = path.stat().st_size
    assert save_difference(path, tuned, base, rank=1, dtype=torch.float32) < 0.95
    assert path.stat().st_size < whole


def test_the_least_useful_factors_go(tmp_path):
    generator = torch.Generator().manual_seed(0)

    def unit(x):
        return x / x.norm()

    base = {"strong": torch.zeros(32, 32), "weak": torch.zeros(32, 32), "long": torch.zeros(32, 256)}
    tuned = {
        name: size * unit(torch.randn(value.shape, generator=generator))
        for (name, value), size in zip(base.items(), (10.0, 0.1, 0.1), strict=True)
    }
    path = tmp_path / "d.safetensors"
    all_of_it = save_difference(path, tuned, base, rank=8)
    kept = save_difference(path, tuned, base, rank=8, keep=0.999)
    assert 0.999 * all_of_it <= kept < all_of_it
    back = load_difference(path)
    assert "strong" in back
    assert "weak" not in back
    assert "long" not in back
    left = save_difference(path, tuned, base, rank=8, keep=0.5)
    assert 0.5 * all_of_it <= left < kept
    assert torch.linalg.matrix_rank(load_difference(path)["strong"], tol=1e-2) < 8


def test_a_foreign_difference_is_refused(tmp_path):
    path = tmp_path / "d.safetensors"
    save_difference(path, {"other": torch.ones(3)}, {"other": torch.zeros(3)})
    with pytest.raises(UserError) as error:
        add_difference(tiny.unet(), path)
    assert error.value.code == "difference_mismatch"
    with pytest.raises(ValueError):
        save_difference(path, {"a": torch.ones(3)}, {"b": torch.ones(3)})


# --- gestures ---------------------------------------------------------------------------------------------


def test_gestures_come_back(tmp_path):
    gestures = GestureSet(
        phrases={"ok": "making ok hand gesture"},
        features={"ok": torch.rand(63)},
        fc="conv1d",
        fc_seed=4,
        share=0.6,
    )
    save_gestures(tmp_path, gestures)
    back = load_gestures(tmp_path / "gestures.json", tmp_path / "features.safetensors")
    assert torch.equal(back.features["ok"], gestures.features["ok"])
    assert (back.phrases, back.fc, back.fc_seed, back.share) == (gestures.phrases, "conv1d", 4, 0.6)


def test_a_trained_layer_is_kept(tmp_path):
    text = torch.randn(1, 4, 8)
    fusion = GestureSet(phrases={}, features={}, fc="conv1d").fusion(4, 8)
    with torch.no_grad():
        fusion.layer.weight += 1
    trained = GestureSet(
        phrases={"ok": "p"},
        features={"ok": torch.rand(63)},
        fc="conv1d",
        layer=dict(fusion.layer.state_dict()),
    )
    save_gestures(tmp_path, trained)
    back = load_gestures(tmp_path / "gestures.json", tmp_path / "features.safetensors")
    feature = back.features["ok"]
    assert torch.allclose(back.fusion(4, 8)(text, feature), fusion(text, feature))


@pytest.mark.parametrize("damage", [{"phrases": {}}, {"unheard": 1}, None])
def test_damaged_gestures_are_refused(tmp_path, damage):
    save_gestures(tmp_path, GestureSet(phrases={"ok": "p"}, features={"ok": torch.rand(63)}))
    file = tmp_path / "gestures.json"
    file.write_text("{" if damage is None else json.dumps({**json.loads(file.read_text()), **damage}))
    with pytest.raises(UserError) as error:
        load_gestures(file, tmp_path / "features.safetensors")
    assert error.value.code == "bad_file"


def test_minilm_is_the_embedded_text_encoder():
    encoder = Weights(Manifest(), "embedded", device="cpu").component("text")
    states = encoder(["a hand", "a hand in a red glove beside a wall"])
    assert states.shape == (2, 48, 384)
    assert not states[0, 4:].any()
    assert encoder.nearest("someone gives a thumbs up", {"like": "thumbs up", "rock": "rock sign"}) == "like"


def test_no_cuda_outside_this_module():
    """style.md 6: one file decides on devices."""
    from engine.manifest import ASSETS

    users = [p.name for p in (ASSETS.parent / "engine").glob("*.py") if "torch.cuda" in p.read_text()]
    assert users == [weights.__name__.split(".")[-1] + ".py"]
