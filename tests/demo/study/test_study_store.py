from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from study_stand_ins import Robot

from demo.study import prepared
from demo.study.journal import HubJournal, Journal
from demo.study.prepared import Library
from demo.study.service import StudyService
from demo.study.session import answer_id, steps
from demo.study.store import GIVEN_UP_AFTER_S, NewAnswer, Store
from demo.study.tables import Base
from engine.types import UserError


@pytest.fixture
def small(root):
    return prepared.load("small", root)


def enrol(store: Store, small, pid: str = "pid-1"):
    return store.enrol(
        "small", small.version, {}, small.design, pid=pid, language="en", source="link", consent_version="1"
    )


def answer(standing, step=("text", ""), value="left", **changes) -> NewAnswer:
    fields = {
        "id": answer_id(standing.trial, step), "trial": standing.trial, "question": step[0], "side": step[1],
        "value": value, "response_ms": 900, "viewed_ms": 1000,
    }  # fmt: skip
    return NewAnswer(**fields | changes)


def test_migrations_make_exactly_the_tables(url):
    store = Store(url)
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    Store(url).close()  # a second start changes nothing
    store.close()


def test_sqlite_is_in_wal_mode_and_syncs_every_commit(store):
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_an_answer_counts_once_and_the_first_stands(url, small):
    store = Store(url)
    start = enrol(store, small)
    first = answer(start)
    after = store.save(start.participant, first, steps(small.study))
    again = store.save(start.participant, answer(start, value="right"), steps(small.study))
    assert after == again
    assert after.answered == {("text", "")}
    assert after.trial == start.trial
    ((kept, _),) = store.answers(small.version)
    assert kept.value == "left"
    store.close()


def test_a_trial_is_over_when_every_step_is_answered(store, small):
    start = enrol(store, small)
    store.save(start.participant, answer(start), steps(small.study))
    after = store.save(start.participant, answer(start, ("hand", "")), steps(small.study))
    assert (start.position, after.position) == (0, 1)
    assert after.trial != start.trial
    assert store.find("small", "pid-1") == after


def test_answers_out_of_turn_are_refused(store, small):
    start, other = enrol(store, small), enrol(store, small, "pid-2")
    all_steps = steps(small.study)
    for wrong in (answer(other), answer(start, ("colour", "")), answer(start, trial="x" * 32, id="y" * 32)):
        with pytest.raises(UserError):
            store.save(start.participant, wrong, all_steps)
    with pytest.raises(UserError, match="not taking part"):
        store.save("nobody", answer(start), all_steps)
    assert store.answers(small.version) == []


def test_enrolling_twice_is_once(store, small):
    assert enrol(store, small) == enrol(store, small)
    assert len(store.people(small.version)) == 1


def test_enrolling_at_once_gives_everyone_their_own_slot(url, small):
    stores = [Store(url), Store(url)]  # as two processes would
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: enrol(stores[i % 2], small, f"pid-{i}"), range(16)))
    assert sorted(p.slot for p in stores[0].people(small.version)) == list(range(16))
    for store in stores:
        store.close()


def test_a_slot_given_up_goes_to_a_newcomer(tmp_path, small):
    now = SimpleNamespace(s=1000.0)
    store = Store(f"sqlite:///{tmp_path / 'study.db'}", clock=lambda: now.s)
    for pid in ("pid-a", "pid-b"):
        enrol(store, small, pid)
    now.s += GIVEN_UP_AFTER_S + 1
    store.save(
        store.find("small", "pid-b").participant, answer(store.find("small", "pid-b")), steps(small.study)
    )
    enrol(store, small, "pid-c")
    assert [p.slot for p in sorted(store.people(small.version), key=lambda p: p.consented_at + p.slot)] == [
        0,
        1,
        0,
    ]
    store.close()


def test_nothing_says_who_a_participant_is(url, small):
    store = Store(url)
    enrol(store, small, "5f3a-a-prolific-id")
    columns = {
        column["name"]
        for table in ("participant", "trial", "answer")
        for column in inspect(store.engine).get_columns(table)
    }
    assert not columns & {"ip", "address", "name", "email", "user_agent", "browser", "pid"}
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM participant")).all()
    assert "prolific-id" not in str(rows)
    store.close()


def test_withdrawing_deletes_every_trace_but_the_number(url, small):
    store = Store(url)
    gone, stays = enrol(store, small), enrol(store, small, "pid-2")
    for standing in (gone, stays):
        store.save(standing.participant, answer(standing), steps(small.study))
    store.withdraw(gone.participant)
    store.withdraw(gone.participant)
    assert store.find("small", "pid-1") is None
    assert len(store.answers(small.version)) == 1
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM trial")).scalar() == stays.total + 1
    assert [v.withdrawn for v in store.versions("small")] == [1]
    store.close()


@pytest.mark.parametrize("bad", ["nonsense", "mysql+nodriver://x/y", "sqlite"])
def test_a_bad_url_says_which_are_good(bad):
    with pytest.raises(UserError, match="bucket:///FOLDER"):
        Store.open(bad)


# --- the journal --------------------------------------------------------------------------------------------


def run_participant(store: Store, root, answers: int | None = None, **request) -> Robot:
    robot = Robot(StudyService(store, Library(root)).call, **request)
    robot.enter()
    if answers is None:
        robot.finish()
    else:
        for _ in range(answers):
            robot.answer_one()
    return robot


