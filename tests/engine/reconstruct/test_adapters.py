"""The adapters against a stand-in for the published packages, which are a person's own like their weights.

The stand-in has the interface of HaMeR and WiLoR: get_config, a class made from a config, and an answer in
rotations and a weak-perspective camera. It answers with the truth that the test gives it, seen from the crop.
"""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.evaluate.metrics_hand import pa_error_mm
from engine.hand import anatomy, pose_hand, rotation
from engine.reconstruct import adapters, convert, errors
from engine.reconstruct.__main__ import main
from engine.render import keypoints_px
from engine.types import UserError


class Config(types.SimpleNamespace):
    def defrost(self):
        self.frozen = False

    def freeze(self):
        self.frozen = True


class Standin(torch.nn.Module):
    """Answers with `truth`: (right hand, its camera's K, crop centre, crop side)."""

    truth = None

    def __init__(self, cfg, init_renderer=True):
        super().__init__()
        assert not init_renderer
        assert "PRETRAINED_WEIGHTS" not in cfg.MODEL.BACKBONE
        self.backbone = torch.nn.Linear(1, 1, bias=False)
        self.seen = []

    def forward(self, batch):
        self.seen.append(batch["img"])
        hand, K, centre, side = self.truth
        scale = 2 * K[0, 0] / (side * hand.transl[2])
        shift = (centre - K[:2, 2]) / K[[0, 1], [0, 1]] * hand.transl[2]
        points = np.array(pose_hand(hand).joints) @ K.T
        points = (points[:, :2] / points[:, 2:] - centre) / side

        def one(values, *shape):
            return torch.tensor(np.array(values), dtype=torch.float64).reshape(1, *shape)

        return {
            "pred_mano_params": {
                "global_orient": one(rotation.exp(hand.global_orient), 1, 3, 3),
                "hand_pose": one(rotation.exp(np.reshape(hand.hand_pose, (15, 3))), 15, 3, 3),
                "betas": one(hand.betas, 10),
            },
            "pred_cam": one([scale, hand.transl[0] - shift[0], hand.transl[1] - shift[1]], 3),
            "pred_keypoints_2d": one(points, 21, 2),
        }


@pytest.fixture(params=sorted(adapters.NETWORKS))
def package(request, monkeypatch):
    """The name of a network whose package is installed, as the stand-in."""
    network = adapters.NETWORKS[request.param]
    config = Config(MODEL=Config(BACKBONE={"PRETRAINED_WEIGHTS": "backbone.pth"}))
    configs = types.ModuleType(f"{network.package}.configs")
    configs.get_config = lambda path, update_cachedir: config
    models = types.ModuleType(f"{network.package}.models")
    setattr(models, network.class_name, Standin)
    root = types.ModuleType(network.package)
    for module in (root, configs, models):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return request.param


@pytest.fixture
def folder(tmp_path):
    (tmp_path / adapters.CONFIG).write_text("MODEL: {}")
    save_file({"backbone.weight": torch.full((1, 1), 3.0)}, tmp_path / adapters.WEIGHTS)
    return tmp_path


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_networks_answer_becomes_the_hand_in_the_picture(take, package, folder, side):
    trial = take("ok", side)
    reader = adapters.load_network(package, folder, own_mano=True)
    assert reader.model.backbone.weight.item() == 3
    right, K = trial.hand, np.array(trial.camera.K)
    (found,) = adapters.detect(trial.image)
    centre, box_px = adapters.hand_box(found.points_px, reader.network.rescale)
    if side == "left":
        right = anatomy.mirror(trial.hand)
        K[0, 2], centre[0] = 400 - K[0, 2], 400 - centre[0]
    reader.model.truth = right, K, centre, box_px
    (rec,) = reader(trial.image, trial.camera, side)
    assert rec.hand.side == side
    for name in ("global_orient", "hand_pose", "betas", "transl"):
        np.testing.assert_allclose(getattr(rec.hand, name), getattr(trial.hand, name), atol=1e-6)
    np.testing.assert_allclose(rec.keypoints_px, keypoints_px(pose_hand(trial.hand), trial.camera), atol=1e-6)
    assert errors(rec, trial.hand, trial.camera).pa_mpjpe_mm < 1e-3
    assert pa_error_mm(rec.verts, pose_hand(trial.hand).verts) < 1e-3


def test_shapes_of_mano_are_kept_only_for_mano(take, package, folder):
    reader = adapters.load_network(package, folder)
    trial = take("ok", "right")
    hand = type(trial.hand)(**{**vars(trial.hand), "betas": (1.0,) * 10})
    reader.model.truth = hand, np.array(trial.camera.K), np.array([200.0, 150.0]), 100.0
    (rec,) = reader(trial.image, trial.camera, "right")
    assert rec.hand.betas == (0.0,) * 10


