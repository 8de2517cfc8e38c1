"""The command line: arguments, sentences for bad ones, and the training of the small networks at toy size."""

from __future__ import annotations

import pytest

from engine.evaluate import readers
from engine.evaluate.__main__ import main, parser


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("table --data nowhere", "engine.corpus make"),
        ("table --n 2", "4 or more"),
        ("table --methods nonsense", "Unknown methods"),
        ("train-gestures --data nowhere", "engine.corpus make"),
        ("downstream --renders a --test b --set folder", "NAME=DIR"),
    ],
)
def test_a_bad_command_is_one_sentence(line, sentence, capsys):
    assert main(line.split()) == 1
    out, err = capsys.readouterr()
    assert sentence in err
    assert err.count("\n") == 1
    assert out == ""


def test_every_command_says_what_it_does():
    args = parser().parse_args(["ablate", "--study", "alpha", "--study", "sesahand"])
    assert args.study == ["alpha", "sesahand"]
    args = parser().parse_args(["table", "--suite", "gesture", "--methods", "sd", "hand1000"])
    assert (args.suite, args.methods, args.profile) == (["gesture"], ["sd", "hand1000"], "embedded")


def test_the_small_networks_are_trained_on_the_corpus(corpus, tmp_path):
    """Ten pictures teach little; what is tested is that the right pictures, labels and files are used."""
    from engine.evaluate import attributes
    from engine.evaluate.gestures import GestureClassifier

    path = tmp_path / "a.safetensors"
    scores = readers.train_attributes(corpus, n=10, held_out=4, epochs=1, out=path)
    assert set(scores) == {"shirt", "wall", "side", "gesture", "fault"}
    assert attributes.load(path).classes["wall"] == ("green", "grey")
    path = tmp_path / "g.safetensors"
    facts = readers.train_gestures(corpus, n=10, held_out=4, out=path)
    assert 0 <= facts["held_out_accuracy"] <= 1
    assert GestureClassifier.load(path).classes == ("palm", "stop")
