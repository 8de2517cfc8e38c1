from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from engine.cache import Cache, load_result, save_result, size_of
from engine.init import Noise
from engine.text import Prompt
from engine.types import Plan, Result


def make(shade=0):
    generator = np.random.default_rng(shade)
    plan = Plan(
        method="sd", weights="unet", text=Prompt(text="a hand"), init=Noise(), size=(8, 12), seed=shade
    )
    return Result(
        plan=plan,
        image=generator.integers(0, 255, (8, 12, 3), dtype=np.uint8),
        words=("a", "hand"),
        hand_words=(1,),
        heat=generator.random((2, 4, 6), dtype=np.float32),
        heat_sites={"up_blocks.0.attn2": generator.random((2, 2, 3), dtype=np.float32)},
        heat_steps=generator.random((3, 2), dtype=np.float32),
        hints={"mesh": np.zeros((8, 12, 3), dtype=np.uint8)},
        self_map=generator.random((6, 6), dtype=np.float32),
        text_parts={"prompt": "a hand — 手"},
        seconds=1.5,
        weights_hash="w",
    )


def same(a, b):
    assert a.plan == b.plan
    for name in ("image", "heat", "heat_steps", "self_map"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
    for group in ("heat_sites", "hints"):
        left, right = getattr(a, group), getattr(b, group)
        assert left.keys() == right.keys()
        assert all(np.array_equal(left[k], right[k]) for k in left)
    names = ("words", "hand_words", "text_parts", "seconds", "weights_hash")
    assert all(getattr(a, n) == getattr(b, n) for n in names)


def test_results_come_back_from_disk(tmp_path):
    Cache(tmp_path).put("ab12", make())
    same(Cache(tmp_path).get("ab12"), make())
    assert Cache(tmp_path).get("ab13") is None


def test_results_without_attention_come_back(tmp_path):
    bare = replace(make(), heat=None, heat_steps=None, self_map=None, heat_sites={}, hints={}, words=())
    save_result(tmp_path / "x.npz", bare)
    back = load_result(tmp_path / "x.npz")
    assert back.heat is None
    assert back.self_map is None
    assert np.array_equal(back.image, bare.image)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "foreign"])
def test_a_corrupt_entry_is_taken_away(tmp_path, damage, caplog):
    Cache(tmp_path).put("ab12", make())
    path = tmp_path / "ab" / "ab12.npz"
    data = path.read_bytes()
    if damage == "foreign":
        np.savez(path, image=np.zeros((2, 2, 3)))
    else:
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"not a zip"}[damage])
    cache = Cache(tmp_path)
    assert cache.get("ab12") is None
    assert not path.exists()
    assert "unreadable" in caplog.text
    cache.put("ab12", make())
    same(Cache(tmp_path).get("ab12"), make())


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        args[0].write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    cache = Cache(tmp_path)
    cache.put("ab12", make())  # the picture is not lost with the disk
    assert cache.get("ab12") is not None
    assert not list(tmp_path.rglob("*.*"))


def test_memory_is_bounded_by_bytes():
    one = size_of(make())
    cache = Cache(memory_bytes=2 * one)
    for i in range(3):
        cache.put(f"k{i}", make(i))
    assert cache.get("k0") is None
    assert cache.get("k1") is not None
    cache.put("k3", make(3))
    assert cache.get("k2") is None, "the least recently used goes first"
    assert cache.get("k1") is not None


def test_disk_is_bounded_by_bytes(tmp_path):
    cache = Cache(tmp_path, memory_bytes=0)
    cache.put("aa00", make())
    one = next(tmp_path.rglob("*.npz")).stat().st_size
    cache = Cache(tmp_path, memory_bytes=0, disk_bytes=int(2.5 * one))
    for i in range(1, 5):
        cache.put(f"aa0{i}", make(i))
    assert len(list(tmp_path.rglob("*.npz"))) == 2
    assert cache.get("aa04") is not None
    assert cache.get("aa00") is None


def test_threads_may_write_the_same_entry(tmp_path):
    cache = Cache(tmp_path)
    threads = [threading.Thread(target=cache.put, args=("ab12", make())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(Cache(tmp_path).get("ab12"), make())
    assert [p.name for p in tmp_path.rglob("*.*")] == ["ab12.npz"]


def test_nothing_pickled_is_read(tmp_path):
    path = tmp_path / "ab" / "ab12.npz"
    path.parent.mkdir()
    np.savez(path, json=np.array([{"a": 1}], dtype=object))
    assert Cache(tmp_path).get("ab12") is None
