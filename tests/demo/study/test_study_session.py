"""The protocol between browser and server, as a participant meets it."""

from __future__ import annotations

import base64
import io
import json
import math
from types import SimpleNamespace

import pytest
from PIL import Image
from study_stand_ins import METHODS, Robot, make_prepared

from demo.study.prepared import Library
from demo.study.service import StudyService
from demo.study.session import texts
from demo.study.store import Store

OPENING = ("title", "contact", "language", "languages", "texts")  # what a page that has just loaded needs


def participant(service, **request) -> Robot:
    robot = Robot(service.call, **request)
    robot.enter()
    return robot


def say(robot: Robot, **request):
    """A request as the robot's browser sends it, errors let through."""
    return robot._call({**robot._base, **request})


def answer(robot: Robot, **changes):
    question = robot.screen["questions"][0]
    request = {
        "do": "answer", "trial": robot.screen["trial"], "answer": question["answer"], "value": "left",
        "response_ms": 900, "viewed_ms": 1000,
    }  # fmt: skip
    return say(robot, **request | changes)


def test_both_languages_say_everything():
    en, zh = texts()["en"], texts()["zh"]
    assert en.keys() == zh.keys()
    assert en["errors"].keys() == zh["errors"].keys()
    assert all(str(value).strip() for language in (en, zh) for value in language.values())


def test_a_whole_session(service, store):
    robot = Robot(service.call)
    consent = robot.ask("open")
    assert consent["screen"] == "consent"
    assert consent["consent"] == "I take part."
    robot.ask("consent", agreed=True)
    assert robot.screen["number"] == 0  # practice
    robot.answer_one()
    robot.answer_one()
    assert robot.screen["screen"] == "ready"
    robot.finish()
    trials = [reply for reply in robot.replies if reply["screen"] == "trial"]
    assert [t["number"] for t in trials] == [0, 1, 2, 3, 4, 5, 6]
    assert {t["total"] for t in trials} == {6}
    assert len(robot.confirmed) == 14
    assert robot.screen["debriefing"] == "That was it."
    assert "code" not in robot.screen
    kept = {a.id: a.value for a, _ in store.answers(version_of(service))}
    assert kept == robot.confirmed


def version_of(service) -> str:
    return service.call({"do": "results", "token": "secret-token"})["version"]


def test_nothing_in_any_reply_reveals_a_method(service, root):
    """Every reply to a participant, read as text and as what its pictures are."""
    library = Library(root)
    files = [path.name for path in (library.get("small").folder / "pictures").iterdir()]
    secrets = [
        *METHODS,
        "broken",
        "identical",
        "repeated",
        "main",
        *library.get("small").study.stimuli,
        *files,
    ]
    sizes, shapes = set(), set()
    for seed in range(4):
        robot = participant(service, seed=seed)
        robot.finish()
        for reply in [service.call({"do": "studies"}), *robot.replies]:
            shown = {k: v for k, v in reply.items() if k not in ("texts", "left", "right", "reference")}
            text = json.dumps(shown)
            assert not [secret for secret in secrets if secret in text], text
            if reply["screen"] == "trial":
                shapes.add(tuple(key for key in reply if key not in OPENING))
                for side in ("left", "right"):
                    content = base64.b64decode(reply[side])
                    sizes.add(len(content))
                    image = Image.open(io.BytesIO(content))
                    assert not image.info.pop("xmp", b"").strip()  # blank, it only fills up
                    assert not any(isinstance(value, str | bytes) for value in image.info.values())
    assert len(sizes) == 1
    assert len(shapes) == 1


def test_resume_on_a_new_server_process(tmp_path, root):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    first = Store(url)
    robot = participant(StudyService(first, Library(root)))
    for _ in range(5):
        robot.answer_one()
    here = robot.screen
    first.close()
    second = Store(url)
    robot._call = StudyService(second, Library(root)).call
    robot.ask("open")
    assert robot.screen["trial"] == here["trial"]
    assert [q["answer"] for q in robot.screen["questions"]] == [q["answer"] for q in here["questions"]]
    assert robot.screen["left"] == here["left"]
    robot.finish()
    assert robot.screen["screen"] == "done"
    second.close()


