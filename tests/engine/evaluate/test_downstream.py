"""The downstream comparison at toy size: right labels help, wrong ones hurt."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from engine.types import UserError, to_json
from tests.engine.evaluate import toy_world


@pytest.fixture(scope="module")
def crops():
    """Renders to learn from, more of them, and a test set of another wall."""
    from engine.evaluate.downstream import hand_crops

    def of(seeds, wall):
        hands = [toy_world.open_hand(seed) for seed in seeds]
        return hand_crops((toy_world.paint((h,), "red", wall), (h,), toy_world.CAMERA) for h in hands)

    return of(range(6), "grey"), of(range(6, 16), "grey"), of(range(30, 36), "green")


def test_crops_are_right_hands(crops):
    train, _, _ = crops
    assert train.images.shape == (6, 96, 96, 3)
    assert np.abs(train.joints[:, 0]).max() == 0
    thumb_from_pinky = train.joints[:, 4, 0] - train.joints[:, 20, 0]
    assert (np.sign(thumb_from_pinky) == np.sign(thumb_from_pinky[0])).all()  # left ones are mirrored


def test_errors_of_a_perfect_and_a_broken_net(crops):
    import torch

    from engine.evaluate.downstream import errors_mm

    _, _, test = crops
    truth = torch.from_numpy(test.joints)
    perfect = errors_mm(lambda x: truth[: len(x)], test)
    assert max(perfect["pa_mpjpe"].max(), perfect["mpjpe"].max()) < 1e-3
    scaled = errors_mm(lambda x: 1.1 * truth[: len(x)], test)
    assert scaled["pa_mpjpe"].max() < 1e-3
    expected = 100 * np.linalg.norm(test.joints, axis=-1).mean(1)
    np.testing.assert_allclose(scaled["mpjpe"], expected, rtol=1e-3)


def test_compare(crops):
    from engine.evaluate.downstream import ALONE, HandCrops, compare

    train, more, test = crops
    wrong = HandCrops(more.images, np.roll(more.joints[..., ::-1], 3, axis=0))
    table = compare(train, {"right": more, "wrong": wrong}, test, steps=15, seeds=2, batch=16)
    rows = {row.name: row.cells["mpjpe"] for row in table.rows}
    assert list(rows) == [ALONE, "right", "wrong"]
    assert rows["right"].value < rows["wrong"].value
    change = {row.name: row.cells["change"].value for row in table.rows if "change" in row.cells}
    means = {row.name: row.cells["pa_mpjpe"].value for row in table.rows}
    assert change == {name: pytest.approx(means[name] - means[ALONE]) for name in ("right", "wrong")}
    assert all(e.low <= e.value <= e.high and e.n == len(test) for e in rows.values())


def test_exports_are_read_back(tmp_path):
    from engine.evaluate.downstream import exported_crops
    from engine.image import encode

    for name in ("pictures", "records"):
        (tmp_path / name).mkdir()
    for index, kept in enumerate((True, False)):
        hand = toy_world.open_hand(index)
        picture = toy_world.paint((hand,), "red", "grey")
        (tmp_path / "pictures" / f"{index:08d}.png").write_bytes(encode(picture))
        record = {"kept": kept, "hands": to_json((hand,)), "camera": to_json(toy_world.CAMERA)}
        (tmp_path / "records" / f"{index:08d}.json").write_text(json.dumps(record))
    assert len(exported_crops(tmp_path, kept_only=True)) == 1
    assert len(exported_crops(tmp_path, kept_only=False)) == 2
    with pytest.raises(UserError, match="no hands"):
        exported_crops(tmp_path / "elsewhere", kept_only=True)


def test_nested_interval_is_wider_than_that_of_one_run():
    from engine.evaluate.intervals import mean_estimate, nested_estimate

    rng = np.random.default_rng(0)
    values = rng.normal(10, 1, (3, 50)) + np.array([[-2.0], [0.0], [2.0]])  # runs differ
    nested, one = nested_estimate(values), mean_estimate(values[0])
    assert nested.value == pytest.approx(values.mean())
    assert nested.high - nested.low > 2 * (one.high - one.low)
    assert dataclasses.asdict(nested)["n"] == 50
