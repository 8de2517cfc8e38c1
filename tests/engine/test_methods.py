"""Every method tells a person what it is, in both languages, and plans within its own settings."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from engine.manifest import Manifest
from engine.methods import METHODS
from engine.types import UserError, weights_of

LANGUAGES = {"en", "zh"}
EXPECTED = {
    "sd", "sd_ft", "imagic", "sd_ft_imagic", "controlnet", "handrefiner", "attentionhand", "foundhand",
    "handbooster", "commercial", "hand1000", "sesahand",
}  # fmt: skip


def test_the_registry_is_whole():
    assert set(METHODS) >= EXPECTED
    assert next(iter(METHODS)) == "sd"
    assert {name for name, method in METHODS.items() if not method.baseline} == {"hand1000", "sesahand"}
    assert all(name == method.name for name, method in METHODS.items())


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_texts_are_there_in_both_languages(method):
    for text in (method.title, method.summary, method.changes, method.source, method.differs):
        assert set(text) == LANGUAGES
        assert all(text.values())
    for param in method.params:
        assert set(param.label) == LANGUAGES
        assert not param.help or set(param.help) == LANGUAGES


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_params_are_the_keywords_of_the_plan_function(method):
    signature = inspect.signature(method.plan).parameters
    keywords = {n: p.default for n, p in signature.items() if p.kind == inspect.Parameter.KEYWORD_ONLY}
    assert keywords == {param.name: param.default for param in method.params}
    assert set(method.neutral) <= set(keywords)
    for param in method.params:
        if param.kind == "float":
            assert param.minimum <= param.default <= param.maximum
        if param.kind == "choice":
            assert param.default in param.choices


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_every_choice_and_bound_can_be_planned(method, engine, request_ok):
    for param in method.params:
        values = {"float": (param.minimum, param.maximum), "bool": (True, False), "choice": param.choices}
        for value in values.get(param.kind, ("",)):
            if param.name == "semantics" and value not in ("off", "rules"):
                continue  # needs a model: tests/engine/test_semantics.py
            engine.plan(method.name, request_ok, **{param.name: value})


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_tiny_has_every_methods_weights(method, engine, request_ok):
    entries = weights_of(engine.plan(method.name, request_ok))
    assert Manifest().availability("tiny", entries).ok


def test_hands_or_a_gesture_are_asked_for(engine, request_ok):
    from dataclasses import replace

    bare = replace(request_ok, hands=(), gesture=None, camera=None)
    for name, method in METHODS.items():
        if "hands" in method.needs:
            with pytest.raises(UserError):
                engine.plan(name, bare)
        else:
            engine.plan(name, bare)


def test_planning_needs_no_torch():
    """Methods are data: importing and running them leaves torch outside."""
    code = (
        "import sys\n"
        "from engine.methods import METHODS\n"
        "from engine.types import *\n"
        "hand = HandPose(transl=(0, 0, 0.5))\n"
        "camera = Camera.simple(focal_px=100, width_px=64, height_px=64)\n"
        "request = Request(prompt='a hand', gesture='ok', hands=(hand,), camera=camera)\n"
        "for method in METHODS.values(): method.plan(request).key()\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules), 'heavy'\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
