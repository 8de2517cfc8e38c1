import numpy as np
import pytest

from engine.evaluate.cases import load_cases
from engine.types import SamplerSpec, UserError, from_json, to_json
from tests.engine.evaluate import toy_world


def test_cases_are_the_first_rows_of_their_split(corpus):
    cases = load_cases(corpus, 4)
    assert [case.index for case in cases] == [0, 1, 2, 3]
    assert cases[1].hands == (from_json(to_json(toy_world.open_hand(2001))),)
    assert cases[1].hands[0].side == "left"
    assert cases[2].attributes == toy_world.words(2)
    truth = toy_world.paint(cases[2].hands, **{k: toy_world.words(2)[k] for k in ("shirt", "wall")})
    assert np.abs(cases[2].image.astype(int) - truth).mean() < 4  # WebP
    assert len(load_cases(corpus, 99, split="val")) == 4


def test_only_some_gestures(corpus):
    cases = load_cases(corpus, 3, gestures=("stop",))
    assert [case.index for case in cases] == [1, 4, 7]
    assert {case.gesture for case in cases} == {"stop"}
    with pytest.raises(UserError, match="show none of"):
        load_cases(corpus, 3, gestures=("ok",))


def test_gestures_with_a_corpus_of_their_own(tmp_path):
    """Taken in turn, numbered anew; the corpus without the gesture's name is not even there."""
    for gesture, count in (("palm", 2), ("stop", 3)):
        toy_world.write_corpus(tmp_path / f"toy-{gesture}", {"test": count})
    cases = load_cases(tmp_path / "toy", 4, gestures=("palm", "stop"))
    assert [case.index for case in cases] == [0, 1, 2, 3]
    assert cases[0].hands == cases[1].hands  # both corpora's first
    assert cases[2].hands != cases[0].hands
    more = load_cases(tmp_path / "toy", 6, gestures=("palm", "stop"))
    assert [case.index for case in more] == [0, 1, 2, 3, 5]  # palm has only two


def test_request_is_what_the_case_shows(corpus):
    case = load_cases(corpus, 6, images=False)[5]
    request = case.request("wordy", SamplerSpec(steps=7))
    assert request.prompt == case.captions["wordy"]
    assert (request.hands, request.camera, request.gesture) == (case.hands, case.camera, case.gesture)
    assert (request.seed, request.size, request.sampler.steps) == (5, (128, 128), 7)
    assert case.image is None


def test_phrase_stands_at_the_end(corpus):
    from engine.hand.gesture import load_gestures

    case = load_cases(corpus, 1)[0]
    phrase = load_gestures()[case.gesture].phrase
    assert case.prompt("phrase").endswith(phrase)
    assert case.prompt("phrase").startswith(case.captions["short"])


def test_no_corpus_is_said(tmp_path):
    with pytest.raises(UserError, match=r"engine\.corpus make"):
        load_cases(tmp_path, 3)
