from __future__ import annotations

import math

import choix
import numpy as np
import pytest
from scipy.stats import binomtest
from study_stand_ins import Population, study

from demo.study import statistics
from demo.study.analysis import analyse
from demo.study.power import plan_study
from demo.study.statistics import (
    agreement,
    bradley_terry,
    clustered_mean,
    clustered_wilson,
    holm,
    power,
    sign_test,
    strengths,
    votes_needed,
    wilson,
)
from engine.types import UserError


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 7), (67, 100), (20, 20)])
def test_wilson_is_scipys(k, n):
    reference = binomtest(k, n).proportion_ci(method="wilson")
    found = wilson(k, n)
    assert found.value == k / n
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))


def test_one_vote_a_participant_is_plain_wilson():
    assert clustered_wilson([1, 0, 1, 1], [1, 1, 1, 1]) == wilson(3, 4)
    assert math.isnan(clustered_wilson([], []).value)


def test_participants_who_always_say_the_same_count_once():
    """Ten people casting ten equal votes each know what ten votes know, not a hundred."""
    people = [10] * 6 + [0] * 4
    clustered = clustered_wilson(people, [10] * 10)
    assert clustered.value == 0.6
    ten = wilson(6, 10)
    assert clustered.high - clustered.low > ten.high - ten.low
    assert clustered.high - clustered.low < 1.25 * (ten.high - ten.low)


def test_clustered_mean_of_equal_clusters_is_students_interval():
    means = np.array([2.0, 3.5, 3.0, 4.5, 2.5])
    found = clustered_mean(means * 4, [4] * 5)
    half = 2.7764 * means.std(ddof=1) / 5**0.5
    assert (found.value, found.low, found.high) == pytest.approx((3.1, 3.1 - half, 3.1 + half), abs=1e-3)


def test_sign_test_and_holm():
    assert sign_test(8, 2) == pytest.approx(binomtest(8, 10).pvalue)
    assert sign_test(0, 0) == 1
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("count", [2, 4, 10])
def test_strengths_are_choixs(count):
    rng = np.random.default_rng(count)
    wins = rng.integers(0, 9, (count, count)) * (1.0 - np.eye(count))
    wins[0] *= 20
    prior = statistics.PRIOR * (1 - np.eye(count))
    reference = choix.ilsr_pairwise_dense(wins + prior, max_iter=100_000, tol=1e-12)
    np.testing.assert_allclose(strengths(wins), reference - reference.mean(), atol=1e-8)
    np.testing.assert_allclose(strengths(np.stack([wins, wins.T]))[1], strengths(wins.T))


def test_bradley_terry_is_wider_with_fewer_people_and_open_with_none():
    wins = np.random.default_rng(0).poisson(1.0, (40, 3, 3)) * (1 - np.eye(3))
    few, many = bradley_terry(wins[:10]), bradley_terry(wins)
    assert all(a.high - a.low > b.high - b.low for a, b in zip(few, many, strict=True))
    assert sum(e.value for e in many) == pytest.approx(0)
    assert bradley_terry(wins) == many
    assert all(math.isinf(e.high) for e in bradley_terry(wins[:0]))


def test_alpha_of_krippendorffs_own_example():
    """Nominal data of two observers and ten units (Krippendorff 2011, section B): 0.095."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert agreement([meg, owen]) == pytest.approx(0.095, abs=1e-3)
    assert agreement([meg, meg]) == 1
    assert math.isnan(agreement([[0, None], [None, 1]]))
    assert agreement([[1, 2, 3, 4], [2, 2, 3, 5]], ordered=True) > agreement([[1, 2, 3, 4], [2, 2, 3, 5]])


def test_power_is_the_chance_to_find():
    rng = np.random.default_rng(0)
    votes = 77
    finds = np.array([sign_test(k, votes - k) <= 0.05 for k in range(votes + 1)])
    found = finds[rng.binomial(votes, 0.67, 3000)].mean()
    assert power(0.67, votes) == pytest.approx(found, abs=0.025)
    assert power(0.5, votes) <= 0.05


@pytest.mark.parametrize(("share", "votes"), [(0.6, 210), (0.67, 77), (0.8, 23)])
def test_votes_needed_keep_the_power_from_there_on(share, votes):
    assert votes_needed(share) == votes
    assert power(share, votes - 1) < 0.8 <= min(power(share, n) for n in range(votes, votes + 60))


def test_a_plan_counts_pairs_ties_and_alikeness():
    plan = plan_study(share=0.67, wanted=0.8, ties=0.2, comparisons=9, pairs=45)
    assert plan.effect == 1
    assert plan.participants == math.ceil(77 / 0.8 * 45 / 9)
    alike = plan_study(share=0.67, wanted=0.8, ties=0.0, comparisons=9, pairs=1, alike=0.5)
    assert alike.effect == 5
    assert alike.participants == math.ceil(77 * 5 / 9)
    with pytest.raises(UserError, match="share from"):
        plan_study(share=0.5, wanted=0.8, ties=0.2, comparisons=9, pairs=45)


# --- do the intervals hold what they say? -------------------------------------------------------------------

METHODS = ("a", "b", "c")


def coverage(studies: int, people: int, taste: float, rounds: int) -> dict[str, float]:
    """Share of intervals that contain the truth, over simulated studies of people who differ by `taste`."""
    population = Population((0.5, 0.0, -0.5), taste=taste)
    truth = population.preference(200_000)
    strength = strengths((truth - np.diag(np.diag(truth))) * 1e7)
    both = {"en": "t", "zh": "t"}
    asked = study(methods=list(METHODS), trials=12, questions=[{"name": "q", "text": both, "checked": True}])
    hits: dict[str, list[bool]] = {"pair": [], "share": [], "strength": [], "independent": []}
    for seed in range(studies):
        (axis,) = analyse(population.study(asked, METHODS, people, seed), rounds).axes
        for pair in axis.pairs:
            true = truth[METHODS.index(pair.first), METHODS.index(pair.second)]
            plain = wilson(pair.wins, pair.wins + pair.losses)
            hits["pair"].append(pair.share.low <= true <= pair.share.high)
            hits["independent"].append(plain.low <= true <= plain.high)
        for rank in axis.ranking:
            at = METHODS.index(rank.method)
            true = np.delete(truth[at], at).mean()
            hits["share"].append(rank.share.low <= true <= rank.share.high)
            hits["strength"].append(rank.strength.low <= strength[at] <= rank.strength.high)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def test_intervals_cover():
    found = coverage(studies=60, people=20, taste=0.8, rounds=150)
    for name in ("pair", "share", "strength"):
        assert 0.90 <= found[name] <= 0.995, found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("taste", [0.0, 0.8])
def test_intervals_cover_at_the_stated_rate(taste):
    found = coverage(studies=1000, people=20, taste=taste, rounds=300)
    for name in ("pair", "share", "strength"):
        assert 0.935 <= found[name] <= 0.98, found
    if taste:  # votes taken as independent: what the design effect is for
        assert found["independent"] < 0.925, found
