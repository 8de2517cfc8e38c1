from __future__ import annotations

import pytest
from study_stand_ins import definition, study

from demo.study.definition import load, names, parse
from engine.methods import METHODS
from engine.types import UserError


def test_the_shipped_studies_are_valid():
    assert set(names()) == {"hand1000", "sesahand"}
    for name in names():
        made = load(name)
        assert {"en", "zh"} == set(made.languages)
        assert made.trials == 12
        assert made.comparisons == 9
        assert set(made.without) <= set(METHODS)


def test_sesahand_asks_its_three_axes():
    assert [q.name for q in load("sesahand").questions] == [
        "text_alignment",
        "hand_alignment",
        "image_quality",
    ]


def test_shipped_prompts_name_their_gesture_exactly():
    """Hand1000 needs the phrase in the prompt, and the participant reads what the methods are given."""
    gestures = pytest.importorskip("engine.hand.gesture").load_gestures()
    for name in names():
        for item in load(name).items:
            assert gestures[item.gesture].phrase in item.prompt


BAD = {
    "unknown field": ({"colour": 1}, "colour"),
    "no method twice": ({"methods": ["sd", "sd"]}, "methods"),
    "one method": ({"methods": ["sd"]}, "methods"),
    "checks leave trials": ({"trials": 3}, "trials"),
    "repeats": ({"trials": 5, "catch": {"identical": 0, "broken": 0, "repeated": 3}}, "repeated"),
    "missing language": ({"title": {"en": "only English"}}, "title"),
    "missing translation": ({"languages": ["zh", "en"], "about": {"en": "x", "zh": " "}}, "about"),
    "gesture reference": ({"reference": "gesture"}, "gesture"),
    "nothing checked": (
        {"questions": [{"name": "q", "text": {"en": "a", "zh": "b"}}]},
        "checked",
    ),
    "one-sided options": (
        {"questions": [{"name": "q", "text": {"en": "a", "zh": "b"}, "options": ["left", "tie"]}]},
        "options",
    ),
    "rating without words": (
        {"questions": [{"name": "q", "kind": "rating", "text": {"en": "a", "zh": "b"}}]},
        "low",
    ),
    "hands without camera": ({"items": [{"name": "i", "prompt": "a hand", "hands": [{}]}]}, "camera"),
    "bad hand": (
        {"items": [{"name": "i", "prompt": "a hand", "hands": [{"side": "third"}], "camera": {"K": 1}}]},
        "hands or camera",
    ),
    "code": ({"prolific": {"completion_code": "no spaces"}}, "completion_code"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_definition_says_what_is_wrong(case):
    changes, word = BAD[case]
    with pytest.raises(UserError, match=word):
        parse(definition(**changes), "small.yaml")


def test_a_study_that_is_not_there_lists_those_that_are():
    with pytest.raises(UserError, match="hand1000, sesahand"):
        load("nothing")


def test_a_file_must_be_called_as_its_study(tmp_path):
    (tmp_path / "other.yaml").write_text("name: [")
    with pytest.raises(UserError, match="not YAML"):
        load(str(tmp_path / "other.yaml"))
    (tmp_path / "other.yaml").write_text(str(definition()))  # a Python literal that is YAML too
    with pytest.raises(UserError, match="name must be other"):
        load(str(tmp_path / "other.yaml"))


def test_pairs_are_all_or_those_of_one_method():
    methods = ("a", "b", "c", "d")
    assert len(study().pairs(methods)) == 6
    assert study(against="b").pairs(methods) == (("a", "b"), ("b", "c"), ("b", "d"))
