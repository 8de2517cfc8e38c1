"""How large a study must be: from a preference worth finding to a number of participants."""

from __future__ import annotations

import math
from dataclasses import dataclass

from demo.study.statistics import Estimate, power, votes_needed, wilson
from engine.types import UserError

ALIKE = 0.1  # assumed correlation between one participant's votes on a pair, until a pilot says


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    share: float  # the true preference to find
    wanted: float  # the chance to find it
    ties: float  # share of answers that decide nothing
    votes: int  # decided votes a pair, if independent
    reached: float  # the power of exactly so many
    interval: Estimate  # what Wilson's interval will look like
    pairs: int
    comparisons: int  # a participant's
    effect: float  # design effect: how many times the votes that makes
    participants: int  # for so many votes in every pair


def plan_study(
    *, share: float, wanted: float, ties: float, comparisons: int, pairs: int, alike: float = ALIKE
) -> StudyPlan:
    """For the two-sided sign test of each pair at 5 %; comparisons spread evenly over the pairs."""
    if not (0.55 <= share <= 0.99 and 0.5 <= wanted <= 0.99 and 0 <= ties <= 0.95 and 0 <= alike <= 1):
        raise UserError(
            "Give a share from 0.55 to 0.99, a power from 0.5 to 0.99, ties from 0 to 0.95.", code="bad_power"
        )
    votes = votes_needed(share, wanted)
    each = (1 - ties) * comparisons / pairs  # decided votes that a participant casts on one pair
    effect = 1 + max(0.0, each - 1) * alike
    return StudyPlan(
        share=share,
        wanted=wanted,
        ties=ties,
        votes=votes,
        reached=power(share, votes),
        interval=wilson(share * votes, votes),
        pairs=pairs,
        comparisons=comparisons,
        effect=effect,
        participants=math.ceil(votes * effect / each),
    )
