"""Runs: order, cache, turns between visitors, stop, failures."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from fake_engine import CATALOGUE, FakeEngine

from demo.forms import Settings
from demo.runs import Runner
from demo.session import Session
from demo.turns import Turns
from engine.types import UserError

SETTINGS = Settings(prompt="a red shirt", methods=("sd", "controlnet"), steps=8)


@pytest.fixture
def runner(engine, unread):
    return Runner(engine, CATALOGUE)


def states(session):
    return {name: column.state for name, column in session.columns.items()}


def test_columns_fill_one_after_the_other(runner, session):
    seen = []
    for _ in runner.compare(session, SETTINGS):
        if not seen or seen[-1] != states(session):
            seen.append(states(session))
    assert seen[0] == {"sd": "waiting", "controlnet": "waiting"}
    assert {"sd": "done", "controlnet": "running"} in seen
    assert seen[-1] == {"sd": "done", "controlnet": "done"}
    assert not session.running


def test_previews_come_before_the_picture(runner, session):
    previews = 0
    for name in runner.compare(session, SETTINGS):
        column = session.columns.get(name or "")
        previews += column is not None and column.state == "running" and column.preview is not None
    assert previews >= 2
    assert session.columns["sd"].preview is None


def test_the_second_time_everything_is_cached_and_first(runner, session, engine):
    list(runner.compare(session, SETTINGS))
    more = replace(SETTINGS, methods=("sesahand", "sd"))
    done_first = None
    for _ in runner.compare(session, more):
        done = [name for name, state in states(session).items() if state == "done"]
        done_first = done_first or (done[0] if done else None)
    assert done_first == "sd"
    assert session.columns["sd"].result.cached
    assert not session.columns["sesahand"].result.cached
    assert engine.opened == 3


def test_stop_ends_the_run_and_says_so(runner, session, engine):
    for _ in runner.compare(session, SETTINGS):
        if session.progress and session.progress.done >= 2:
            session.stop()
    assert states(session) == {"sd": "stopped", "controlnet": "stopped"}
    assert engine.opened == engine.closed == 1
    assert not session.running
    assert not session.stopping
    list(runner.compare(session, SETTINGS))  # and the next one runs
    assert states(session) == {"sd": "done", "controlnet": "done"}


def test_a_closed_page_closes_the_engine(runner, session, engine):
    run = runner.compare(session, SETTINGS)
    while session.progress is None or session.progress.done < 2:
        next(run)
    run.close()
    assert engine.closed == 1
    assert not session.running
    with runner.turns.join("next") as ticket:
        assert ticket.ahead() == 0


def test_one_method_fails_and_the_others_come(session, unread, caplog):
    runner = Runner(FakeEngine(fails=("sd",)), CATALOGUE)
    list(runner.compare(session, SETTINGS))
    assert states(session) == {"sd": "failed", "controlnet": "done"}
    assert session.columns["sd"].error.code == "unexpected"
    assert "broken on purpose" in caplog.text


def test_an_absent_method_says_why_and_how(runner, session):
    list(runner.compare(session, replace(SETTINGS, methods=("absent",))))
    error = session.columns["absent"].error
    assert error.code == "unavailable"
    assert "python -m engine.train absent" in str(error)


@pytest.mark.parametrize("bad", [replace(SETTINGS, prompt=""), replace(SETTINGS, methods=())])
def test_what_cannot_run_leaves_the_board_alone(runner, session, bad):
    list(runner.compare(session, SETTINGS))
    before = dict(session.columns)
    with pytest.raises(UserError):
        list(runner.compare(session, bad))
    assert session.columns == before
    assert not session.running


def test_one_visitor_runs_once_at_a_time(runner, session):
    run = runner.compare(session, SETTINGS)
    next(run)
    with pytest.raises(UserError, match="still being made"):
        next(runner.compare(session, SETTINGS))
    run.close()


def test_two_visitors_take_turns_and_never_share_the_engine(unread):
    engine = FakeEngine(step_s=0.002)
    runner = Runner(engine, CATALOGUE)
    order = []

    def visit(seed):
        session = Session()
        for name in runner.compare(session, replace(SETTINGS, seed=seed)):
            if name and session.columns[name].state == "done" and (seed, name) not in order:
                order.append((seed, name))

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    for thread in threads:
        thread.join(20)
    assert engine.busiest == 1
    assert order == [(1, "sd"), (2, "sd"), (1, "controlnet"), (2, "controlnet")]


def test_a_waiting_visitor_hears_of_it_and_can_stop(runner):
    session = Session()
    with runner.turns.join("somebody else"):
        ahead = []
        for _ in runner.compare(session, SETTINGS):
            if session.progress and session.progress.ahead:
                ahead.append(session.progress.ahead)
                session.stop()
    assert set(ahead) == {1}
    assert states(session) == {"sd": "stopped", "controlnet": "stopped"}


def test_the_line_is_first_come_and_has_an_end():
    turns = Turns(most=2)
    with turns.join("a") as a, turns.join("b") as b:
        assert (a.ahead(), b.ahead()) == (0, 1)
        with pytest.raises(UserError) as full, turns.join("c"):
            pass
        assert full.value.code == "busy"
    with turns.join("c") as c:
        assert c.wait(0) == 0


def test_a_series_stops_short(runner, session):
    plans = [runner.plans(replace(SETTINGS, seed=seed, methods=("sd",)))["sd"] for seed in range(4)]
    last = []
    for last in runner.series(session, plans):
        if len(last) == 2:
            session.stop()
    assert [r.plan.seed for r in last] == [0, 1]
    *_, again = runner.series(session, plans)
    assert [(r.plan.seed, r.cached) for r in again] == [(0, True), (1, True), (2, False), (3, False)]


def test_a_run_from_the_cache_takes_under_a_second(session, tmp_path):
    """With the real engine and the real reading of hands; processor time, since other tests may run beside it."""
    from engine.engine import Engine
    from engine.hand.gesture import load_gestures
    from engine.methods import METHODS

    runner = Runner(Engine("tiny", device="cpu", cache_dir=tmp_path), METHODS)
    gesture = load_gestures()["ok"]
    wanted = replace(
        SETTINGS,
        gesture="ok",
        hands=(gesture.hand,),
        camera=gesture.camera,
        methods=("sd", "controlnet", "hand1000", "sesahand"),
        steps=2,
    )
    list(runner.compare(session, wanted))
    assert set(states(session).values()) == {"done"}
    start = time.process_time()
    list(runner.compare(Session(), wanted))
    assert time.process_time() - start < 1


def test_progress_tells_the_time_left(runner, session):
    session_left = []
    runner.engine.step_s = 0.01
    for _ in runner.compare(session, SETTINGS):
        if session.progress and (left := session.progress.seconds_left()) is not None:
            session_left.append(left)
    assert session_left
    assert session_left[-1] <= session_left[0]
    assert 0 <= session_left[0] < 2