def test_two_tabs_of_one_participant_give_one_answer(service, store):
    one = participant(service)
    other = Robot(service.call, pid=one._base["pid"])
    other.enter()
    assert answer(one, value="left")["screen"] == "same"
    assert answer(other, value="right")["screen"] == "same"
    assert [a.value for a, _ in store.answers(version_of(service))] == ["left"]


def test_an_answer_sent_again_shows_the_same_next_pair(service):
    robot = participant(service)
    for _ in range(3):
        robot.answer_one()
    last = robot.screen
    first = answer(robot)
    again = answer(robot)
    assert first["trial"] == again["trial"] != last["trial"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"value": "middle"}, "bad_answer"),
        ({"value": ["left"]}, "bad_answer"),
        ({"value": "5"}, "bad_answer"),
        ({"answer": "0" * 32}, "bad_answer"),
        ({"answer": None}, "bad_answer"),
        ({"trial": 7}, "bad_request"),
        ({"trial": "x" * 1000}, "bad_request"),
        ({"response_ms": -1}, "bad_request"),
        ({"response_ms": math.nan}, "bad_request"),
        ({"viewed_ms": True}, "bad_request"),
        ({"viewed_ms": "5"}, "bad_request"),
        ({"pid": "../../etc"}, "bad_pid"),
        ({"pid": 5}, "bad_pid"),
        ({"pid": "somebody-else"}, "not_enrolled"),
        ({"study": "other"}, "not_enrolled"),
        ({"do": "unknown"}, "bad_request"),
    ],
)
def test_bad_requests_are_one_sentence_and_change_nothing(service, store, changes, code):
    robot = participant(service)
    reply = answer(robot, **changes)
    assert reply["code"] == code
    assert reply["error"].endswith(".")
    assert store.answers(version_of(service)) == []


@pytest.mark.parametrize("request_", [None, [], "open", 3, {"do": {"x": 1}}, {"do": "open", "study": []}])
def test_any_request_gets_a_reply(service, request_):
    assert "error" in service.call(request_)


def test_an_unexpected_failure_is_logged_and_told(service, store, caplog, monkeypatch):
    monkeypatch.setattr(store, "find", lambda *args: 1 / 0)
    reply = service.call({"do": "open", "study": "small", "pid": "pid-1", "language": "zh"})
    assert reply == {"error": texts()["zh"]["errors"]["internal"], "code": "internal"}
    assert "ZeroDivisionError" in caplog.text


def test_consent_comes_first(service):
    robot = Robot(service.call)
    robot.ask("open")
    assert say(robot, do="consent")["code"] == "no_consent"
    assert say(robot, do="consent", agreed="yes")["code"] == "no_consent"
    assert say(robot, do="open")["screen"] == "consent"


def test_chinese_from_consent_to_the_end(service):
    robot = participant(service, language="zh-CN")
    assert robot.replies[0]["texts"] == {
        name: text for name, text in texts()["zh"].items() if name != "results"
    }
    assert robot.screen["prompt"].startswith("一个人举起手")
    assert robot.screen["questions"][0]["text"] == "文字"
    robot._base["language"] = "en"  # the language of the session stays what was consented to
    assert robot.ask("open")["language"] == "zh"
    assert say(Robot(service.call, language="fr"), do="open")["language"] == "en"


def test_an_answer_before_the_pictures_were_looked_at_is_refused(tmp_path):
    make_prepared(tmp_path, minimum_view_s=2)
    now = SimpleNamespace(s=100.0)
    store = Store(f"sqlite:///{tmp_path / 'study.db'}", clock=lambda: now.s)
    robot = participant(StudyService(store, Library(tmp_path)))
    assert robot.screen["minimum_view_s"] == 2
    now.s += 1.9
    assert answer(robot)["code"] == "too_early"
    now.s += 0.2
    assert answer(robot)["screen"] == "same"
    assert robot.ask("open")["minimum_view_s"] == 0  # the rest of this pair needs no second look
    store.close()


