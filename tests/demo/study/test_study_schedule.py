"""The design over 1,000 participants, with and without drop-outs."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import pytest

from demo.study.schedule import Design, Trial, block, first_free, round_robin

PARTICIPANTS = 1000


def design(methods: int, stimuli: int, comparisons: int = 9, against: str | None = None) -> Design:
    names = tuple(f"m{i}" for i in range(methods))
    items = tuple(f"s{i}#0" for i in range(stimuli))
    pairs = tuple(p for p in itertools.combinations(names, 2) if against is None or against in p)
    return Design(
        methods=names, pairs=pairs, stimuli=items, breakable=((names[0], items[0]), (names[-1], items[-1])),
        comparisons=comparisons, identical=1, broken=1, repeated=1, seed=7,
    )  # fmt: skip


def main(trials: Iterable[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.kind == "main"]


def spread(counts: Counter, keys: Iterable) -> int:
    values = [counts[key] for key in keys]
    return max(values) - min(values)


@pytest.mark.parametrize("count", [2, 3, 6, 9])
def test_round_robin_has_every_pair_once_and_no_method_twice_a_round(count):
    pairs = round_robin([str(i) for i in range(count)])
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(p) for p in itertools.combinations(map(str, range(count)), 2)
    }
    assert len(pairs) == count * (count - 1) // 2
    for start in range(0, len(pairs), count // 2):
        met = list(itertools.chain.from_iterable(pairs[start : start + count // 2]))
        assert len(met) == len(set(met))


@pytest.mark.parametrize("shape", [(10, 12), (9, 12), (5, 6), (4, 7), (3, 4), (2, 5)])
def test_pairs_sides_and_stimuli_are_balanced_over_1000_participants(shape):
    d = design(*shape)
    trials = [trial for slot in range(PARTICIPANTS) for trial in main(block(d, slot))]
    pairs = Counter(frozenset((t.left, t.right)) for t in trials)
    sides = Counter((t.left, t.right) for t in trials)
    stimuli = Counter((frozenset((t.left, t.right)), t.stimulus) for t in trials)
    assert len(trials) == PARTICIPANTS * d.comparisons
    assert spread(pairs, map(frozenset, d.pairs)) <= 1
    assert max(abs(sides[a, b] - sides[b, a]) for a, b in d.pairs) <= 1
    assert spread(stimuli, ((frozenset(p), s) for p in d.pairs for s in d.stimuli)) <= 1


def test_balance_holds_after_every_number_of_participants():
    d = design(5, 6)
    pairs, sides = Counter(), Counter()
    for slot in range(200):
        for trial in main(block(d, slot)):
            pairs[frozenset((trial.left, trial.right))] += 1
            sides[trial.left, trial.right] += 1
        assert spread(pairs, map(frozenset, d.pairs)) <= 1
        assert max(abs(sides[a, b] - sides[b, a]) for a, b in d.pairs) <= 1


def test_methods_come_early_and_late_equally():
    d = design(10, 12)
    places = defaultdict(list)
    for slot in range(PARTICIPANTS):
        for place, trial in enumerate(main(block(d, slot))):
            places[trial.left].append(place)
            places[trial.right].append(place)
    for method, values in places.items():
        error = np.std(values) / len(values) ** 0.5
        assert abs(np.mean(values) - 4) < 4 * error, method


def test_balance_with_drop_outs():
    """One in four leaves somewhere; the slot goes to a newcomer, and what was answered stays."""
    d = design(10, 12)
    rng = random.Random(1)
    finished: set[int] = set()
    answered: list[Trial] = []
    for _ in range(PARTICIPANTS):
        slot = first_free(finished)
        trials = block(d, slot)
        if rng.random() < 0.25:
            answered += main(trials[: rng.randrange(len(trials))])
        else:
            finished.add(slot)
            answered += main(trials)
    assert finished == set(range(len(finished)))
    pairs = Counter(frozenset((t.left, t.right)) for t in answered)
    counts = np.array([pairs[frozenset(p)] for p in d.pairs])
    lefts = Counter(t.left for t in answered)
    shares = [lefts[m] / sum(m in (t.left, t.right) for t in answered) for m in d.methods]
    whole = Counter(frozenset((t.left, t.right)) for slot in finished for t in main(block(d, slot)))
    assert spread(whole, map(frozenset, d.pairs)) <= 1
    assert counts.std() / counts.mean() < 0.04  # drawn at random it would be 0.075
    assert max(abs(share - 0.5) for share in shares) < 0.02


def test_one_method_against_the_others():
    d = design(6, 5, against="m2")
    trials = [trial for slot in range(300) for trial in main(block(d, slot))]
    assert all("m2" in (t.left, t.right) for t in trials)
    assert spread(Counter(frozenset((t.left, t.right)) for t in trials), map(frozenset, d.pairs)) <= 1


@pytest.mark.parametrize("slot", range(30))
def test_a_block_has_its_checks_and_no_stimulus_twice(slot):
    d = design(10, 12)
    trials = block(d, slot)
    assert Counter(t.kind for t in trials) == {
        "training": 1, "main": 9, "identical": 1, "broken": 1, "repeated": 1
    }  # fmt: skip
    assert trials[0].kind == "training"
    assert trials[1].kind == "main"
    assert len({t.stimulus for t in main(trials)}) == 9
    repeat = next(t for t in trials if t.kind == "repeated")
    original = next(
        t
        for t in main(trials)
        if (t.stimulus, t.left, t.right) == (repeat.stimulus, repeat.right, repeat.left)
    )
    assert trials.index(repeat) - trials.index(original) > 2
    broken = next(t for t in trials if t.kind == "broken")
    assert broken.left == broken.right
    assert broken.broken in ("left", "right")


def test_the_schedule_is_a_function_of_the_seed():
    d = design(5, 6)
    assert block(d, 3) == block(design(5, 6), 3)
    assert block(d, 3) != block(Design(**{**d.__dict__, "seed": 8}), 3)


def test_first_free_fills_gaps():
    assert first_free([]) == 0
    assert first_free([0, 1, 3]) == 2
    assert first_free([1, 2]) == 0