def test_no_hand_asks_no_network(package, folder):
    reader = adapters.load_network(package, folder)
    assert reader(np.zeros((50, 70, 3), np.uint8)) == []
    assert reader.model.seen == []


def test_crops_are_normalised_squares_and_mirrored_for_left_hands():
    image = np.zeros((80, 120, 3), np.uint8)
    image[30:50, 50:60] = (255, 0, 0)  # left half of the square below
    image[30:50, 60:70] = (0, 0, 255)
    plain = adapters.crop(image, np.array([60.0, 40.0]), 20.0, mirrored=False)
    assert plain.shape == (3, 256, 256)
    red = (np.array([1, 0, 0]) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(plain[:, 128, 40], red, atol=1e-5)
    np.testing.assert_array_equal(
        adapters.crop(image, np.array([60.0, 40.0]), 20.0, mirrored=True), plain[:, :, ::-1]
    )
    assert np.abs((plain[0] > 0).mean() - 0.5) < 0.01, "the crop is not centred"
    beyond = adapters.crop(image, np.array([0.0, 0.0]), 20.0, mirrored=False)
    np.testing.assert_allclose(beyond[:, 20, 20], -np.array([0.485, 0.456, 0.406]) / (0.229, 0.224, 0.225))


def test_boxes_have_room_and_the_networks_aspect():
    points = np.array([[10, 20], [50, 100], *[[30, 60]] * 19], float)
    centre, side = adapters.hand_box(points, 2.0)
    np.testing.assert_allclose(centre, [30, 60])
    assert side == 160
    assert adapters.hand_box(points[:, ::-1], 2.0)[1] == pytest.approx(160 * 4 / 3)


def test_pickles_are_refused_with_the_command_that_converts_them(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "hamer.ckpt").write_bytes(b"not read")
    with pytest.raises(UserError, match=r"hamer\.ckpt is a pickle.*engine\.reconstruct convert"):
        adapters.load_network("hamer", tmp_path)


def test_what_is_missing_is_said(tmp_path, folder):
    with pytest.raises(UserError, match="choose one of hamer, wilor"):
        adapters.load_network("other", folder)
    with pytest.raises(UserError, match="HaMeR is not installed"):
        adapters.load_network("hamer", folder)
    (folder / adapters.CONFIG).unlink()
    with pytest.raises(UserError, match=r"no model_config\.yaml"):
        adapters.load_network("hamer", folder)
    (folder / adapters.WEIGHTS).unlink()
    with pytest.raises(UserError, match=r"no weights\.safetensors"):
        adapters.load_network("hamer", folder)


def test_weights_that_lack_tensors_are_refused(package, folder):
    save_file({"head.weight": torch.ones(1)}, folder / adapters.WEIGHTS)
    with pytest.raises(UserError, match="lacks 1 of"):
        adapters.load_network(package, folder)


class Hostile:
    """Its pickle asks for a call when it is read."""

    def __reduce__(self):
        return (sys.modules[__name__].mark, ())


class Settings(dict):
    """A config object of the training, as Lightning keeps it beside the tensors."""


calls = []


def mark():
    calls.append(1)


def test_a_checkpoint_is_converted_without_running_what_it_holds(tmp_path):
    tensors = {"backbone.weight": torch.arange(6.0).reshape(2, 3).T, "mano.verts": torch.ones(3)}
    settings = Settings(a=1)
    settings.frozen = True
    source, out = tmp_path / "a.ckpt", tmp_path / "weights.safetensors"
    torch.save({"state_dict": tensors, "hyper_parameters": settings, "extra": Hostile()}, source)
    assert convert.convert(source, out) == 1
    assert calls == []
    got = load_file(out)
    assert list(got) == ["backbone.weight"]
    torch.testing.assert_close(got["backbone.weight"], tensors["backbone.weight"].contiguous())
    torch.load(source, weights_only=False)
    assert calls == [1], "the checkpoint was hostile"


def test_files_that_are_no_checkpoint_are_refused(tmp_path):
    broken = tmp_path / "b.ckpt"
    broken.write_bytes(b"nothing")
    with pytest.raises(UserError, match="read safely"):
        convert.convert(broken, tmp_path / "o")
    with pytest.raises(UserError, match="no file"):
        convert.convert(tmp_path / "c.ckpt", tmp_path / "o")
    torch.save({"epoch": 3}, broken)
    with pytest.raises(UserError, match="no tensors"):
        convert.convert(broken, tmp_path / "o")


def test_the_command_converts(tmp_path, monkeypatch, capsys):
    source, out = tmp_path / "a.ckpt", tmp_path / "w.safetensors"
    torch.save({"x": torch.ones(2)}, source)
    monkeypatch.setattr(sys, "argv", ["reconstruct", "convert", str(source), str(out)])
    main()
    assert "1 tensors" in capsys.readouterr().out
    assert out.is_file()
