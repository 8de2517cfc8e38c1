from __future__ import annotations

import contextlib
import gc
import threading
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import attention
from engine.cache import Cache
from engine.engine import Engine
from engine.methods import METHODS
from engine.types import Plan, Result, SamplerSpec, Step, UserError, from_json, to_json, weights_of

LOCAL = [name for name, method in METHODS.items() if "token" not in method.needs]


def run(engine, request, method="sd", **params):
    return engine.result(engine.plan(method, request, **params))


def processors(engine):
    models = [engine.weights.component("unet"), engine.weights.component("controlnet")]
    return [layer.processor for model in models for layer in attention.sites(model).values()]


def fresh(engine, monkeypatch):
    monkeypatch.setattr(engine, "cache", Cache())


# --- neutral settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in LOCAL if METHODS[n].neutral])
def test_neutral_settings_are_plain_sd_bit_for_bit(patient, request_ok, name):
    plain = run(patient, request_ok).image
    assert np.array_equal(run(patient, request_ok, name, **METHODS[name].neutral).image, plain)


@pytest.mark.parametrize("name", [n for n in LOCAL if n != "sd"])
def test_default_settings_are_not_plain_sd(patient, request_ok, name):
    plain = run(patient, request_ok).image
    assert not np.array_equal(run(patient, request_ok, name).image, plain)


@pytest.mark.parametrize("name", LOCAL)
def test_every_method_gives_a_whole_result(patient, request_ok, name):
    result = run(patient, request_ok, name)
    assert result.image.shape == (64, 96, 3)
    assert result.image.dtype == np.uint8
    assert result.image.std() > 1
    assert "shirt" in result.words
    assert result.heat.shape == (len(result.words), 8, 12)
    assert result.heat.min() >= 0
    assert result.heat.sum(0).max() <= 1 + 1e-5
    assert {result.words[i] for i in result.hand_words} >= {"hand", "gesture"}
    assert result.heat_steps.shape == (result.plan.sampler.steps, len(result.words))
    assert result.seconds > 0
    assert result.weights_hash
    assert all(hint.shape == (64, 96, 3) for hint in result.hints.values())


# --- determinism ------------------------------------------------------------------------------------------


def test_same_bytes_whatever_ran_between(engine, request_ok, monkeypatch):
    first = run(engine, request_ok)
    for name in LOCAL[1:]:
        run(engine, replace(request_ok, seed=9), name)
    torch.manual_seed(99)
    fresh(engine, monkeypatch)
    again = run(engine, request_ok)
    assert not again.cached
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.heat, again.heat)


def test_the_global_generator_is_left_alone(engine, request_ok):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(engine, replace(request_ok, sampler=SamplerSpec(kind="euler_a", steps=2)))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"prompt": "a man making ok hand gesture"},
        {"negative": ""},
        {"sampler": SamplerSpec(steps=4)},
        {"sampler": SamplerSpec(steps=3, cfg=1.0)},
        {"sampler": SamplerSpec(steps=3, eta=1.0)},
        {"sampler": SamplerSpec(kind="dpmpp_2m", steps=3)},
    ],
)
def test_what_is_asked_for_changes_the_picture(patient, request_ok, change):
    assert not np.array_equal(
        run(patient, request_ok).image, run(patient, replace(request_ok, **change)).image
    )


def test_cond_and_uncond_are_not_swapped(patient, request_ok):
    """cfg 0 is the negative prompt alone, cfg 1 the prompt alone."""
    swapped = replace(request_ok, prompt="blue", negative=request_ok.prompt)

    def at(request, cfg):
        return run(patient, replace(request, sampler=SamplerSpec(steps=3, cfg=cfg))).image.astype(int)

    assert abs(at(request_ok, 0.0) - at(swapped, 1.0)).max() <= 1
    assert abs(at(request_ok, 1.0) - at(swapped, 0.0)).max() <= 1
    assert abs(at(request_ok, 0.0) - at(request_ok, 1.0)).max() > 1


# --- the run ----------------------------------------------------------------------------------------------


def test_steps_previews_and_then_the_result(engine, request_ok):
    plan = engine.plan("sd", replace(request_ok, sampler=SamplerSpec(steps=5)))
    *steps, result = engine.run(plan, previews_every=2)
    assert all(isinstance(s, Step) for s in steps)
    assert [s.index for s in steps] == [0, 1, 2, 3, 4]
    assert {s.total for s in steps} == {5}
    assert [s.preview is not None for s in steps] == [False, True, False, True, False]
    assert steps[1].preview.shape == (64, 96, 3)
    assert isinstance(result, Result)
    assert len(result.previews) == 2


