"""A small study, an engine that draws without weights, and participants made of code: for the tests only."""

from __future__ import annotations

import random
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from demo.study.definition import Study, parse
from demo.study.prepare import prepare
from demo.study.prepared import Prepared
from engine.types import Plan, Request, Result, SamplerSpec

METHODS = ("sd", "controlnet", "hand1000")
HAND = {"side": "right", "transl": [0.0, 0.0, 0.45]}
CAMERA = {"K": [[120, 0, 64], [0, 120, 64], [0, 0, 1]], "width_px": 128, "height_px": 128}
HAND_BOX = (30.0, 30.0, 100.0, 100.0)  # px, where the stand-in engine draws


def definition(**changes: Any) -> dict[str, Any]:
    """A valid definition as plain data: three methods, four items, one question shown beside a mesh."""
    both = {"en": "text", "zh": "文字"}
    data: dict[str, Any] = {
        "name": "small",
        "title": {"en": "A small study", "zh": "一项小研究"},
        "about": {"en": "You compare pictures.", "zh": "您将比较图片。"},
        "contact": "study@example.org",
        "consent": {"version": "1", "text": {"en": "I take part.", "zh": "我参加。"}},
        "debriefing": {"en": "That was it.", "zh": "结束了。"},
        "methods": list(METHODS),
        "items": [
            {
                "name": f"item{i}",
                "prompt": f"a person raises a hand, number {i}",
                "translations": {"zh": f"一个人举起手，第 {i} 号"},
                "hands": [HAND],
                "camera": CAMERA,
            }
            for i in range(4)
        ],
        "size_px": 128,
        "questions": [
            {"name": "text", "text": both, "shows": "prompt"},
            {"name": "hand", "text": both, "shows": "hand", "checked": True},
        ],
        "trials": 6,
        "minimum_view_s": 0,
    }
    return data | changes


def study(**changes: Any) -> Study:
    return parse(definition(**changes), "small.yaml")


class StandInEngine:
    """The part of the engine's contract that `prepare` uses. Every method's picture is different noise."""

    profile = SimpleNamespace(sampler=SamplerSpec(steps=2))

    def __init__(self, unavailable: tuple[str, ...] = ()):
        self.drawn: list[Plan] = []
        self._unavailable = unavailable

    def availability(self, method: str) -> SimpleNamespace:
        ok = method not in self._unavailable
        return SimpleNamespace(ok=ok, reason="" if ok else "its weights are not here", command=None)

    def plan(self, method: str, request: Request) -> Plan:
        return Plan(
            method=method, weights=method, text=request.prompt, init=None, seed=request.seed,
            size=request.size, sampler=request.sampler,
        )  # fmt: skip

    def result(self, plan: Plan) -> Result:
        self.drawn.append(plan)
        rng = np.random.default_rng(int(plan.key()[:8], 16))
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        return Result(plan=plan, image=coarse.repeat(plan.size[0] // 8, 0).repeat(plan.size[1] // 8, 1))


def make_prepared(root: Path, **changes: Any) -> Prepared:
    return prepare(study(**changes), StandInEngine(), root, find_hand=lambda image: HAND_BOX)


class Robot:
    """A participant: consents, answers with `choose`, and remembers what the server confirmed."""

    def __init__(self, call: Any, name: str = "small", seed: int = 0, **request: Any):
        self._call, self._rng = call, random.Random(seed)
        self._base = {"study": name, "pid": secrets.token_hex(16), "language": "en", **request}
        self.confirmed: dict[str, str] = {}  # answer's id -> value
        self.replies: list[dict[str, Any]] = []
        self.screen: dict[str, Any] = {}

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        reply = self._call({**self._base, "do": do, **request})
        self.replies.append(reply)
        assert "error" not in reply, reply
        if reply["screen"] != "same":
            self.screen = reply
        return reply

    def enter(self) -> None:
        if self.ask("open")["screen"] == "consent":
            self.ask("consent", agreed=True)

    def choose(self, question: dict[str, Any]) -> str:
        values = "12345" if question["kind"] == "rating" else question["options"]
        return self._rng.choice(list(values))

    def answer_one(self) -> None:
        """One answer, or the way on from the practice pair."""
        if self.screen["screen"] == "ready":
            self.ask("open")
        question = self.screen["questions"][0]
        value, trial = self.choose(question), self.screen["trial"]
        reply = self.ask(
            "answer", trial=trial, answer=question["answer"], value=value, response_ms=1500, viewed_ms=2000
        )
        self.confirmed[question["answer"]] = value
        if reply["screen"] == "same":
            self.screen["questions"].pop(0)

    def finish(self, at_most: int = 10_000) -> None:
        for _ in range(at_most):
            if self.screen["screen"] == "done":
                return
            self.answer_one()