def test_ratings_are_asked_of_both_pictures(tmp_path, store):
    both = {"en": "text", "zh": "文字"}
    questions = [
        {"name": "better", "text": both, "options": ["left", "right"], "checked": True},
        {"name": "real", "kind": "rating", "text": both, "low": both, "high": both},
    ]
    make_prepared(tmp_path, questions=questions)
    robot = participant(StudyService(store, Library(tmp_path)))
    asked = robot.screen["questions"]
    assert [(q["kind"], q["side"]) for q in asked] == [
        ("pairwise", ""),
        ("rating", "left"),
        ("rating", "right"),
    ]
    assert asked[0]["options"] == ["left", "right"]
    assert answer(robot, value="tie")["code"] == "bad_answer"
    robot.answer_one()
    assert answer(robot, value="6")["code"] == "bad_answer"
    robot.finish()
    assert robot.screen["screen"] == "done"


def test_prolific_participants_get_their_code_at_the_end_only(tmp_path, store):
    make_prepared(tmp_path, prolific={"completion_code": "C0FFEE42"})
    service = StudyService(store, Library(tmp_path))
    robot = participant(service, pid="5f3a8c1e9b0d4c2a7e6f1234", source="prolific")
    assert not any("C0FFEE42" in json.dumps(reply) for reply in robot.replies)
    robot.finish()
    assert robot.screen["code"] == "C0FFEE42"
    assert robot.screen["url"] == "https://app.prolific.com/submissions/complete?cc=C0FFEE42"
    other = participant(service)
    other.finish()
    assert "code" not in other.screen


def test_a_study_closes_when_enough_have_finished(tmp_path, store):
    make_prepared(tmp_path, participants=1)
    service = StudyService(store, Library(tmp_path))
    early = participant(service)
    first = participant(service)
    first.finish()
    late = Robot(service.call)
    assert late.ask("open")["screen"] == "full"
    assert late.ask("consent", agreed=True)["screen"] == "full"
    early.finish()  # who has begun may finish
    assert early.screen["screen"] == "done"


def test_who_began_with_a_version_ends_with_it(tmp_path, store):
    first = make_prepared(tmp_path)
    service = StudyService(store, Library(tmp_path))
    robot = participant(service)
    make_prepared(tmp_path, debriefing={"en": "New words.", "zh": "新的话。"})
    robot.finish()
    assert robot.screen["debriefing"] == "That was it."
    assert len(store.people(first.version)) == 1
    other = participant(service)
    other.finish()
    assert other.screen["debriefing"] == "New words."


def test_withdrawing_leaves_nothing_to_come_back_to(service, store):
    robot = participant(service)
    robot.answer_one()
    version = version_of(service)
    assert robot.ask("withdraw")["screen"] == "withdrawn"
    assert robot.ask("withdraw")["screen"] == "withdrawn"
    assert store.answers(version) == []
    assert store.people(version) == []
    assert robot.ask("open")["screen"] == "consent"


# --- the owner ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["results", "export", "power"])
@pytest.mark.parametrize("token", [None, "", "wrong", 7, ["secret-token"]])
def test_results_need_the_token(service, store, root, do, token):
    assert service.call({"do": do, "token": token, "study": "small"})["code"] == "bad_token"
    closed = StudyService(store, Library(root), token=None)
    assert closed.call({"do": do, "token": token})["code"] == "no_owner_token"


def test_results_are_live(service):
    before = service.call({"do": "results", "token": "secret-token"})
    participant(service).finish()
    after = service.call({"do": "results", "token": "secret-token"})
    assert (before["answers"], after["answers"]) == (0, 14)
    assert before["html"] != after["html"]
    assert after["versions"] == [after["version"]]


def test_the_owners_exports_and_power(service):
    participant(service).finish()
    base = {"token": "secret-token", "study": "small"}
    csv = service.call({**base, "do": "export", "format": "csv"})
    assert csv["name"].endswith(".csv")
    assert len(csv["text"].splitlines()) == 15
    assert "| chosen |" in service.call({**base, "do": "export", "format": "codebook"})["text"]
    assert service.call({**base, "do": "export", "format": "exe"})["code"] == "bad_request"
    assert (
        "77 decided votes"
        in service.call({**base, "do": "power", "share": "0.67", "power": "0.8", "ties": 0})["html"]
    )
    assert service.call({**base, "do": "power", "share": "x", "power": 1, "ties": 0})["code"] == "bad_request"
    assert service.call({**base, "do": "results", "version": "../.."})["code"] == "no_version"
