"""Captions say what is seen, and the short one never the gesture."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus.captions import article, describe, listed

PLAIN = {
    "gender": "woman", "age": "young", "hair": "red", "hair_shape": "long", "shirt": "orange",
    "sleeve": "short", "pattern": "plain", "glasses": "no", "hat": "none", "hat_colour": "none",
    "place": "wall", "wall": "blue", "side": "left", "held": "none", "phrase": "making ok hand gesture",
}  # fmt: skip


def captions(seed: int = 0, **changes):
    return describe({**PLAIN, **changes}, np.random.default_rng(seed))


def test_plain():
    texts, parts = captions()
    assert texts.short == "a woman in an orange shirt in front of a blue wall"
    assert texts.gesture == "a woman in an orange shirt in front of a blue wall, making ok hand gesture"
    assert parts.hand_action == "making ok hand gesture"
    assert parts.environment == "in front of a blue wall"
    assert "left hand raised" in parts.pose


@pytest.mark.parametrize("seed", range(12))
def test_only_the_gesture_caption_names_it(seed):
    texts, parts = captions(seed)
    for text in (texts.short, texts.wordy, parts.pose, parts.action, parts.environment):
        assert "gesture" not in text
        assert "ok" not in text.split()
    assert "orange shirt" in texts.wordy
    assert "blue wall" in texts.wordy


def test_wordy_varies_with_the_seed_alone():
    assert captions(1)[0] == captions(1)[0]
    assert len({captions(seed)[0].wordy for seed in range(20)}) > 5


def test_what_is_worn_is_said():
    texts, _ = captions(pattern="striped", hat="cap", hat_colour="green", glasses="yes", place="beach")
    assert texts.short == "a woman in a striped orange shirt, a green cap and glasses on a beach"
    assert "hair" not in texts.wordy  # a hat hides it


def test_what_is_held_is_said():
    texts, parts = captions(held="red cup", phrase="holding a red cup")
    assert "a red cup in the left hand" in texts.wordy
    assert parts.hand_action == "holding a red cup"
    assert "cup" not in texts.short


def test_two_hands():
    texts, parts = captions(side="both", phrase="making ok hand gesture and making fist hand gesture")
    assert "Both hands" in texts.wordy
    assert "both hands raised" in parts.pose


def test_grammar():
    assert article("orange shirt") == "an orange shirt"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
