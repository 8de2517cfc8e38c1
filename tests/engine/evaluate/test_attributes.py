"""The attribute network on a toy world: a coloured wall and a block on the left or the right."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluate.faults import FAULTS
from engine.types import UserError

CLASSES = {"wall": ["red", "green", "blue"], "side": ["left", "right", "both"]}
COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


def toy(n: int, seed: int):
    from engine.evaluate.attributes import INPUT_PX, Examples, encode_labels

    rng = np.random.default_rng(seed)
    images, rows = np.zeros((n, INPUT_PX, INPUT_PX, 3), np.uint8), []
    for image in images:
        wall, side = rng.choice(CLASSES["wall"]), rng.choice(CLASSES["side"][:2])
        image[:] = np.array(COLOURS[wall]) + rng.integers(-20, 20, 3)
        left = 20 if side == "left" else 84
        image[40:80, left : left + 24] = 230
        rows.append({"wall": str(wall), "side": str(side)})
    return Examples(images, encode_labels(rows, CLASSES))


@pytest.fixture(scope="module")
def net():
    from engine.evaluate import attributes

    return attributes.train(toy(96, 0), CLASSES, epochs=6, batch=16)


def test_it_learns_and_survives_its_file(net, tmp_path):
    from engine.evaluate import attributes

    held_out = toy(64, 1)
    scores = attributes.accuracy(net, held_out)
    assert scores["wall"] > 0.95
    assert scores["side"] > 0.95
    path = tmp_path / "attributes.safetensors"
    attributes.save(net, path)
    assert path.stat().st_size < 2_000_000
    again = attributes.load(path)
    assert again.classes == {k: tuple(v) for k, v in {**CLASSES, "fault": FAULTS}.items()}
    assert attributes.accuracy(again, held_out) == scores


def test_features_see_a_change_of_the_world(net, tmp_path):
    """The distance between two samples of one world is far below that to a world without the red wall."""
    from engine.evaluate import attributes
    from engine.evaluate.frechet import Gaussian, frechet_distance

    attributes.save(net, tmp_path / "a.safetensors")
    features = attributes.WorldFeatures(tmp_path / "a.safetensors")
    real, same = features(list(toy(60, 2).images)), features(list(toy(60, 3).images))
    other = toy(60, 4)
    green = other.images.copy()
    green[other.labels["wall"] == 0] = (40, 180, 60)
    assert real.shape == (60, attributes.FEATURES)

    def fd(a, b):
        return frechet_distance(Gaussian.of(a), Gaussian.of(b))

    assert fd(real, features(list(green))) > 3 * fd(real, same)
    whole = np.stack([np.kron(image, np.ones((2, 2, 1), np.uint8)) for image in toy(2, 5).images])
    np.testing.assert_allclose(features(list(whole)), features(list(toy(2, 5).images)), atol=1e-4)


def test_augmentation_swaps_the_side(monkeypatch):
    from engine.evaluate.attributes import augment

    examples = toy(50, 6)
    monkeypatch.setattr("engine.evaluate.faults.SHARE", 0.0)
    out = augment(examples, CLASSES, np.random.default_rng(0))
    assert (out.labels["fault"] == 0).all()
    bright_left = out.images[:, 50:70, :64].max((1, 2, 3)) > 225
    assert (bright_left == (out.labels["side"] == 0)).all()
    assert (out.labels["side"] != examples.labels["side"]).any()
    assert (out.labels["wall"] == examples.labels["wall"]).all()


def test_unknown_labels_do_not_count():
    import torch

    from engine.evaluate.attributes import attribute_loss, encode_labels

    labels = encode_labels([{"wall": "red"}, {"wall": "mauve"}, {}], CLASSES)
    assert labels["wall"].tolist() == [0, -1, -1]
    assert labels["side"].tolist() == [-1, -1, -1]
    logits = {"wall": torch.tensor([[9.0, 0, 0], [0, 0, 0], [0, 0, 0]]), "side": torch.zeros(3, 3)}
    alone = {"wall": logits["wall"][:1], "side": logits["side"][:1]}
    first = {name: values[:1] for name, values in labels.items()}
    assert float(attribute_loss(logits, labels)) == pytest.approx(float(attribute_loss(alone, first)))


def test_missing_file_names_the_command(tmp_path):
    from engine.evaluate import attributes

    with pytest.raises(UserError, match="train-attributes"):
        attributes.load(tmp_path / "none.safetensors")
