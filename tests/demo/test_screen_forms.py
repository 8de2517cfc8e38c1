"""Settings: what is checked, and the way through links and JSON."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from fake_engine import CATALOGUE, HAND
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from demo.forms import MOST_SEED, Settings, check, check_ready, from_link, settings_from_json, to_link
from engine.hand.gesture import CAMERA
from engine.types import SamplerSpec, UserError

FULL = Settings(
    prompt="a man",
    negative="blur",
    gesture="ok",
    hands=(HAND,),
    camera=CAMERA,
    seed=3,
    steps=9,
    cfg=2.5,
    methods=("sd", "controlnet"),
    params={"controlnet": {"strength": 0.5}},
)


def refused(call, code):
    with pytest.raises(UserError) as error:
        call()
    assert error.value.code == code
    assert str(error.value).endswith(".")


def test_a_link_brings_everything_back():
    checked = check(FULL, CATALOGUE)
    assert from_link(to_link(checked), CATALOGUE) == checked


@budget(max_examples=25, deadline=None)
@given(
    prompt=st.text(max_size=200),
    seed=st.integers(0, MOST_SEED),
    steps=st.integers(1, 100),
    cfg=st.floats(0, 30),
    methods=st.lists(st.sampled_from(list(CATALOGUE)), unique=True),
)
def test_any_settings_survive_a_link(prompt, seed, steps, cfg, methods):
    checked = check(
        Settings(prompt=prompt, seed=seed, steps=steps, cfg=cfg, methods=tuple(methods)), CATALOGUE
    )
    assert from_link(to_link(checked), CATALOGUE) == checked


def test_a_link_with_a_hand_is_short_enough_to_send():
    assert len(to_link(check(FULL, CATALOGUE))) < 1200


@pytest.mark.parametrize("link", ["", "x", "äöü", "AAAA", base64.urlsafe_b64encode(b"junk" * 9).decode()])
def test_a_broken_link_says_so(link):
    refused(lambda: from_link(link, CATALOGUE), "bad_link")


def test_a_link_that_inflates_is_refused():
    bomb = base64.urlsafe_b64encode(zlib.compress(b"[" * 5_000_000)).decode()
    refused(lambda: from_link(bomb, CATALOGUE), "bad_link")


@pytest.mark.parametrize(
    "data",
    [
        3,
        [],
        {"prompt": 7},
        {"hands": [1]},
        {"hands": {"type": "Camera"}},
        {"camera": 5},
        {"hands": [{"type": "SamplerSpec"}]},
    ],
)
def test_foreign_json_is_refused_with_a_sentence(data):
    with pytest.raises(UserError):
        settings_from_json(data, CATALOGUE)


def test_an_unknown_type_in_json_is_refused():
    refused(lambda: settings_from_json({"hands": [{"type": "os.system"}]}, CATALOGUE), "bad_file")


@pytest.mark.parametrize("field", ["seed", "steps", "cfg"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e9, 1e12, "many", None, [1]])
def test_numbers_out_of_range_are_refused(field, value):
    data = {**FULL.to_json(), field: value}
    refused(lambda: settings_from_json(data, CATALOGUE), "bad_number")


def test_a_long_prompt_is_refused_with_its_length():
    with pytest.raises(UserError, match="10,000 characters"):
        check(Settings(prompt="x" * 10_000), CATALOGUE)


@pytest.mark.parametrize(
    ("given", "code"), [(Settings(prompt=" \n "), "empty_prompt"), (Settings(prompt="a"), "no_method")]
)
def test_what_cannot_run_is_refused(given, code):
    refused(lambda: check_ready(check(given, CATALOGUE)), code)


def test_unknown_methods_are_left_out_and_doubles_run_once():
    assert check(Settings(methods=("sd", "nonsense", "sd")), CATALOGUE).methods == ("sd",)


def test_only_changed_params_within_their_range_are_kept():
    given = Settings(params={"controlnet": {"strength": 1.0, "other": 3}, "sd": {"x": 1}, "gone": {}})
    assert check(given, CATALOGUE).params == {}
    bad = Settings(params={"controlnet": {"strength": 99}})
    refused(lambda: check(bad, CATALOGUE), "bad_number")


def test_a_pose_is_settled_so_that_tiny_differences_share_a_picture():
    shaken = check(Settings(hands=(HAND,)), CATALOGUE).hands[0]
    assert max(len(repr(v).partition(".")[2]) for v in shaken.hand_pose) <= 5


def test_request_takes_size_and_sampler_from_the_profile():
    request = FULL.request((96, 64), SamplerSpec(kind="euler", eta=0.5))
    assert request.size == (96, 64)
    assert (request.sampler.kind, request.sampler.eta) == ("euler", 0.5)
    assert (request.sampler.steps, request.sampler.cfg) == (9, 2.5)


def test_json_is_json():
    text = json.dumps(FULL.to_json())
    assert settings_from_json(json.loads(text), CATALOGUE) == check(FULL, CATALOGUE)
