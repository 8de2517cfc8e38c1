"""Who sees what: a balanced incomplete block design, a pure function of the study and a slot's number.

All participants' comparisons are one endless stream, of which slot `n` takes the n-th window.

cycle        every pair of methods once, in round-robin order, so that neighbours share no method
super-cycle  as many cycles as there are stimuli, and every pair meets every stimulus exactly once
mirror       each super-cycle is followed by itself with the sides swapped; then all is drawn anew

So after any number of participants two pairs differ by at most one showing, and each pair's left and right by
at most one. Inside a window no stimulus comes twice, if there are more of them than comparisons, save where
two super-cycles meet.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Kind = Literal["training", "main", "identical", "broken", "repeated"]
REPEAT_GAP = 2  # trials between a pair and its repetition, at least, where the block is long enough


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One pair as a participant will see it. `broken` is the side whose hand is destroyed."""

    kind: Kind
    stimulus: str
    left: str  # a method
    right: str
    broken: Literal["left", "right"] | None = None


@dataclass(frozen=True, kw_only=True)
class Design:
    """What the schedule needs to know of a study."""

    methods: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    stimuli: tuple[str, ...]
    breakable: tuple[tuple[str, str], ...]  # (method, stimulus) of the pictures with a broken twin
    comparisons: int  # a participant's, without checks
    identical: int = 0
    broken: int = 0
    repeated: int = 0
    seed: int = 0


def round_robin(methods: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of `methods`, round by round; no method stands twice in a round (the circle method)."""
    circle: list[str | None] = [*methods, *([None] if len(methods) % 2 else [])]
    half = len(circle) // 2
    pairs = []
    for _ in range(len(circle) - 1):
        for a, b in zip(circle[:half], reversed(circle[half:]), strict=True):
            if a is not None and b is not None:
                pairs.append((a, b))
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return pairs


@lru_cache(maxsize=64)
def _super_cycle(design: Design, number: int) -> tuple[Trial, ...]:
    """The stream's `number`-th run of len(pairs) * len(stimuli) comparisons."""
    rng = random.Random(f"{design.seed}/{number // 2}")
    methods, stimuli = list(design.methods), list(design.stimuli)
    rng.shuffle(methods)
    rng.shuffle(stimuli)
    wanted = {frozenset(pair) for pair in design.pairs}
    pairs = [pair for pair in round_robin(methods) if frozenset(pair) in wanted]
    swap_first = [rng.random() < 0.5 for _ in pairs]

    count = len(stimuli)
    period = count // math.gcd(len(pairs), count)  # cycles until a pair would meet its first stimulus again
    trials = []
    for cycle in range(count):
        for at, (a, b) in enumerate(pairs):
            stimulus = stimuli[(cycle * len(pairs) + at + cycle // period) % count]
            left, right = (b, a) if (cycle + number + swap_first[at]) % 2 else (a, b)
            trials.append(Trial(kind="main", stimulus=stimulus, left=left, right=right))
    return tuple(trials)


def comparison(design: Design, index: int) -> Trial:
    """The `index`-th comparison of the stream."""
    number, at = divmod(index, len(design.pairs) * len(design.stimuli))
    return _super_cycle(design, number)[at]


def first_free(taken: Iterable[int]) -> int:
    """The slot for the next newcomer: the first that nobody has finished or is at work on."""
    taken = set(taken)
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)


def training(design: Design) -> Trial:
    """The same for everyone: an intact picture beside its broken twin."""
    method, stimulus = design.breakable[0]
    return Trial(kind="training", stimulus=stimulus, left=method, right=method, broken="right")


def block(design: Design, slot: int) -> tuple[Trial, ...]:
    """The trials of the `slot`-th participant in order, training first, checks among them."""
    rng = random.Random(f"{design.seed}/slot/{slot}")
    first = slot * design.comparisons
    trials = [comparison(design, first + i) for i in range(design.comparisons)]
    rng.shuffle(trials)

    early = trials[: max(design.repeated, math.ceil(len(trials) / 2))]
    for original in rng.sample(early, design.repeated):
        earliest = min(trials.index(original) + 1 + REPEAT_GAP, len(trials))
        repeat = replace(original, kind="repeated", left=original.right, right=original.left)
        trials.insert(rng.randint(earliest, len(trials)), repeat)
    for check in [_identical(design, rng) for _ in range(design.identical)]:
        trials.insert(rng.randint(1, len(trials)), check)
    for check in [_broken(design, rng) for _ in range(design.broken)]:
        trials.insert(rng.randint(1, len(trials)), check)
    return (training(design), *trials)


def _identical(design: Design, rng: random.Random) -> Trial:
    method = rng.choice(design.methods)
    return Trial(kind="identical", stimulus=rng.choice(design.stimuli), left=method, right=method)


def _broken(design: Design, rng: random.Random) -> Trial:
    method, stimulus = rng.choice(design.breakable)
    side = rng.choice(("left", "right"))
    return Trial(kind="broken", stimulus=stimulus, left=method, right=method, broken=side)
