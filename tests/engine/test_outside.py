"""The authors' own program, stood in for by one of ours: what it is given, what becomes of what it leaves."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.engine import Engine
from engine.image import decode
from engine.manifest import ASSETS
from engine.types import HandPose, SamplerSpec, UserError, from_json, to_json

COPY = """
import shutil, sys
from pathlib import Path
folder = Path(sys.argv[-1])
shutil.copytree(folder, sys.argv[1])
(folder / "picture.png").write_bytes((folder / "mesh.png").read_bytes())
"""
FAIL = "import sys; print('first'); sys.exit('no card here')"
NOTHING = "pass"
STAY = """
import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def engine_with(tmp_path):
    """engine_with(program, *arguments): profile tiny, whose FoundHand of the authors is this program."""

    def make(program: str, *arguments: object) -> Engine:
        assets = tmp_path / "assets"
        assets.mkdir()
        (assets / "models.toml").write_text(
            (ASSETS / "models.toml").read_text(encoding="utf-8"), encoding="utf-8"
        )
        script = tmp_path / "program.py"
        script.write_text(program)
        run = json.dumps([sys.executable, str(script), *map(str, arguments)])
        (assets / "models.local.toml").write_text(
            f'[tiny.foundhand-authors]\nkind = "outside"\noptions = {{ run = {run} }}\n'
            f'[embedded.foundhand-authors]\nkind = "outside"\noptions = {{ run = {run} }}\n'
        )
        return Engine("tiny", device="cpu", assets=assets)

    return make


@pytest.fixture
def request_2(request_ok):
    return replace(request_ok, sampler=SamplerSpec(steps=2, cfg=3.0))


def test_it_gets_the_request_and_its_picture_is_kept(engine_with, request_2, tmp_path):
    given = tmp_path / "given"
    engine = engine_with(COPY, given)
    plan = engine.plan("foundhand", request_2, whose="authors")
    *steps, result = engine.run(plan)
    assert result.image.shape == (*request_2.size, 3)
    assert np.array_equal(result.image, decode((given / "mesh.png").read_bytes()))
    assert np.array_equal(
        decode((given / "reference.png").read_bytes()), engine.result(engine.plan("sd", request_2)).image
    )
    assert steps[-1].index < steps[-1].total
    told = json.loads((given / "request.json").read_text())
    assert told["prompt"] == request_2.prompt
    assert told["seed"] == request_2.seed
    assert from_json(told["hands"]) == request_2.hands
    points = np.load(given / "keypoints.npy")
    assert np.isfinite(points[:21]).all()
    assert np.isnan(points[21:]).all()
    assert np.load(given / "joints.npy").shape == (42, 3)
    assert np.load(given / "vertices.npy").shape[0] == len(request_2.hands)
    (tmp_path / "program.py").unlink()
    assert engine.result(plan).cached


def test_a_left_hand_comes_second(request_2):
    from engine.outside import both_hands

    left, right = np.zeros((21, 2)), np.ones((21, 2))
    both = both_hands(["left", "right"], [left, right])
    assert (both[:21] == 1).all()
    assert (both[21:] == 0).all()


@pytest.mark.parametrize(("program", "sentence"), [(FAIL, "no card here"), (NOTHING, "without a picture")])
def test_what_goes_wrong_is_a_sentence(engine_with, request_2, program, sentence):
    engine = engine_with(program)
    with pytest.raises(UserError, match=sentence):
        engine.result(engine.plan("foundhand", request_2, whose="authors"))


def test_a_program_that_is_not_there_is_a_sentence(engine_with, request_2):
    engine = engine_with(NOTHING)
    local = engine.manifest.assets / "models.local.toml"
    local.write_text(local.read_text().replace(sys.executable, "/nowhere/python"))
    engine = Engine("tiny", device="cpu", assets=engine.manifest.assets)
    with pytest.raises(UserError, match="cannot be started"):
        engine.result(engine.plan("foundhand", request_2, whose="authors"))


def test_leaving_the_run_ends_the_program(engine_with, request_2, tmp_path):
    place = tmp_path / "pid"
    engine = engine_with(STAY, place)
    run = engine.run(engine.plan("foundhand", request_2, whose="authors"))
    until = time.monotonic() + 30
    while not (place.exists() and place.read_text()) and time.monotonic() < until:
        next(run)
    pid = int(place.read_text())
    run.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_is_there_where_it_is_declared(engine_with):
    """Without this project's own weights the method runs where the authors' program is, and only there."""
    assets = engine_with(NOTHING).manifest.assets
    (assets / "weights" / "embedded").mkdir(parents=True)
    for folder in (ASSETS / "weights" / "embedded").iterdir():
        if folder.name != "foundhand":
            (assets / "weights" / "embedded" / folder.name).symlink_to(folder)
    declared = Engine("embedded", device="cpu", assets=assets)
    assert declared.availability("foundhand").ok
    assert not declared.manifest.availability("embedded", ["handbooster-authors"]).ok
    (assets / "models.local.toml").unlink()
    assert not Engine("embedded", device="cpu", assets=assets).availability("foundhand").ok


