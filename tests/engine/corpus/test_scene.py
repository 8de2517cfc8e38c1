"""Streams of randomness, people and hands: repeatable, unshared, within what is possible."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus import wardrobe
from engine.corpus.backdrop import draw_backdrop
from engine.corpus.hands import HELD, choose_hand, facing, gestures
from engine.corpus.people import sample_person
from engine.corpus.scene import LEVELS, SPLITS, Backdrop, stream
from engine.hand import anatomy, rotation


def test_streams_repeat_and_never_meet():
    first = stream(0, "train", 5, "pose").random(4)
    np.testing.assert_array_equal(first, stream(0, "train", 5, "pose").random(4))
    others = [
        stream(*words).random(4)
        for words in (
            (1, "train", 5, "pose"),
            (0, "val", 5, "pose"),
            (0, "train", 6, "pose"),
            (0, "train", 5, "dress"),
        )
    ]
    assert all(not np.array_equal(first, other) for other in others)


def test_splits_share_no_person():
    people = {
        split: {tuple(sample_person(stream(0, split, i, "people")).phenotype.values()) for i in range(50)}
        for split in SPLITS
    }
    assert all(len(found) == 50 for found in people.values())
    assert not people["train"] & people["test"]
    assert not people["train"] & people["val"]


def test_people_vary():
    people = [sample_person(np.random.default_rng(i)) for i in range(200)]
    assert {p.gender for p in people} == {"man", "woman"}
    assert {p.skin for p in people} == set(wardrobe.SKIN)
    assert {p.hair for p in people} == set(wardrobe.HAIR)
    assert all(0.66 < p.phenotype["age"] <= 1 for p in people)
    assert all(p.beard == 0 for p in people if p.gender == "woman")


def test_hands_are_possible_and_named_as_often_as_meant():
    hands = [choose_hand(np.random.default_rng(i)) for i in range(120)]
    named = [h for h in hands if h.gesture]
    assert 0.45 < len(named) / len(hands) < 0.75
    assert 0.5 < sum(h.side == "right" for h in hands) / len(hands) < 0.9
    assert all(h.phrase == gestures()[h.gesture].phrase for h in named)
    assert all(h.phrase == "holding up a hand" for h in hands if not h.gesture)
    loose = [h for h in hands if not h.gesture]
    assert np.mean([anatomy.is_valid(h.hand_pose, h.side, slack_rad=0.2) for h in loose]) > 0.9


def test_jitter_stays_near_the_preset():
    preset = gestures()["palm"].hand
    for seed in range(5):
        hand = choose_hand(np.random.default_rng(seed), gesture="palm", side="right")
        away = np.abs(np.array(hand.hand_pose) - preset.hand_pose)
        assert 0 < away.max() < 0.5
        left = choose_hand(np.random.default_rng(seed), gesture="palm", side="left")
        assert left.side == "left"


@pytest.mark.parametrize("side", ["right", "left"])
def test_facing(side):
    """MANO's flat hand: right fingers along -X, left ones along +X; palms along -Y, thumbs along Z."""
    R = rotation.exp(np.array(facing(side, palm=True)))
    fingers = np.array([-1.0 if side == "right" else 1.0, 0, 0])
    np.testing.assert_allclose(R @ fingers, [0, -1, 0], atol=1e-9)  # up in the picture
    np.testing.assert_allclose(R @ [0, -1, 0], [0, 0, -1], atol=1e-9)  # palm to the camera
    thumb_x = (R @ [0, 0, 1])[0]
    assert thumb_x == pytest.approx(1.0 if side == "right" else -1.0)


def test_held_things_have_words():
    seen = set()
    for seed in range(40):
        hand = choose_hand(np.random.default_rng(seed), held=True)
        seen.add(hand.held)
        assert hand.phrase == f"holding a {hand.held_colour} {hand.held}"
        assert hand.held_colour in wardrobe.THINGS
    assert seen == set(HELD)


@pytest.mark.parametrize("place", ["wall", *wardrobe.PLACES])
def test_backdrops(place):
    image = draw_backdrop(Backdrop(place=place, wall="blue"), np.random.default_rng(3))
    again = draw_backdrop(Backdrop(place=place, wall="blue"), np.random.default_rng(3))
    assert image.shape == (256, 256, 3)
    np.testing.assert_array_equal(image, again)
    assert image.min() >= 0
    if place == "wall":
        red, _, blue = image.mean((0, 1))
        assert blue > red + 40


def test_levels_add_up():
    for level in LEVELS.values():
        assert sum(share for _, share in level.framings) == pytest.approx(1)