def test_a_bucket_brings_everything_to_a_new_machine(tmp_path, root, small):
    url = f"bucket://{tmp_path / 'bucket'}"
    store = Store.open(url)
    done = run_participant(store, root)
    half = run_participant(store, root, answers=5, pid="pid-half")
    left = run_participant(store, root, answers=3)
    store.withdraw(store.find("small", left._base["pid"]).participant)
    before = [(a.id, a.value, a.response_ms) for a, _ in store.answers(small.version)]
    where = replace(store.find("small", "pid-half"), served_at=None)
    store.close()

    other = Store.open(url)  # its database is elsewhere and empty
    assert other.engine.url != store.engine.url
    assert [(a.id, a.value, a.response_ms) for a, _ in other.answers(small.version)] == before
    assert {a for a, *_ in before} == {*done.confirmed, *half.confirmed}
    assert other.find("small", "pid-half") == where
    assert [v.withdrawn for v in other.versions("small")] == [1]
    assert other.finished(small.version) == 1
    assert run_participant(other, root, pid="pid-half").screen["screen"] == "done"
    other.close()


def test_withdrawing_deletes_the_journals_files(tmp_path, root):
    store = Store.open(f"bucket://{tmp_path}")
    robot = run_participant(store, root, answers=4)
    who = store.find("small", robot._base["pid"]).participant
    assert (tmp_path / who).is_dir()
    store.withdraw(who)
    assert not (tmp_path / who).exists()
    assert not any(
        answer in path.read_text() for path in tmp_path.rglob("*.json") for answer in robot.confirmed
    )
    store.close()


def test_a_withdrawal_cut_short_by_a_crash_is_finished_at_the_next_start(tmp_path, root, small):
    store = Store(f"sqlite:///{tmp_path / 'study.db'}", Journal(tmp_path / "journal"))
    robot = run_participant(store, root, answers=3)
    who = store.find("small", robot._base["pid"]).participant
    Journal(tmp_path / "journal").forget(who, {"withdrawn": {"id": who, "version": small.version}})
    late = tmp_path / "journal" / who / "late.json"  # an answer that another thread wrote after that
    late.parent.mkdir()
    late.write_text("{}")
    store.close()
    again = Store(f"sqlite:///{tmp_path / 'study.db'}", Journal(tmp_path / "journal"))
    assert again.answers(small.version) == []
    assert again.people(small.version) == []
    assert [v.withdrawn for v in again.versions("small")] == [1]
    assert not late.exists()
    again.close()


def test_a_file_cut_off_by_a_crash_is_passed_over(tmp_path, root, small, caplog):
    store = Store.open(f"bucket://{tmp_path}")
    robot = run_participant(store, root, answers=4)
    store.close()
    last = [path for answer in list(robot.confirmed)[-1:] for path in tmp_path.rglob(f"{answer}.json")]
    last[0].write_text(last[0].read_text()[:40])
    other = Store.open(f"bucket://{tmp_path}")
    assert len(other.answers(small.version)) == 3
    assert "cut off" in caplog.text
    robot._call = StudyService(other, Library(root)).call
    robot.enter()
    robot.finish()
    assert len(other.answers(small.version)) == len(robot.confirmed)
    other.close()


def test_journal_names_are_written_once(tmp_path):
    journal = Journal(tmp_path / "new")
    journal.write("a", {"n": 1})
    journal.write("a", {"n": 2})
    assert list(journal.replay()) == [{"n": 1}]


class FakeHub:
    """What HubJournal asks of the Hub's API."""

    def __init__(self):
        self.lock = threading.Lock()
        self.files: dict[str, bytes] = {}
        self.squashed = 0

    def create_repo(self, repo_id, **options):
        assert options["private"] is True
        return SimpleNamespace(repo_id=repo_id)

    def snapshot_download(self, repo_id, local_dir, **options):
        for name, content in self.files.items():
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / name).write_bytes(content)

    def run_as_future(self, function):
        return SimpleNamespace(result=function)

    def create_commit(self, operations, **options):
        self.files |= {op.path_in_repo: op.path_or_fileobj.read() for op in operations}

    def delete_files(self, delete_patterns, **options):
        folder = delete_patterns[0].rstrip("*")
        self.files = {name: content for name, content in self.files.items() if not name.startswith(folder)}

    def super_squash_history(self, **options):
        self.squashed += 1


def test_the_hub_keeps_a_copy_and_forgets_who_withdraws(tmp_path, root, small):
    hub = FakeHub()
    journal = HubJournal("owner/answers", tmp_path / "one", every_min=1000, api=hub)
    store = Store(f"sqlite:///{tmp_path / 'one.db'}", journal)
    robot, gone = run_participant(store, root, answers=4), run_participant(store, root, answers=2)
    journal.scheduler.push_to_hub()
    who = store.find("small", gone._base["pid"]).participant
    assert any(name.startswith(who) for name in hub.files)
    store.withdraw(who)
    journal.scheduler.push_to_hub()
    assert not any(name.startswith(who) for name in hub.files)
    assert hub.squashed == 1
    assert f"withdrawn-{who}.json" in hub.files
    assert json.loads(hub.files["secret.json"])
    journal.scheduler.stop()
    store.close()

    other = HubJournal("owner/answers", tmp_path / "two", every_min=1000, api=hub)
    again = Store(f"sqlite:///{tmp_path / 'two.db'}", other)
    assert {a.id for a, _ in again.answers(small.version)} == set(robot.confirmed)
    other.scheduler.stop()
    again.close()
