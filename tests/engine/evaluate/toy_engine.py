"""Stands in for engine.engine.Engine: methods of the toy world whose pictures have known faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.manifest import Availability
from engine.types import Request, SamplerSpec, UserError
from tests.engine.evaluate import toy_world


@dataclass(frozen=True)
class ToyPlan:
    method: str
    request: Request
    params: dict[str, Any] = field(default_factory=dict)


class ToyEngine:
    """perfect: what was asked. handless: no hand. fussy: refuses left hands. absent: no weights."""

    made: list[str] = []  # keys, over all engines of a test

    def __init__(self, profile: str = "toy", *, cache_dir=None):
        self.profile = SimpleNamespace(name=profile, sampler=SamplerSpec(steps=3))
        self.manifest = SimpleNamespace(fingerprint=lambda profile, entries: "toy")

    def availability(self, method: str) -> Availability:
        return Availability(ok=method != "absent", reason="The weights 'absent' are not here.")

    def plan(self, method: str, request: Request, **params: Any) -> ToyPlan:
        if method == "fussy" and request.hands[0].side == "left":
            raise UserError("Only right hands.")
        return ToyPlan(method, request, params)

    def key(self, plan: ToyPlan) -> str:
        return f"{plan.method} {plan.request.seed} {plan.request.sampler.steps} {plan.params}"

    def result(self, plan: ToyPlan):
        self.made.append(self.key(plan))
        words = plan.request.prompt.split()
        shirt, wall = words[words.index("shirt") - 1], words[words.index("wall.") - 1]
        hands = () if plan.method == "handless" else plan.request.hands
        return SimpleNamespace(image=toy_world.paint(hands, shirt, wall), seconds=0.5)