def test_the_last_preview_comes_close_to_the_result(engine, request_ok):
    *_, last, result = engine.run(engine.plan("sd", request_ok), previews_every=2)
    near = np.abs(result.previews[-1].astype(float) - result.image).mean()
    other = run(engine, replace(request_ok, seed=77)).image
    assert near < np.abs(other.astype(float) - result.image).mean()
    assert last.index == 2


def test_the_cache_answers_the_second_time(engine, request_ok):
    plan = engine.plan("sd", request_ok)
    first = engine.result(plan)
    items = list(engine.run(plan))
    assert len(items) == 1
    assert items[0].cached
    assert not first.cached
    assert np.array_equal(items[0].image, first.image)
    assert engine.cached(plan).plan == plan


def test_methods_that_plan_the_same_share_a_picture(engine, request_ok):
    plan = engine.plan("sd", request_ok)
    engine.result(plan)
    twin = replace(plan, method="another")
    assert engine.cached(twin).plan.method == "another"


@pytest.mark.parametrize("method", ["sd", "sesahand"])
def test_closing_cancels_and_restores(engine, request_ok, method):
    before = processors(engine)
    plan = engine.plan(method, request_ok)
    running = engine.run(plan)
    next(running)
    assert processors(engine) == before
    running.close()
    assert processors(engine) == before
    assert engine.cached(plan) is None
    assert not engine._lock.locked()
    assert not torch.is_inference_mode_enabled()
    run(engine, request_ok)  # nobody waits for the one who left


def test_a_forgotten_run_blocks_nobody(engine, request_ok):
    running = engine.run(engine.plan("controlnet", request_ok))
    next(running)
    assert run(engine, request_ok).image.any()
    del running
    gc.collect()


def test_an_error_inside_a_step_restores(engine, request_ok, monkeypatch):
    before = processors(engine)

    def fail(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("engine.attention.Recording.observe", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        run(engine, request_ok)
    assert processors(engine) == before
    assert not engine._lock.locked()
    monkeypatch.undo()


def test_steps_may_be_pulled_from_any_thread(engine, request_ok, monkeypatch):
    expected = run(engine, request_ok).image
    fresh(engine, monkeypatch)
    running, items = engine.run(engine.plan("sd", request_ok)), []

    def pull():
        with contextlib.suppress(StopIteration):
            items.append(next(running))

    for _ in range(5):
        thread = threading.Thread(target=pull)
        thread.start()
        thread.join()
    assert np.array_equal(items[-1].image, expected)


def test_two_visitors_at_once_see_their_own(engine, request_ok, monkeypatch):
    jobs = [("sesahand", request_ok), ("sd", replace(request_ok, seed=8)), ("hand1000", request_ok)]
    alone = [run(engine, request, method).image for method, request in jobs]
    fresh(engine, monkeypatch)
    together = [None] * len(jobs)

    def visit(i):
        method, request = jobs[i]
        together[i] = run(engine, request, method).image

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


# --- plans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(METHODS))
def test_plans_survive_json(engine, request_ok, name):
    plan = engine.plan(name, request_ok)
    back = from_json(to_json(plan))
    assert back == plan
    assert engine.key(back) == engine.key(plan)


def leaves(value, path=()):
    """(path, value) of every plain field of a plan."""
    if hasattr(value, "__dataclass_fields__"):
        for f in fields(value):
            yield from leaves(getattr(value, f.name), (*path, f.name))
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))
    else:
        yield path, value


def changed(value, path):
    """The plan with the leaf at `path` replaced by another value of its type."""
    if not path:
        if isinstance(value, bool) or value is None:
            return not value
        return value + "x" if isinstance(value, str) else value + 1
    head, *rest = path
    if isinstance(head, int):
        items = list(value)
        items[head] = changed(items[head], rest)
        return tuple(items)
    out = object.__new__(type(value))  # past __post_init__: a changed pose need not be a possible one
    for f in fields(value):
        item = getattr(value, f.name)
        object.__setattr__(out, f.name, changed(item, rest) if f.name == head else item)
    return out


@pytest.mark.parametrize("name", list(METHODS))
def test_the_key_changes_with_every_field_but_the_label(engine, request_ok, name):
    plan = engine.plan(name, request_ok)
    keys = {plan.key("w")}
    count = 1
    for path, _ in leaves(plan):
        key = changed(plan, path).key("w")
        if path == ("method",):
            assert key == plan.key("w")
        else:
            count += 1
            keys.add(key)
    assert len(keys) == count
    assert plan.key("other weights") not in keys


