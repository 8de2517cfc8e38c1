"""From the answers to the numbers of the results page: pure, so that an export gives what the page gives."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from demo.study.definition import Question, said
from demo.study.export import Dataset, Row
from demo.study.statistics import (
    Estimate,
    agreement,
    bradley_terry,
    clustered_mean,
    clustered_wilson,
    holm,
    sign_test,
)

SIDES = ("left", "right")
UNDECIDED = ("tie", "both_bad")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """How often `first` was preferred to `second`."""

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: Estimate  # of the votes for first; ties as the study's definition says
    p: float  # two-sided exact binomial test of the decided votes
    p_holm: float  # adjusted for the number of pairs of this question


@dataclass(frozen=True, kw_only=True)
class Rank:
    """One method over all its comparisons."""

    method: str
    share: Estimate  # preferred, of its comparisons
    strength: Estimate  # Bradley-Terry, log scale, mean 0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Everything about one question."""

    question: str
    text: str  # as it was asked, in English where there is English
    kind: str
    votes: int
    pairs: tuple[Pair, ...]  # of a pairwise question
    ranking: tuple[Rank, ...]  # best first
    ratings: tuple[tuple[str, Estimate], ...]  # (method, mean of 1 to 5), of a rating, best first
    by_item: dict[str, dict[str, tuple[float, int]]]  # item -> method -> (share or mean, votes)
    left_share: Estimate | None  # of the decided votes that went left: a half without a bias to a side
    alpha: float  # Krippendorff's
    seconds: tuple[float, float, float]  # lower quartile, median, upper quartile of the response time


class Reason(NamedTuple):
    """Why somebody is left out: the rule (a key of texts.yaml's results.reasons) and its number."""

    rule: Literal["unfinished", "checks", "fast", "side"]
    value: float


@dataclass(frozen=True, kw_only=True)
class Analysis:
    study: str
    version: str
    methods: tuple[str, ...]
    ties: str
    enrolled: int
    finished: int
    withdrawn: int
    excluded: dict[str, Reason]  # by participant
    checks: dict[str, tuple[int, int]]  # kind -> (passed, given); of everyone
    consistent: tuple[int, int]  # of the answers to repeated pairs: (the same as before, all)
    seconds: tuple[int, ...]  # response times to main pairs, rounded, of those included
    axes: tuple[Axis, ...]


def analyse(data: Dataset, rounds: int = 1000) -> Analysis:
    """All results of one version; `rounds` of bootstrap."""
    excluded = exclusions(data)
    rows = [row for row in data.rows if row.participant not in excluded]
    main = [row for row in rows if row.kind == "main"]
    return Analysis(
        study=data.study.name,
        version=data.version,
        methods=data.methods,
        ties=data.study.ties,
        enrolled=len(data.people),
        finished=sum(person.finished for person in data.people),
        withdrawn=data.withdrawn,
        excluded=excluded,
        checks=_checks(data),
        consistent=_consistency(rows),
        seconds=tuple(sorted(round(row.response_ms / 1000) for row in main)),
        axes=tuple(
            _axis(data, question, [row for row in main if row.question == question.name], rounds)
            for question in data.study.questions
        ),
    )


# --- who counts ---------------------------------------------------------------------------------------


def passed(row: Row, question: Question) -> bool | None:
    """Whether an answer passes its attention check; None where it is none."""
    if question.kind == "rating":
        return None
    if row.kind == "identical" and set(UNDECIDED) & set(question.options):
        return row.value in UNDECIDED
    if row.kind == "broken" and question.checked:
        return row.value in SIDES and row.value != row.broken
    return None


