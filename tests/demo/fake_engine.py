"""An engine that obeys the real one's contract and draws in microseconds: for tests of the screen only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from demo.gallery import Gallery
from demo.services import Services
from engine.hand.gesture import CAMERA, Gesture
from engine.methods.base import STRENGTH, Method, Param, base
from engine.types import HandPose, Plan, Request, Result, SamplerSpec, Step, UserError

SIZE = (96, 64)  # (height_px, width_px): not square, so that swapped axes show


def method(name: str, *params: Param, **fields: Any) -> Method:
    """A method that plans as plain SD does."""

    def plan(request: Request, **given: Any) -> Plan:
        if not request.prompt:
            raise UserError("Please write a prompt first.", code="empty_prompt")
        return replace(base(request, name), weights=f"unet-{name}-{sorted(given.items())}")

    words = {"en": f"About {name}.", "zh": f"关于 {name}。"}
    return Method(
        name=name,
        title={"en": name.upper(), "zh": f"{name} 法"},
        summary=words,
        changes=words,
        source=words,
        differs=words,
        plan=plan,
        params=params,
        **fields,
    )


CATALOGUE = {
    "sd": method("sd"),
    "controlnet": method("controlnet", STRENGTH, needs=("hands",)),
    "sesahand": method("sesahand", replace(STRENGTH, name="boost"), baseline=False),
    "absent": method("absent"),
}


@dataclass(frozen=True)
class Profile:
    name: str = "tiny"
    title: Any = "Tiny"
    note: Any = "Random weights, for tests."
    size: tuple[int, int] = SIZE
    sampler: SamplerSpec = field(default_factory=lambda: SamplerSpec(steps=8))


@dataclass(frozen=True)
class Availability:
    ok: bool
    reason: str = ""
    command: str = ""


class FakeEngine:
    """Pictures are a function of the plan alone. `step_s` slows it down, `fails` names methods that break."""

    def __init__(self, *, step_s: float = 0.0, fails: tuple[str, ...] = ()):
        self.profile = Profile()
        self.step_s, self.fails = step_s, fails
        self.known: dict[str, Result] = {}
        self.opened = self.closed = 0  # runs begun, and runs ended in whatever way
        self.busy = self.busiest = 0  # runs at the same time

    def plan(self, method: str, request: Request, **params: Any) -> Plan:
        return CATALOGUE[method].plan(request, **params)

    def availability(self, method: str, gesture: str = "ok", *, token: str | None = None) -> Availability:
        if method == "absent":
            return Availability(False, "Its weights are not here.", "python -m engine.train absent")
        return Availability(True)

    def cached(self, plan: Plan) -> Result | None:
        known = self.known.get(plan.key())
        return replace(known, cached=True) if known else None

    def run(
        self, plan: Plan, previews_every: int = 4, *, token: str | None = None
    ) -> Iterator[Step | Result]:
        self.opened += 1
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            image = picture(plan)
            for index in range(plan.sampler.steps):
                time.sleep(self.step_s)
                if plan.method in self.fails:
                    raise RuntimeError("broken on purpose")
                shown = (index + 1) % previews_every == 0
                yield Step(index=index, total=plan.sampler.steps, preview=image // 2 if shown else None)
            self.known[plan.key()] = result(plan)
            yield self.known[plan.key()]
        finally:
            self.busy -= 1
            self.closed += 1

    def result(self, plan: Plan) -> Result:
        return self.cached(plan) or [*self.run(plan)][-1]


def picture(plan: Plan) -> np.ndarray:
    """(H, W, 3): a picture of its own for every plan."""
    height, width = plan.size
    rng = np.random.default_rng(int(plan.key()[:8], 16))
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    tint = rng.uniform(60, 255, 3)
    return ((across * 0.5 + down * 0.5)[..., None] * tint).astype(np.uint8)


def result(plan: Plan) -> Result:
    """With everything that the views can show."""
    words = (*plan.text.text.split(), "hand")
    rng = np.random.default_rng(0)
    heat = rng.dirichlet(np.ones(len(words)), (12, 8)).transpose(2, 0, 1).astype(np.float32)
    steps = plan.sampler.steps
    return Result(
        plan=plan,
        image=picture(plan),
        words=words,
        heat=heat,
        heat_sites={"down.0": heat, "up.1": heat[:, ::-1]},
        heat_steps=rng.dirichlet(np.ones(len(words)), steps).astype(np.float32),
        hand_words=(len(words) - 1,),
        hints={"mesh": picture(plan)[::-1]},
        self_map=np.eye(16, dtype=np.float32) if plan.method == "sesahand" else None,
        text_parts={"prompt": plan.text.text, "final": f"{plan.text.text}, hand"},
        seconds=0.25,
        weights_hash="none",
    )


HAND = HandPose(hand_pose=tuple(0.01 * i for i in range(45)), transl=(0.0, 0.0, 0.4))


def gestures(folder: Path) -> dict[str, Gesture]:
    """Two gestures with pictures in `folder`."""
    from PIL import Image

    out = {}
    for name, zh, group, hand in (
        ("ok", "好的", "hagrid", HAND),
        ("fist", "拳头", "more", replace(HAND, betas=(1.0, *(0.0,) * 9))),
    ):
        Image.new("RGB", (40, 40), "white").save(folder / f"{name}.webp")
        out[name] = Gesture(
            name=name,
            title={"en": name.capitalize(), "zh": zh},
            phrase=f"making {name} hand gesture",
            group=group,
            hand=hand,
            camera=CAMERA,
            portrait=hand,
            thumbnail=folder / f"{name}.webp",
            tags=("number",),
        )
    return out


def services(folder: Path, engine: FakeEngine | None, gallery: Path | None = None) -> Services:
    """Services around `engine`; files go to and come from `folder`."""
    return Services(
        engine=engine,
        catalogue=CATALOGUE,
        gestures=gestures(folder),
        gallery=Gallery(CATALOGUE, gallery or folder / "gallery"),
        prompts=({"text": "a woman in a red shirt"},),
        results_folder=folder / "results",
    )


def page_of(world: Services) -> Any:
    """The Compare page, assembled as the application does."""
    import gradio as gr

    from demo.components.translated import Translated
    from demo.pages.compare import create_compare_page
    from demo.session import Session

    with gr.Blocks():
        state, memory = gr.State(Session()), gr.BrowserState(storage_key="k", secret="s")
        return create_compare_page(world, Translated(), state, memory)
