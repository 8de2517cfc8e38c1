"""Intervals, tests, rankings, agreement, power: plain functions of numbers.

Answers of one person resemble each other, so votes are not independent wherever a person casts several.
Intervals here are over participants: variances are between participants, and quantiles are Student's with one
degree of freedom less than there are participants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
PRIOR = 0.05  # wins each way added to every pair, so that a method that never won has a strength
_NEWTON_STEPS, _LONGEST_STEP = 60, 2.0  # Newton's first steps overshoot where strengths lie far apart


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval at LEVEL; `n` is what it is the mean of."""

    value: float
    low: float
    high: float
    n: float


def wilson(successes: float, n: float, quantile: float | None = None) -> Estimate:
    """Share of successes with Wilson's score interval (1927). `n` may be an effective number, or 0."""
    from scipy.stats import norm

    if n <= 0:
        return Estimate(value=math.nan, low=0.0, high=1.0, n=0)
    z = float(norm.ppf(0.5 + LEVEL / 2)) if quantile is None else quantile
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Estimate(value=p, low=max(0.0, centre - half), high=min(1.0, centre + half), n=n)


def clustered_wilson(successes: Sequence[float], votes: Sequence[float]) -> Estimate:
    """Share of successes where participant i gave successes[i] of votes[i].

    Where nobody voted twice this is `wilson`. Else n is divided by the design effect, the variance between
    participants over the binomial one (at least 1), and the quantile is Student's: the interval that Dean and
    Pagano (2015) recommend for clustered proportions.
    """
    from scipy.stats import t

    won, cast = np.asarray(successes, float), np.asarray(votes, float)
    won, cast = won[cast > 0], cast[cast > 0]
    n, people = float(cast.sum()), len(cast)
    plain = wilson(float(won.sum()), n)
    if people < 2 or cast.max() <= 1:
        return plain
    p = plain.value
    between = people / (people - 1) * float(np.square(won - p * cast).sum()) / n**2
    binomial = p * (1 - p) / n
    effect = max(1.0, between / binomial) if binomial else 1.0
    effective = wilson(p * n / effect, n / effect, float(t.ppf(0.5 + LEVEL / 2, people - 1)))
    return Estimate(value=p, low=effective.low, high=effective.high, n=n)


def clustered_mean(sums: Sequence[float], counts: Sequence[float]) -> Estimate:
    """Mean rating where participant i gave counts[i] that sum to sums[i]: ratio estimator, Student's t."""
    from scipy.stats import t

    total, count = np.asarray(sums, float), np.asarray(counts, float)
    total, count = total[count > 0], count[count > 0]
    n, people = float(count.sum()), len(count)
    if n == 0:
        return Estimate(value=math.nan, low=math.nan, high=math.nan, n=0)
    mean = float(total.sum()) / n
    if people < 2:
        return Estimate(value=mean, low=math.nan, high=math.nan, n=n)
    error = math.sqrt(people / (people - 1) * float(np.square(total - mean * count).sum())) / n
    half = float(t.ppf(0.5 + LEVEL / 2, people - 1)) * error
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact binomial p of wins against losses under a fair coin; 1 where there are none."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number (Holm 1979), in the order given."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


def bradley_terry(wins: np.ndarray, rounds: int = 1000, seed: int = 0) -> list[Estimate]:
    """Log-strengths, of mean 0, from `wins` (participants, K, K): p preferred i to j wins[p, i, j] times.

    The standard error is the bootstrap's over participants, widened by sqrt(m / (m - 1)) since m participants
    vary less than the people they are drawn from; the interval is Student's. Percentiles would be too narrow.
    """
    from scipy.stats import t

    people, count = wins.shape[0], wins.shape[1]
    best = strengths(wins.sum(axis=0))
    votes = wins.sum(axis=(0, 2)) + wins.sum(axis=(0, 1))
    half = np.full(count, math.inf)
    if people > 2:
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(people, np.full(people, 1 / people), size=rounds)  # (rounds, participants)
        samples = strengths(np.tensordot(weights, wins, axes=1))
        error = samples.std(axis=0, ddof=1) * math.sqrt(people / (people - 1))
        half = float(t.ppf(0.5 + LEVEL / 2, people - 1)) * error
    return [
        Estimate(value=float(b), low=float(b - h), high=float(b + h), n=float(n))
        for b, h, n in zip(best, half, votes, strict=True)
    ]


def strengths(wins: np.ndarray) -> np.ndarray:
    """(..., K) most likely Bradley-Terry log-strengths, of mean 0, given `wins` (..., K, K) and PRIOR.

    Newton's method on the concave log-likelihood, for all matrices at once; choix, the reference that a test
    compares with, takes one at a time.
    """
    count = wins.shape[-1]
    won = wins + PRIOR * (1 - np.eye(count))
    votes = won + np.swapaxes(won, -1, -2)
    theta = np.zeros(wins.shape[:-1])
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))  # that i is preferred to j
        slope = (won - votes * chance).sum(axis=-1)
        curve = -votes * chance * (1 - chance)
        curve[..., range(count), range(count)] = -curve.sum(axis=-1)
        step = np.linalg.solve(curve + 1 / count, slope[..., None])[..., 0]  # 1 / K holds the mean at 0
        theta += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return theta - theta.mean(axis=-1, keepdims=True)


def agreement(units: Sequence[Sequence[object]], ordered: bool = False) -> float:
    """Krippendorff's alpha: a row a participant, a column a unit, None for no answer; nan if undefined."""
    import krippendorff

    values = sorted({value for row in units for value in row if value is not None}, key=str)
    number = {value: index for index, value in enumerate(values)}
    data = np.array([[np.nan if value is None else number[value] for value in row] for row in units], float)
    if len(values) < 2 or not ((~np.isnan(data)).sum(axis=0) > 1).any():
        return math.nan
    level = "ordinal" if ordered else "nominal"
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))


# --- before the study ---------------------------------------------------------------------------------


def power(share: float, votes: int, alpha: float = 1 - LEVEL) -> float:
    """Chance that the sign test of `votes` decided votes finds a true preference of `share`, exactly."""
    from scipy.stats import binom

    counts = np.arange(votes + 1)
    fair = binom.pmf(counts, votes, 0.5)
    least = np.minimum(binom.cdf(counts, votes, 0.5), binom.sf(counts - 1, votes, 0.5))
    return float(binom.pmf(counts, votes, share)[(2 * least <= alpha) & (fair > 0)].sum())


def votes_needed(share: float, wanted: float = 0.8, alpha: float = 1 - LEVEL) -> int:
    """The fewest decided votes from which on `power` stays at `wanted` (it saws, as whole numbers do)."""
    from scipy.stats import norm

    shift = abs(share - 0.5)
    normal = (
        (norm.ppf(1 - alpha / 2) * 0.5 + norm.ppf(wanted) * math.sqrt(share * (1 - share))) / shift
    ) ** 2
    votes = math.ceil(1.2 * normal) + 30  # surely enough
    while votes > 1 and power(share, votes - 1, alpha) >= wanted:
        votes -= 1
    return votes