def exclusions(data: Dataset) -> dict[str, Reason]:
    """participant -> the pre-registered rule that leaves them out."""
    rules = data.study.exclusion
    questions = {question.name: question for question in data.study.questions}
    answers: dict[str, list[Row]] = defaultdict(list)
    for row in data.rows:
        if row.kind != "training":
            answers[row.participant].append(row)
    out = {}
    for person in data.people:
        rows = answers[person.participant]
        failed = {row.position for row in rows if passed(row, questions[row.question]) is False}
        decided = [row.value for row in rows if row.value in SIDES]
        if rules.unfinished and not person.finished:
            out[person.participant] = Reason("unfinished", 0)
        elif rules.failed_checks_over is not None and len(failed) > rules.failed_checks_over:
            out[person.participant] = Reason("checks", len(failed))
        elif (
            rows
            and rules.median_response_under_s is not None
            and (np.median([row.response_ms for row in rows]) < 1000 * rules.median_response_under_s)
        ):
            out[person.participant] = Reason("fast", rules.median_response_under_s)
        elif (
            len(decided) >= 10
            and rules.same_side_share_over is not None
            and (max(Counter(decided).values()) / len(decided) > rules.same_side_share_over)
        ):
            out[person.participant] = Reason("side", 100 * rules.same_side_share_over)
    return out


def _checks(data: Dataset) -> dict[str, tuple[int, int]]:
    questions = {question.name: question for question in data.study.questions}
    results: dict[str, list[bool]] = {"identical": [], "broken": []}
    for row in data.rows:
        result = passed(row, questions[row.question])
        if result is not None:
            results[row.kind].append(result)
    return {kind: (sum(values), len(values)) for kind, values in results.items()}


def _consistency(rows: Iterable[Row]) -> tuple[int, int]:
    """Answers to repeated pairs against those given the first time, sides resolved."""

    def key(row: Row) -> tuple[object, ...]:
        rated = row.chosen if row.side else ""
        return row.participant, row.stimulus, frozenset((row.left, row.right)), row.question, rated

    rows = list(rows)
    first = {key(row): row for row in rows if row.kind == "main"}
    pairs = [(first[key(row)], row) for row in rows if row.kind == "repeated" and key(row) in first]
    same = sum((a.value if a.side else a.chosen) == (b.value if b.side else b.chosen) for a, b in pairs)
    return same, len(pairs)


# --- one question -------------------------------------------------------------------------------------


def _axis(data: Dataset, question: Question, rows: Sequence[Row], rounds: int) -> Axis:
    pairwise = question.kind == "pairwise"
    times = [row.response_ms / 1000 for row in rows]
    quartiles = np.quantile(times, (0.25, 0.5, 0.75)) if times else (math.nan,) * 3
    return Axis(
        question=question.name,
        text=said(question.text),
        kind=question.kind,
        votes=len(rows),
        pairs=_pairs(data, rows) if pairwise else (),
        ranking=_ranking(data, rows, rounds) if pairwise else (),
        ratings=() if pairwise else _ratings(data, rows),
        by_item=_by_item(data, rows, pairwise),
        left_share=_left(rows) if pairwise else None,
        alpha=_alpha(rows, pairwise),
        seconds=tuple(float(q) for q in quartiles),
    )


def _credit(row: Row, method: str, ties: str) -> tuple[float, float]:
    """(won, cast) of one pairwise answer, for one of its methods."""
    if row.chosen in UNDECIDED:
        return (0.5, 1.0) if ties == "half" else (0.0, 0.0)
    return float(row.chosen == method), 1.0


def _share(rows: Iterable[Row], method: str, ties: str) -> Estimate:
    """Preference for `method` in `rows`, participants as clusters."""
    won: dict[str, float] = defaultdict(float)
    cast: dict[str, float] = defaultdict(float)
    for row in rows:
        credit = _credit(row, method, ties)
        won[row.participant] += credit[0]
        cast[row.participant] += credit[1]
    return clustered_wilson(list(won.values()), list(cast.values()))


