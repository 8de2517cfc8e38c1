"""A small study, an engine that draws without weights, and participants made of code: for the tests only."""

from __future__ import annotations

import random
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from demo.study.definition import Study, parse
from demo.study.export import Dataset, Person, Row
from demo.study.prepare import prepare
from demo.study.prepared import Prepared
from demo.study.schedule import Design, Trial, block
from engine.types import Plan, Request, Result, SamplerSpec

METHODS = ("sd", "controlnet", "hand1000")
HAND = {"side": "right", "transl": [0.0, 0.0, 0.45]}
CAMERA = {"K": [[120, 0, 64], [0, 120, 64], [0, 0, 1]], "width_px": 128, "height_px": 128}
VERSION = "0123456789abcdef"
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

    def availability(self, method: str, gesture: str = "ok") -> SimpleNamespace:
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


# --- simulated studies ------------------------------------------------------------------------------------


def design_of(study: Study, methods: tuple[str, ...]) -> Design:
    return Design(
        methods=methods,
        pairs=study.pairs(methods),
        stimuli=study.stimuli,
        breakable=((methods[0], study.stimuli[0]),),
        comparisons=study.comparisons,
        identical=study.catch.identical,
        broken=study.catch.broken,
        repeated=study.catch.repeated,
        seed=study.seed,
    )


class Population:
    """People whose liking of each method is `strengths` plus their own taste; some answers are ties."""

    def __init__(self, strengths: tuple[float, ...], taste: float = 0.8, ties: float = 0.15):
        self.strengths, self.taste, self.ties = np.array(strengths), taste, ties

    def preference(self, draws: int = 20_000) -> np.ndarray:
        """(K, K) true share that prefers row to column among decided answers, over the whole population."""
        rng = np.random.default_rng(123)
        liking = self.strengths + self.taste * rng.standard_normal((draws, len(self.strengths)))
        return (1 / (1 + np.exp(liking[:, None, :] - liking[:, :, None]))).mean(axis=0)

    def study(self, study: Study, methods: tuple[str, ...], people: int, seed: int) -> Dataset:
        """What `people` of them answer, each finishing."""
        rng = np.random.default_rng(seed)
        design = design_of(study, methods)
        rows = []
        for slot in range(people):
            liking = dict(
                zip(methods, self.strengths + self.taste * rng.standard_normal(len(methods)), strict=True)
            )
            for position, trial in enumerate(block(design, slot)):
                for question in study.questions:
                    value = self._answer(trial, liking, rng)
                    rows.append(
                        row(study, trial, question.name, value, participant=f"p{slot:04d}", position=position)
                    )
        return dataset(study, methods, rows)

    def _answer(self, trial: Trial, liking: dict[str, float], rng: np.random.Generator) -> str:
        if trial.kind == "identical":
            return "tie"
        if trial.broken:
            return "left" if trial.broken == "right" else "right"
        if rng.random() < self.ties:
            return "tie"
        return (
            "left" if rng.random() < 1 / (1 + np.exp(liking[trial.right] - liking[trial.left])) else "right"
        )


def row(study: Study, trial: Trial, question: str, value: str, **changes: Any) -> Row:
    """An answer as an export has it."""
    item, seed = trial.stimulus.split("#")
    chosen = {"left": trial.left, "right": trial.right}.get(value, value)
    values: dict[str, Any] = {
        "participant": "p", "slot": 0, "language": "en", "source": "link", "consent_version": "1",
        "position": 1, "kind": trial.kind, "item": item, "seed": int(seed), "prompt": "", "left": trial.left,
        "right": trial.right, "broken": trial.broken or "", "question": question, "question_kind": "pairwise",
        "side": "", "value": value, "chosen": chosen, "response_ms": 2000, "viewed_ms": 3000,
        "answered_at": "2026-01-01T00:00:00+00:00", "study_version": VERSION,
    }  # fmt: skip
    return Row(**values | changes)


def dataset(study: Study, methods: tuple[str, ...], rows: list[Row]) -> Dataset:
    """The rows with the people who gave them, all finished."""
    names = dict.fromkeys(row.participant for row in rows)
    people = [
        Person(participant=name, slot=slot, language="en", source="link", consent_version="1", finished=True)
        for slot, name in enumerate(names)
    ]
    return Dataset(
        study=study, version=VERSION, methods=methods, withdrawn=0, people=tuple(people), rows=tuple(rows)
    )
