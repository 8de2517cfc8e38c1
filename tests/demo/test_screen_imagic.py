"""Imagic's job from the screen, with the real engine at toy width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import page_of

from demo.services import Services
from demo.session import Column, Session
from engine.engine import Engine
from engine.image import encode
from engine.manifest import ASSETS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path):
    assets = tmp_path / "assets"
    assets.mkdir()
    text = (ASSETS / "models.toml").read_text(encoding="utf-8")
    # what the tiny profile has for every gesture would hide what is learnt here
    cut = text.index("[tiny.imagic]"), text.index("[tiny.sd_ft_imagic]")
    (assets / "models.toml").write_text(text[: cut[0]] + text[cut[1] :], encoding="utf-8")
    return Services.load(Engine("tiny", device="cpu", assets=assets), ROOT)


@pytest.fixture
def page(world):
    return page_of(world)


@pytest.fixture
def session(page):
    visitor = Session()
    page.handlers.ship(visitor, page.handlers.services.first)
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    visitor.columns["sd"] = Column("sd", "shipped", image=picture)
    return visitor


def tune(page, session, *, source="sd", photo=None, share=1, **changes):
    first = replace(page.handlers.services.first, gesture="ok", **changes)
    return page.handlers.tune(session, source, photo, "imagic", share, *page.form.write(first))


def titles(update):
    return {name: title for title, name in update["choices"]}


def test_a_column_is_learnt_and_the_method_can_be_chosen(page, world, session, told):
    assert not world.is_available("imagic")
    *_, (status, methods) = tune(page, session)
    assert told == ["Imagic has learnt this picture (making ok hand gesture). Choose it among the methods."]
    assert world.is_available("imagic")
    assert titles(methods)["imagic"] == "Imagic"
    assert "data-running" not in status
    engine = world.engine
    request = world.first.request(engine.profile.size, engine.profile.sampler)
    learnt = engine.result(engine.plan("imagic", replace(request, gesture="ok")))
    assert not np.array_equal(learnt.image, engine.result(engine.plan("sd", request)).image)
    assert not engine.availability("imagic", "fist").ok  # it was a picture of another gesture


def test_a_photo_goes_before_the_column(page, world, session, told, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(np.full((90, 120, 3), 200, np.uint8)))
    list(tune(page, session))
    folder = world.engine.manifest.made_folder("tiny", "imagic/ok")
    of_column = (folder / "embeddings.safetensors").read_bytes()
    list(tune(page, session, photo=str(path)))
    assert (folder / "embeddings.safetensors").read_bytes() != of_column


def test_stopping_leaves_nothing(page, world, session, told):
    running = []
    for status, _ in tune(page, session, share=100):
        running.append("data-running" in status)
        session.stop()
    assert running == [True, False]
    assert not told
    assert not world.is_available("imagic")
    assert not world.engine.manifest.made_folder("tiny", "imagic/ok").exists()


def test_without_a_picture_it_says_so(page, session, told):
    list(tune(page, session, source=None))
    assert told == ["Choose a picture of the board, or a photo."]


def test_it_can_be_switched_off(world, session, told):
    closed = replace(world, may_tune=False)
    list(tune(page_of(closed), session))
    assert told == ["Imagic learns no pictures on this machine."]
    assert not closed.is_available("imagic")
