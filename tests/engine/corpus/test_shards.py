"""Shards: what goes in comes out, through our reader and through the datasets library."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus.shards import iter_samples, load_arrays, open_shards, write_shard
from engine.types import UserError


@pytest.fixture
def folder(tmp_path, sample_of):
    write_shard(tmp_path / "train-00000.parquet", (sample_of(i) for i in range(3)))
    write_shard(tmp_path / "train-00001.parquet", (sample_of(i) for i in range(3, 5)))
    return tmp_path


def test_samples_survive(folder, sample_of):
    read = list(iter_samples(folder))
    assert [s.key for s in read] == [f"train-{i:06d}" for i in range(5)]
    for i, got in enumerate(read):
        want = sample_of(i)
        assert (got.hands, got.camera, got.captions, got.semantics, got.attributes) == (
            want.hands, want.camera, want.captions, want.semantics, want.attributes,
        )  # fmt: skip
        assert np.abs(got.image.astype(int) - want.image).max() < 12  # WebP loses a little
        assert got.image.shape == (64, 48, 3)


def test_load_arrays_takes_columns_and_a_limit(folder):
    rows = load_arrays(folder, ["image", "captions"], limit=4)
    assert rows.keys() == {"image", "captions"}
    assert rows["image"].shape == (4, 64, 48, 3)
    assert rows["image"].dtype == np.uint8
    assert [c["short"] for c in rows["captions"]] == [f"short {i}" for i in range(4)]


def test_datasets_library_reads_them(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = open_shards(folder)
    assert len(rows) == 5
    assert rows[3]["image"].size == (48, 64)  # decoded
    assert rows[3]["key"] == "train-000003"


def test_pictures_may_be_missing(tmp_path, sample_of):
    write_shard(
        tmp_path / "train-00000.parquet", [sample_of(0, mesh=None, semantics=None, hands=(), camera=None)]
    )
    (got,) = iter_samples(tmp_path)
    assert got.mesh is None
    assert got.semantics is None
    assert got.hands == ()


def test_a_failing_sample_leaves_no_shard(tmp_path, sample_of):
    def broken():
        yield sample_of(0)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "train-00000.parquet", broken())
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="val"):
        load_arrays(tmp_path, ["key"], split="val")
