"""Making a corpus: resumable, and one folder holds one recipe. The pictures are stand-ins."""

from __future__ import annotations

import pytest

from engine.corpus import make
from engine.corpus.make import Recipe
from engine.corpus.shards import load_arrays
from engine.types import UserError


@pytest.fixture
def drawn(monkeypatch, sample_of):
    """The indices that were drawn, in order."""
    indices: list[int] = []

    def draw(recipe, index):
        indices.append(index)
        return sample_of(index)

    monkeypatch.setattr(make, "make_sample", draw)
    monkeypatch.setattr(make, "SHARD_SIZE", 3)
    return indices


def test_every_index_is_drawn_once(tmp_path, drawn):
    make.make(Recipe(), 7, tmp_path)
    assert drawn == list(range(7))
    assert load_arrays(tmp_path, ["key"])["key"] == [f"train-{i:06d}" for i in range(7)]


def test_a_resumed_run_draws_only_what_is_missing(tmp_path, drawn):
    make.make(Recipe(), 9, tmp_path)
    (tmp_path / "train-00001.parquet").unlink()
    (tmp_path / "train-00001.999.part").write_bytes(b"half a file")  # as a kill leaves it
    drawn.clear()
    make.make(Recipe(), 9, tmp_path)
    assert drawn == [3, 4, 5]


def test_a_longer_run_redraws_the_short_last_shard(tmp_path, drawn):
    make.make(Recipe(), 4, tmp_path)
    make.make(Recipe(), 8, tmp_path)
    assert load_arrays(tmp_path, ["key"])["key"] == [f"train-{i:06d}" for i in range(8)]


def test_one_folder_holds_one_recipe(tmp_path, drawn):
    make.make(Recipe(), 3, tmp_path)
    with pytest.raises(UserError, match="another corpus"):
        make.make(Recipe(seed=1), 3, tmp_path)
    make.make(Recipe(split="val"), 3, tmp_path)  # another split may stand beside it


@pytest.mark.parametrize("wrong", [{"level": "huge"}, {"split": "dev"}, {"gesture": "no such"}])
def test_unknown_words_are_refused(wrong):
    with pytest.raises(UserError, match="There is no"):
        Recipe(**wrong)