def test_the_example_speaks_the_protocol(tmp_path):
    """The authors' modules stood in for by ones with their notebook's signatures."""
    import subprocess

    import torch
    from PIL import Image

    checkout, folder = tmp_path / "FoundHand", tmp_path / "request"
    for place, text in {
        "models/__init__.py": "",
        "models/vit.py": (
            "import torch\n"
            "class DiT_XL_2(torch.nn.Module):\n"
            "    def __init__(self, input_size, latent_dim, in_channels, learn_sigma):\n"
            "        super().__init__(); assert (input_size, latent_dim, in_channels) == (32, 4, 47)\n"
            "        self.w = torch.nn.Parameter(torch.zeros(1))\n"
            "    def forward_with_cfg(self, x, t, target_cond, ref_cond, nvs, cfg_scale): return x\n"
        ),
        "models/vqvae.py": (
            "import torch\n"
            "class A(torch.nn.Module):\n"
            "    def __init__(self): super().__init__(); self.w = torch.nn.Parameter(torch.zeros(1))\n"
            "    def encode(self, x): self.x = x; return self\n"
            "    def sample(self): return torch.nn.functional.avg_pool2d(self.x, 8).mean(1, True).repeat(1, 4, 1, 1)\n"
            "    def decode(self, z): return torch.nn.functional.interpolate(z[:, :3], scale_factor=8.0)\n"
            "def create_model(a, b, c): return A()\n"
        ),
        "diffusion/__init__.py": (
            "class D:\n"
            "    def p_sample_loop(self, f, shape, z, clip_denoised, model_kwargs, progress, device):\n"
            "        assert tuple(shape) == tuple(z.shape) == (2, 4, 32, 32)\n"
            "        target, ref = model_kwargs['target_cond'], model_kwargs['ref_cond']\n"
            "        assert target.shape == (2, 43, 32, 32) and ref.shape == (2, 47, 32, 32)\n"
            "        assert target[1].abs().max() == 0 and target[0, 21:42].abs().max() == 0\n"
            "        assert model_kwargs['nvs'].tolist() == [0, 2]\n"
            "        return ref[:, :4]\n"
            "def create_diffusion(steps): assert steps == '250'; return D()\n"
        ),
        "utils/__init__.py": "",
        "utils/utils.py": (
            "import numpy as np\n"
            "def scale_keypoint(k, a, b): return k * (b[1] / a[1], b[0] / a[0])\n"
            "def keypoint_heatmap(k, size, var):\n"
            "    y, x = np.mgrid[:size[0], :size[1]]\n"
            "    return np.exp(-((x - k[:, :1, None]) ** 2 + (y - k[:, 1:, None]) ** 2) / (2 * var))\n"
            "def check_keypoints_validity(k, size): return ((k >= 0) & (k < size)).all(1)\n"
        ),
    }.items():
        path = checkout / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (checkout / "weights").mkdir()
    for name, key in (
        ("DINO_EMA_11M_b50_lr1e-5_epoch6_step320k.ckpt", "ema_state_dict"),
        ("vae-ft-mse-840000-ema-pruned.ckpt", "state_dict"),
    ):
        torch.save({key: {"w": torch.zeros(1)}}, checkout / "weights" / name)
    folder.mkdir()
    request = {"seed": 3, "height": 128, "width": 128, "hands": to_json((HandPose(),))}
    (folder / "request.json").write_text(json.dumps(request))
    points = np.full((42, 2), np.nan, np.float32)
    points[:21] = np.random.default_rng(0).uniform(10, 110, (21, 2))
    np.save(folder / "keypoints.npy", points)
    Image.new("RGB", (128, 128), (120, 60, 30)).save(folder / "reference.png")
    Image.new("L", (128, 128), 255).save(folder / "reference_mask.png")
    program = Path(__file__).parents[2] / "examples/outside/foundhand.py"
    command = [sys.executable, str(program), str(checkout), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "needs a hand on the reference" in done.stderr  # none was found there
    np.save(folder / "reference_keypoints.npy", points)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "picture.png") as picture:
        assert picture.size == (256, 256)
        assert picture.getpixel((40, 40)) == pytest.approx(
            (69, 69, 69), abs=3
        )  # the mean colour, there and back