def test_the_key_contains_the_weights(engine, request_ok):
    plan = engine.plan("controlnet", request_ok)
    assert weights_of(plan) == ("unet", "controlnet")
    assert engine.key(plan) != plan.key()
    assert engine.key(plan) != engine.key(engine.plan("sesahand", request_ok))


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prompt": "  \n "}, "empty_prompt"),
        ({"prompt": "hand " * 2000}, "long_prompt"),
        ({"negative": "x" * 2001}, "long_prompt"),
        ({"size": (64, 100)}, "bad_size"),
        ({"size": (0, 96)}, "bad_number"),
        ({"size": (64, 4096)}, "bad_number"),
        ({"size": 64}, "bad_size"),
        ({"seed": -1}, "bad_number"),
        ({"seed": 1.5}, "bad_number"),
        ({"seed": float("nan")}, "bad_number"),
        ({"sampler": SamplerSpec(steps=0)}, "bad_number"),
        ({"sampler": SamplerSpec(steps=101)}, "bad_number"),
        ({"sampler": SamplerSpec(cfg=float("nan"))}, "bad_number"),
        ({"sampler": SamplerSpec(cfg=float("inf"))}, "bad_number"),
        ({"sampler": SamplerSpec(kind="magic")}, "bad_sampler"),
        ({"gesture": "no such gesture"}, "bad_gesture"),
        ({"camera": None}, "no_camera"),
    ],
)
def test_bad_requests_get_one_sentence(engine, request_ok, change, code):
    with pytest.raises(UserError) as error:
        engine.plan("sd", replace(request_ok, **change))
    assert error.value.code == code
    assert str(error.value).endswith(".")
    assert len(str(error.value)) < 200


def test_bad_hands_get_one_sentence(engine, request_ok):
    hand = request_ok.hands[0]
    cases = [
        ((hand,) * 3, "many_hands"),
        ((replace(hand, betas=(9.0,) * 10),), "bad_shape"),
        ((replace(hand, transl=(0.0, 0.0, -1.0)),), "hand_out_of_view"),
        ((replace(hand, hand_pose=(3.0,) * 45),), "bad_pose"),
    ]
    for hands, code in cases:
        with pytest.raises(UserError) as error:
            engine.plan("controlnet", replace(request_ok, hands=hands))
        assert error.value.code == code
    with pytest.raises(UserError):
        replace(hand, hand_pose=(float("nan"),) * 45)


def test_a_pose_is_needed_where_a_hint_is(engine, request_ok):
    with pytest.raises(UserError) as error:
        engine.plan("controlnet", replace(request_ok, gesture=None, hands=()))
    assert error.value.code == "no_hand"
    plan = engine.plan("controlnet", replace(request_ok, hands=()))
    assert len(plan.structure[0].hands) == 1  # the gesture's own


def test_settings_are_checked(engine, request_ok):
    for params, code in (
        ({"strength": 9.0}, "bad_number"),
        ({"strength": float("nan")}, "bad_number"),
        ({"hint": "smell"}, "bad_setting"),
        ({"magic": 1}, "bad_setting"),
    ):
        with pytest.raises(UserError) as error:
            engine.plan("controlnet", request_ok, **params)
        assert error.value.code == code
    with pytest.raises(UserError):
        engine.plan("magic", request_ok)


# --- profiles and weights ---------------------------------------------------------------------------------


def test_tiny_says_what_it_is(engine):
    assert "Random weights" in engine.profile.note["en"]


def test_missing_weights_make_a_method_unavailable(tmp_path, request_ok):
    (tmp_path / "models.toml").write_text(
        '[profiles.p]\ntitle = {en = "p"}\nnote = {en = ""}\nsize = [64, 96]\nunit = 32\nmax_side = 128\n'
        + "".join(f'[p.{n}]\nkind = "{n}"\nbuiltin = "{n}"\n' for n in ("vae", "text", "scheduler", "unet"))
        + '[p.controlnet]\nkind = "controlnet"\ncommand = "make train"\nfiles = {"config.json" = ""}\n'
    )
    engine = Engine("p", device="cpu", assets=tmp_path)
    assert engine.availability("sd").ok
    state = engine.availability("controlnet")
    assert not state.ok
    assert "controlnet" in state.reason
    assert state.command == "make train"
    assert not engine.availability("hand1000").ok
    with pytest.raises(UserError, match="make train"):
        engine.result(engine.plan("controlnet", request_ok))
    with pytest.raises(UserError, match="profile"):
        Engine("nowhere", assets=tmp_path)


def test_plan_is_plain_data(engine, request_ok):
    for name in METHODS:
        plan = engine.plan(name, request_ok)
        assert isinstance(plan, Plan)
        hash(plan)


# --- plans inside plans -----------------------------------------------------------------------------------


def test_handrefiner_keeps_everything_outside_its_mask(patient, request_ok):
    plain = run(patient, request_ok).image
    result = run(patient, request_ok, "handrefiner")
    mask = result.plan.init.mask(plain)
    assert 0 < mask.mean() < 1
    assert np.array_equal(result.image[~mask], plain[~mask])
    assert not np.array_equal(result.image[mask], plain[mask])