def _pairs(data: Dataset, rows: Sequence[Row]) -> tuple[Pair, ...]:
    votes: dict[tuple[str, str], list[Row]] = defaultdict(list)
    order = {method: index for index, method in enumerate(data.methods)}
    for row in rows:
        first, second = sorted((row.left, row.right), key=order.__getitem__)
        votes[first, second].append(row)
    tables = [(pair, Counter(row.chosen for row in votes[pair])) for pair in data.study.pairs(data.methods)]
    p_values = [sign_test(count[first], count[second]) for (first, second), count in tables]
    return tuple(
        Pair(
            first=first,
            second=second,
            wins=count[first],
            losses=count[second],
            ties=count["tie"],
            both_bad=count["both_bad"],
            share=_share(votes[first, second], first, data.study.ties),
            p=p,
            p_holm=adjusted,
        )
        for ((first, second), count), p, adjusted in zip(tables, p_values, holm(p_values), strict=True)
    )


def _ranking(data: Dataset, rows: Sequence[Row], rounds: int) -> tuple[Rank, ...]:
    """Methods by Bradley-Terry strength, ties left out or half a win each as everywhere in the study."""
    people = {name: index for index, name in enumerate(sorted({row.participant for row in rows}))}
    index = {method: at for at, method in enumerate(data.methods)}
    wins = np.zeros((len(people), len(index), len(index)))
    for row in rows:
        for winner, loser in ((row.left, row.right), (row.right, row.left)):
            won, _ = _credit(row, winner, data.study.ties)
            wins[people[row.participant], index[winner], index[loser]] += won
    estimates = bradley_terry(wins, rounds, seed=int(data.version[:8], 16))
    ranks = [
        Rank(
            method=method,
            share=_share((row for row in rows if method in (row.left, row.right)), method, data.study.ties),
            strength=estimates[at],
        )
        for method, at in index.items()
    ]
    return tuple(sorted(ranks, key=lambda rank: -rank.strength.value))


def _ratings(data: Dataset, rows: Sequence[Row]) -> tuple[tuple[str, Estimate], ...]:
    sums: dict[str, Counter[str]] = {method: Counter() for method in data.methods}
    counts: dict[str, Counter[str]] = {method: Counter() for method in data.methods}
    for row in rows:
        sums[row.chosen][row.participant] += int(row.value)
        counts[row.chosen][row.participant] += 1
    means = [
        (method, clustered_mean([sums[method][who] for who in counts[method]], list(counts[method].values())))
        for method in data.methods
    ]
    return tuple(sorted(means, key=lambda mean: -np.nan_to_num(mean[1].value)))


def _by_item(data: Dataset, rows: Sequence[Row], pairwise: bool) -> dict[str, dict[str, tuple[float, int]]]:
    table: dict[str, dict[str, tuple[float, int]]] = {}
    for item in data.study.items:
        here = [row for row in rows if row.item == item.name]
        cells = {}
        for method in data.methods:
            if pairwise:
                credits = [
                    _credit(row, method, data.study.ties) for row in here if method in (row.left, row.right)
                ]
                total, count = sum(won for won, _ in credits), sum(cast for _, cast in credits)
            else:
                values = [int(row.value) for row in here if row.chosen == method]
                total, count = sum(values), len(values)
            cells[method] = (total / count if count else math.nan, int(count))
        table[item.name] = cells
    return table


def _left(rows: Sequence[Row]) -> Estimate:
    left, cast = Counter[str](), Counter[str]()
    for row in rows:
        if row.value in SIDES:
            left[row.participant] += row.value == "left"
            cast[row.participant] += 1
    return clustered_wilson([left[who] for who in cast], list(cast.values()))


def _alpha(rows: Sequence[Row], pairwise: bool) -> float:
    """Participants as raters; a unit is a pair on a stimulus, or a method's picture of it."""
    raters: dict[str, dict[object, object]] = defaultdict(dict)
    for row in rows:
        unit = (row.stimulus, frozenset((row.left, row.right)) if pairwise else row.chosen)
        raters[row.participant][unit] = row.chosen if pairwise else int(row.value)
    units = list(dict.fromkeys(itertools.chain.from_iterable(raters.values())))
    return agreement(
        [[answers.get(unit) for unit in units] for answers in raters.values()], ordered=not pairwise
    )
