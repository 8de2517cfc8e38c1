"""The numbers against a small study counted by hand, and an export against the live page."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from study_stand_ins import Population, Robot, dataset, row, study

from demo.study import export, report
from demo.study.__main__ import main
from demo.study.analysis import Reason, analyse, exclusions
from demo.study.power import plan_study
from demo.study.prepared import Library
from demo.study.schedule import Trial
from demo.study.statistics import wilson
from engine.types import UserError

BOTH = {"en": "text", "zh": "文字"}
PAIRWISE = [{"name": "q", "text": BOTH, "checked": True}]
METHODS = ("a", "b", "c")


def asked(**changes):
    return study(methods=list(METHODS), questions=PAIRWISE, **changes)


def trial(left: str, right: str, kind: str = "main", stimulus: str = "item0#0", broken=None) -> Trial:
    return Trial(kind=kind, stimulus=stimulus, left=left, right=right, broken=broken)


def votes(made, *answers):
    """Rows of (participant, left, right, value)."""
    return [row(made, trial(left, right), "q", value, participant=who) for who, left, right, value in answers]


FIVE = (
    ("p1", "a", "b", "left"),
    ("p2", "b", "a", "right"),
    ("p3", "a", "b", "right"),
    ("p4", "b", "a", "tie"),
    ("p5", "a", "b", "both_bad"),
)  # a : b = 2 : 1, one tie, one both bad


def test_a_pair_counted_by_hand():
    made = asked()
    (axis,) = analyse(dataset(made, METHODS, votes(made, *FIVE)), rounds=50).axes
    ab, ac, _ = axis.pairs
    assert (ab.first, ab.second) == ("a", "b")
    assert (ab.wins, ab.losses, ab.ties, ab.both_bad) == (2, 1, 1, 1)
    assert ab.share == wilson(2, 3)
    assert ab.p == 1
    assert math.isnan(ac.share.value)
    assert axis.ranking[0].method == "a"
    assert axis.by_item["item0"]["a"] == (pytest.approx(2 / 3), 3)
    assert axis.left_share.value == pytest.approx(1 / 3)
    assert axis.votes == 5


def test_ties_as_half_votes():
    made = asked(ties="half")
    (axis,) = analyse(dataset(made, METHODS, votes(made, *FIVE)), rounds=50).axes
    assert axis.pairs[0].share == wilson(3, 5)
    assert axis.by_item["item0"]["b"] == (pytest.approx(2 / 5), 5)


def test_swapping_every_side_changes_no_preference():
    """What a picture's side was must not matter: left and right exchanged, the same methods win."""
    made = asked()
    swap = {"left": "right", "right": "left"}
    mirrored = [(who, right, left, swap.get(value, value)) for who, left, right, value in FIVE]
    (one,) = analyse(dataset(made, METHODS, votes(made, *FIVE)), rounds=50).axes
    (two,) = analyse(dataset(made, METHODS, votes(made, *mirrored)), rounds=50).axes
    assert one.pairs == two.pairs
    assert one.ranking == two.ranking
    assert one.left_share.value == pytest.approx(1 - two.left_share.value)


def test_only_main_pairs_are_preferences():
    made = asked()
    extra = [
        row(made, trial("a", "a", kind, broken=broken), "q", "left", participant="p1", position=position)
        for position, (kind, broken) in enumerate(
            (("training", "right"), ("identical", None), ("broken", "right"))
        )
    ]
    extra.append(row(made, trial("b", "a", "repeated"), "q", "right", participant="p1", position=9))
    result = analyse(dataset(made, METHODS, votes(made, *FIVE) + extra), rounds=50)
    assert result.axes[0].votes == 5
    assert result.checks == {"identical": (0, 1), "broken": (1, 1)}
    assert result.consistent == (1, 1)


def test_ratings_counted_by_hand():
    questions = [*PAIRWISE, {"name": "r", "kind": "rating", "text": BOTH, "low": BOTH, "high": BOTH}]
    made = study(methods=list(METHODS), questions=questions)
    given = [("p1", "left", "5"), ("p1", "right", "2"), ("p2", "left", "4"), ("p2", "right", "3")]
    rows = [
        row(made, trial("a", "b"), "r", value, participant=who, side=side, question_kind="rating",
            chosen={"left": "a", "right": "b"}[side])
        for who, side, value in given
    ]  # fmt: skip
    axis = analyse(dataset(made, METHODS, rows), rounds=50).axes[1]
    assert [(method, mean.value) for method, mean in axis.ratings[:2]] == [("a", 4.5), ("b", 2.5)]
    assert axis.by_item["item0"]["b"] == (2.5, 2)
    assert axis.pairs == ()
    assert 0 < axis.alpha < 1


def rules(made, rows):
    return exclusions(dataset(made, METHODS, rows))


