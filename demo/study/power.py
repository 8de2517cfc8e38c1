"""How large a study must be: from a preference worth finding to a number of participants."""

from __future__ import annotations

import math
from dataclasses import dataclass

from demo.study.statistics import Estimate, power, votes_needed, wilson
from engine.types import UserError


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    share: float  # the true preference to find
    wanted: float  # the chance to find it
    ties: float  # share of answers that decide nothing
    votes: int  # decided votes a pair
    reached: float  # the power of exactly so many
    interval: Estimate  # what Wilson's interval will look like
    pairs: int
    comparisons: int  # a participant's
    participants: int  # for so many votes in every pair


def plan_study(*, share: float, wanted: float, ties: float, comparisons: int, pairs: int) -> StudyPlan:
    """For the two-sided sign test of each pair at 5 %; comparisons spread evenly over the pairs."""
    if not (0.5 < share <= 0.99 and 0.5 <= wanted <= 0.99 and 0 <= ties <= 0.95):
        raise UserError(
            "Give a share from 0.51 to 0.99, a power from 0.5 to 0.99 and ties from 0 to 0.95.",
            code="bad_power",
        )
    votes = votes_needed(share, wanted)
    return StudyPlan(
        share=share,
        wanted=wanted,
        ties=ties,
        votes=votes,
        reached=power(share, votes),
        interval=wilson(share * votes, votes),
        pairs=pairs,
        comparisons=comparisons,
        participants=math.ceil(votes / (1 - ties) * pairs / comparisons),
    )