def test_handrefiner_masks_the_plain_pictures_own_hand(request_ok):
    """A hand is found at the right of a shipped picture; the asked-for one is elsewhere."""
    from engine.image import decode
    from engine.init import Inpaint
    from engine.methods.base import base
    from engine.reconstruct import detect

    source = decode((Path(__file__).parents[2] / "presets/gallery/rock-012-controlnet.webp").read_bytes())
    (found,) = detect(source)
    init = Inpaint(source=base(request_ok), hands=request_ok.hands, camera=request_ok.camera)
    bare = replace(init, erase=False).mask(source)
    mask = init.mask(source)
    x, y = found.points_px.T.round().astype(int)
    assert mask[y, x].all()
    assert not bare[y, x].all()
    assert mask[bare].all()


@pytest.mark.parametrize("method", ["handrefiner", "foundhand"])
def test_the_picture_inside_is_the_sd_columns_own(engine, request_ok, method):
    plain = engine.plan("sd", request_ok)
    inner = engine.plan(method, request_ok)
    steps = [item for item in engine.run(inner) if isinstance(item, Step)]
    assert [s.index for s in steps] == list(range(6))
    assert {s.total for s in steps} == {6}
    assert engine.cached(plain) is not None
    other = engine.plan(method, request_ok, strength=0.3)
    steps = [item for item in engine.run(other) if isinstance(item, Step)]
    assert [s.total for s in steps] == [3, 3, 3]


def test_a_reference_reaches_the_control_branch(engine, request_ok):
    assert not np.array_equal(
        run(engine, request_ok, "foundhand").image,
        engine.result(with_reference(engine, request_ok, replace(request_ok, seed=50))).image,
    )


def with_reference(engine, request, other):
    plan = engine.plan("foundhand", request)
    return replace(plan, structure=(replace(plan.structure[0], reference=engine.plan("sd", other)),))


def test_a_gesture_is_chosen_from_the_prompt(engine, request_ok):
    request = replace(request_ok, gesture=None, prompt="a man making open palm hand gesture in the rain")
    assert engine.choose_gesture(request.prompt) in ("palm", "stop", "five")
    plan = engine.plan("hand1000", request)
    assert plan.weights == f"hand1000/{engine.choose_gesture(request.prompt)}"


def test_the_phrase_is_appended_once(engine, request_ok):
    plan = engine.plan("hand1000", replace(request_ok, prompt="a man in a hat"))
    assert plan.text.prompt.text == "a man in a hat, making ok hand gesture"
    assert engine.plan("hand1000", request_ok).text.prompt.text == request_ok.prompt


def test_semantics_shows_its_steps(patient, request_ok):
    request = replace(request_ok, prompt="a woman in a red shirt in front of a blue wall")
    result = run(patient, request, "sesahand")
    assert list(result.text_parts) == ["caption", "pose", "action", "hand_action", "environment", "prompt"]
    assert result.text_parts["hand_action"] == "making ok hand gesture"
    assert result.text_parts["environment"] == "in front of a blue wall"
    assert result.self_map.shape == (6, 6)


def test_semantics_at_rest_is_sd_on_the_composed_prompt(patient, request_ok):
    rest = run(patient, request_ok, "sesahand", strength=0.0, alpha=0.0)
    composed = replace(request_ok, prompt=rest.text_parts["prompt"])
    assert np.array_equal(rest.image, run(patient, composed).image)


def test_alpha_draws_attention_to_hand_words(patient, request_ok):
    def share(alpha):
        result = run(patient, request_ok, "sesahand", alpha=alpha, semantics="off")
        return result.heat[list(result.hand_words)].sum(0).mean()

    shares = [share(alpha) for alpha in (0.0, 1.0, 2.0, 4.0)]
    assert shares == sorted(shares)
    assert shares[-1] > 1.2 * shares[0]


@pytest.mark.parametrize("method", ["sd", "sesahand", "hand1000"])
def test_a_cpu_with_matrix_units_changes_a_picture_by_less_than_can_be_seen(
    engine, request_ok, monkeypatch, method
):
    """Only where the profile asks for it; the attention that is shown stays a distribution."""
    plan = engine.plan(method, request_ok)
    exact = engine.result(plan)
    monkeypatch.setattr("engine.weights.has_matrix_units", lambda: True)
    monkeypatch.setattr(engine, "cache", Cache())
    assert np.array_equal(engine.result(plan).image, exact.image)
    monkeypatch.setattr(engine, "cache", Cache())
    monkeypatch.setattr(engine.weights, "profile", replace(engine.weights.profile, bfloat16=True))
    rough = engine.result(plan)
    difference = np.abs(rough.image.astype(int) - exact.image)
    assert 0 < difference.mean() < 3
    assert np.abs(rough.heat_steps - exact.heat_steps).max() < 0.01
    assert rough.heat.sum(0).max() <= 1 + 1e-5