def test_exclusion_by_failed_checks():
    made = asked()
    failed = [
        row(made, trial("a", "a", "identical"), "q", "left", participant="p", position=1),
        row(made, trial("a", "a", "broken", broken="left"), "q", "left", participant="p", position=2),
    ]
    assert rules(made, failed) == {"p": Reason("checks", 2)}
    assert rules(made, failed[:1]) == {}
    passed = [replace(failed[0], value="tie", chosen="tie"), replace(failed[1], value="right")]
    assert rules(made, passed) == {}
    assert rules(asked(exclusion={"failed_checks_over": None}), failed) == {}
    practice = [replace(r, kind="training") for r in failed]
    assert rules(made, practice) == {}


def test_exclusion_by_time_side_and_finishing():
    made = asked()
    fast = [row(made, trial("a", "b"), "q", "left", response_ms=300)]
    assert rules(made, fast) == {"p": Reason("fast", 0.8)}
    same = [row(made, trial("a", "b"), "q", "left", position=i) for i in range(12)]
    assert rules(made, same) == {"p": Reason("side", 95)}
    assert rules(made, same[:9]) == {}  # too few to tell
    strict = asked(exclusion={"unfinished": True})
    data = dataset(strict, METHODS, votes(strict, *FIVE))
    data = replace(data, people=tuple(replace(p, finished=p.participant != "p3") for p in data.people))
    assert exclusions(data) == {"p3": Reason("unfinished", 0)}
    assert analyse(data, rounds=50).axes[0].votes == 4
    assert analyse(data, rounds=50).finished == 4


def test_an_empty_study_has_results_too():
    made = asked()
    result = analyse(dataset(made, METHODS, []), rounds=50)
    assert "No answers yet" in report.html(result)
    assert report.text(result)
    json.dumps(report.as_json(result), allow_nan=False)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_results_speak_both_languages(language):
    made = asked()
    failed = [
        row(made, trial("a", "a", "identical"), "q", "left", participant="p", position=1),
        row(made, trial("a", "a", "broken", broken="left"), "q", "left", participant="p", position=2),
        row(made, trial("a", "b"), "q", "left", participant="q"),
    ]
    html = report.html(analyse(dataset(made, METHODS, failed), rounds=50), language)
    assert ("failed 2 checks" in html) == (language == "en")
    assert ("有 2 次检查未通过" in html) == (language == "zh")
    assert "{" not in html
    plan = plan_study(share=0.67, wanted=0.8, ties=0.2, comparisons=9, pairs=3)
    assert str(plan.participants) in report.power_html(plan, language)
    assert "{" not in report.power_html(plan, language)


def test_the_report_escapes_names():
    made = study(methods=["<b>a</b>", "x&y"], questions=PAIRWISE)
    rows = [row(made, trial("<b>a</b>", "x&y"), "q", "left")]
    html = report.html(analyse(dataset(made, ("<b>a</b>", "x&y"), rows), rounds=50))
    assert "<b>" not in html
    assert "&lt;b&gt;a&lt;/b&gt;" in html


def test_strong_preferences_are_found():
    made = asked(trials=12)
    data = Population((1.5, 0.0, -1.5), taste=0.3, ties=0.1).study(made, METHODS, people=30, seed=3)
    (axis,) = analyse(data, rounds=100).axes
    assert [rank.method for rank in axis.ranking] == ["a", "b", "c"]
    assert all(pair.share.low > 0.5 and pair.p_holm < 0.05 for pair in axis.pairs)
    assert axis.alpha > 0.15


def test_an_export_gives_the_numbers_of_the_page(service, store, root, tmp_path, capsys):
    for seed in range(6):
        robot = Robot(service.call, seed=seed)
        robot.enter()
        robot.finish()
    live = analyse(export.dataset(store, Library(root).get("small")))
    file = tmp_path / "export.json"
    file.write_text(service.call({"do": "export", "token": "secret-token", "format": "json"})["text"])
    assert analyse(export.read(file)) == live
    assert main(["analyse", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report.as_json(live)))
    assert main(["analyse", str(file)]) == 0
    assert capsys.readouterr().out == report.text(live)


def test_the_csv_has_what_was_clicked(service):
    robot = Robot(service.call)
    robot.enter()
    robot.finish()
    text = service.call({"do": "export", "token": "secret-token", "format": "csv"})["text"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["value"] for row in rows) == sorted(robot.confirmed.values())
    for line in rows:
        if line["value"] in ("left", "right"):
            assert line["chosen"] == line[line["value"]]
    book = service.call({"do": "export", "token": "secret-token", "format": "codebook"})["text"]
    assert all(f"| {column} |" in book for column in rows[0])


def test_a_file_that_is_no_export_is_refused(tmp_path):
    file = tmp_path / "x.json"
    for content in ("", "[]", "{}", '{"schema": 1}'):
        file.write_text(content)
        with pytest.raises(UserError, match="not a study's JSON export"):
            export.read(file)
    file.write_text('{"schema": 99}')
    with pytest.raises(UserError, match="schema 99"):
        export.read(file)
    assert main(["analyse", str(tmp_path / "none.json")]) == 2
