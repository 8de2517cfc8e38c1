"""The Engine: plans requests by method, runs any plan through the one loop, keeps the results.

It knows profiles, weights, parts and the cache, and no method. Safe for several threads: all computing
happens under one lock, taken for one step at a time, so that two runs take turns; between two steps nothing
in the models is changed, so a run may be left at any time by closing its iterator.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from engine import validate
from engine.adaptive import Adaptive
from engine.attention import Recorder
from engine.cache import Cache, copy_as
from engine.manifest import Availability, Manifest
from engine.methods import METHODS
from engine.outside import Outside
from engine.remote import Remote
from engine.types import (
    Camera,
    HandPose,
    Plan,
    Request,
    Result,
    Step,
    UserError,
    in_profile,
    sources_of,
    weights_of,
)
from engine.weights import Weights

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from engine.denoise import Denoised
    from engine.hand.gesture import Gesture
    from engine.imagic import Progress, Recipe
    from engine.init import Pictures
    from engine.methods import Method
    from engine.structure import ControlBranch
    from engine.text import TextCond
    from engine.weights import Models

logger = logging.getLogger(__name__)
SHARED = ("vae", "text", "scheduler")  # entries every plan of a profile runs on


class Engine:
    """One a process. `device` None: a GPU if there is one; `cache_dir` None: results in memory only."""

    def __init__(
        self,
        profile: str = "embedded",
        *,
        device: str | None = None,
        cache_dir: str | Path | None = None,
        assets: str | Path | None = None,
    ):
        self.manifest = Manifest(Path(assets) if assets else None)
        self.profile = self.manifest.profile(profile)
        self.weights = Weights(self.manifest, profile, device=device)
        self.cache = Cache(Path(cache_dir) if cache_dir else None)
        self._lock = threading.Lock()

    # --- plan -----------------------------------------------------------------------------------------

    def plan(self, method: str, request: Request, **params: Any) -> Plan:
        """What `method` would do with the request; UserError when the request does not fit."""
        chosen = _method(method)
        params = validate.check_params(params, chosen.params)
        request = self._complete(validate.check(request, self.profile), chosen)
        return in_profile(chosen.plan(request, **params), self.profile.name)

    def _complete(self, request: Request, method: Method) -> Request:
        """What the method needs and the request leaves open: gesture from prompt, hands from gesture."""
        if "gesture" in method.needs and request.gesture is None:
            request = replace(request, gesture=self.choose_gesture(request.prompt))
        if request.gesture is not None:
            preset = _gesture(request.gesture)
            if not request.hands:
                request = replace(request, hands=(preset.hand,), camera=preset.camera)
        if "hands" in method.needs and not request.hands:
            raise UserError("This method needs a hand; pose one or pick a gesture.", code="no_hand")
        return request

    def choose_gesture(self, prompt: str) -> str:
        """The gesture whose phrase is in the prompt, else the one whose phrase lies nearest to it.

        Nearest by cosine of the mean token states, as the code that Hand1000's authors left commented out.
        """
        from engine.hand.gesture import load_gestures
        from engine.text import has_phrase

        phrases = {name: gesture.phrase for name, gesture in load_gestures().items()}
        named = [name for name, phrase in phrases.items() if has_phrase(prompt, phrase)]
        if named:
            return max(named, key=lambda name: len(phrases[name]))
        with self._lock:
            return self.weights.component("text").nearest(prompt, phrases)

    def availability(self, method: str, gesture: str = "ok", *, token: str | None = None) -> Availability:
        """Whether the method can run: its weights (for that gesture, where each has its own) or a token."""
        chosen = _method(method)
        if "token" in chosen.needs and not token:
            return Availability(ok=False, reason="This method needs a token of your own for the provider.")
        example = Request(
            prompt="a hand",
            gesture=gesture,
            hands=(HandPose(transl=(0.0, 0.0, 0.5)),),
            camera=Camera.simple(focal_px=self.profile.size[1], width_px=64, height_px=64),
        )
        try:
            plans = [chosen.plan(example, **params) for params in ({}, *chosen.alternatives)]
        except UserError as error:
            return Availability(ok=False, reason=str(error))
        states = [self.manifest.availability(self.profile.name, self._entries(plan)) for plan in plans]
        return next((state for state in states if state.ok), states[0])

    # --- tune ---------------------------------------------------------------------------------------------

    def tune_imagic(
        self,
        name: str,
        picture: np.ndarray,
        prompt: str,
        recipe: Recipe | None = None,
        *,
        method: str = "imagic",
    ) -> Iterator[Progress]:
        """Imagic's two stages on a picture, step by step; at the end its weights are called METHOD/NAME.

        Takes its turn with the runs, step for step. Closing the iterator cancels and leaves nothing behind.
        """
        from engine import imagic

        if not name.replace("-", "").replace("_", "").isalnum():
            raise UserError("A name is made of letters, digits, - and _.", code="bad_name")
        with self._lock:
            base = imagic.BASES[method]
            models = self.weights.models_for(base)
        recipe = recipe or imagic.Recipe()
        job = imagic.tune(models, picture, prompt, recipe)
        try:
            while True:
                try:
                    with self._lock:
                        progress = next(job)
                except StopIteration as end:
                    entry = f"{method}/{name}"
                    folder = self.manifest.made_folder(self.profile.name, entry)
                    imagic.save(folder, end.value, models.unet, base, rank=recipe.rank or 16)
                    self.weights.forget(entry)
                    return
                yield progress
        finally:
            job.close()

    # --- run ------------------------------------------------------------------------------------------

    def key(self, plan: Plan) -> str:
        return plan.key(self._weights_hash(plan))

    def cached(self, plan: Plan) -> Result | None:
        """The result if it was made before, under this plan's label."""
        found = self.cache.get(self.key(plan))
        return copy_as(found, plan) if found else None

    def result(self, plan: Plan, *, token: str | None = None) -> Result:
        """The result, made now if it has to be."""
        *_, last = self.run(plan, previews_every=0, token=token)
        return last

    def run(
        self, plan: Plan, previews_every: int = 4, *, token: str | None = None
    ) -> Iterator[Step | Result]:
        """Steps, every so many with a preview, and at last the Result. Closing the iterator cancels.

        token: a visitor's own, for plans that another machine carries out.
        """
        if isinstance(plan.init, Remote):  # no model of ours, so no turn to wait for
            yield self._remote(plan, token)
            return
        making = self._make(plan, previews_every)
        try:
            while True:
                try:
                    with self._lock:
                        step = next(making)
                except StopIteration as end:
                    yield end.value
                    return
                yield step
        finally:
            making.close()

    def _make(self, plan: Plan, every: int, after: int = 0) -> Generator[Step, None, Result]:
        """Steps of the plans whose pictures this one needs, if any, then its own; returns the Result.

        after: steps that follow, of the plan that starts from this one.
        """
        found = self.cached(plan)
        if found is not None:
            return found
        self._require(plan)
        if isinstance(plan.init, Adaptive):
            return (yield from self._adapt(plan, every))
        pictures, before = {}, 0
        for source in sources_of(plan):
            made = yield from self._make(source, every, after=plan.sampler.steps)
            pictures[source] = made.image
            before += 0 if made.cached else source.sampler.steps
        if isinstance(plan.init, Outside):
            result = yield from self._outside(plan, pictures, before)
        else:
            result = yield from self._denoise(plan, pictures, every, before, after)
        self.cache.put(self.key(plan), result)
        return result

    def _adapt(self, plan: Plan, every: int) -> Generator[Step, None, Result]:
        """The picture of the strength that the plan settles on. Its steps' total is what they may come to."""
        choice, seconds, done, left = plan.init.choose(), 0.0, 0, plan.init.most
        wanted = next(choice)
        while True:
            left -= 1
            making, before = self._make(wanted, every), done
            while True:
                try:
                    step = next(making)
                except StopIteration as end:
                    made: Result = end.value
                    break
                done = before + step.index + 1
                yield replace(step, index=done - 1, total=before + step.total + left * plan.sampler.steps)
            seconds += made.seconds
            try:
                wanted = choice.send(made)
            except StopIteration as end:
                kept: Result = end.value
                break
        result = replace(
            kept, plan=plan, seconds=seconds, weights_hash=self._weights_hash(plan), cached=False
        )
        self.cache.put(self.key(plan), result)
        return result

    def _outside(self, plan: Plan, pictures: Pictures, before: int) -> Generator[Step, None, Result]:
        watch = Stopwatch()
        command = self.weights.entry(plan.init.weights).options["run"]
        making = plan.init.make(plan, command, pictures)
        while True:
            try:
                next(making)
            except StopIteration as end:
                image = end.value
                break
            yield Step(index=before, total=before + 1)
        self._check(image)
        watch.stop()
        return Result(plan=plan, image=image, seconds=watch.seconds, weights_hash=self._weights_hash(plan))

    def _remote(self, plan: Plan, token: str | None) -> Result:
        found = self.cached(plan)
        if found is None:
            watch = Stopwatch()
            image = plan.init.picture(plan, token)
            self._check(image)
            watch.stop()
            found = Result(plan=plan, image=image, seconds=watch.seconds)
            self.cache.put(self.key(plan), found)
        return found

    def _denoise(
        self, plan: Plan, pictures: Pictures, every: int, before: int, after: int
    ) -> Generator[Step, None, Result]:
        watch = Stopwatch()
        run = Run(plan, self.weights.models_for(plan.weights), pictures)
        total = before + len(run.sampler.timesteps) + after
        previews = []
        for step in run.steps():
            wanted = every and (step.index + 1) % every == 0 and before + step.index + 1 < total
            preview = run.preview(step, self.profile.preview) if wanted else None
            previews += [preview] if wanted else []
            watch.stop()
            yield Step(index=before + step.index, total=total, preview=preview)
            watch.start()
        result = run.result()
        self._check(result.image)
        watch.stop()
        return replace(
            result, seconds=watch.seconds, weights_hash=self._weights_hash(plan), previews=tuple(previews)
        )

    def _check(self, image: np.ndarray) -> None:
        if self.profile.safety:
            self.weights.component("safety")(image)

    def _require(self, plan: Plan) -> None:
        state = self.manifest.availability(self.profile.name, self._entries(plan))
        if not state.ok:
            hint = f" Get them with: {state.command}" if state.command else ""
            raise UserError(state.reason + hint, code="weights_missing", command=state.command)

    def _entries(self, plan: Plan) -> tuple[str, ...]:
        shared = (*SHARED, "safety") if self.profile.safety else SHARED
        return tuple(dict.fromkeys((*shared, *weights_of(plan)))) if plan.weights else ()

    def _weights_hash(self, plan: Plan) -> str:
        return self.manifest.fingerprint(self.profile.name, self._entries(plan))


class Run:
    """One plan on its models: the parts made live, the loop, and what they saw."""

    def __init__(self, plan: Plan, models: Models, pictures: Pictures):
        import torch

        from engine import structure
        from engine.sampler import Sampler

        self.plan, self.models, self.pictures = plan, models, pictures
        self.generator = torch.Generator("cpu").manual_seed(plan.seed)
        self.sampler = Sampler(plan.sampler, models.scheduler, models.device)
        with torch.inference_mode():
            self.text: TextCond = plan.text.encode(models)
            size = models.latent_size(plan.size)
            channels = models.vae.config.latent_channels
            noise = torch.randn(1, channels, *size, generator=self.generator).to(models.device, models.dtype)
            self.start = plan.init.start(models, self.sampler, plan.size, noise, pictures)
            rows = self._hand_rows()
            self.controls = [(part, part.bind(rows, size)) for part in plan.attention]
            self.branches: list[ControlBranch] = structure.prepare(
                plan.structure, models, plan.size, self.controls, pictures
            )
        self.last: Denoised | None = None

    @property
    def _guided(self) -> bool:
        return self.plan.sampler.cfg != 1

    def _hand_rows(self) -> Tensor:
        """(rows of the batch, tokens) bool: hand tokens of the conditional row, none of the unconditional."""
        import torch

        mask = self.text.hand_mask().to(self.models.device)
        return torch.cat([torch.zeros_like(mask), mask]) if self._guided else mask

    def steps(self) -> Iterator[Denoised]:
        import torch

        from engine.denoise import denoise

        states = [self.text.uncond, self.text.cond] if self._guided else [self.text.cond]
        loop = denoise(
            self.models.unet,
            self.sampler,
            self.start,
            torch.cat(states).to(self.models.device, self.models.dtype),
            cfg=self.plan.sampler.cfg,
            generator=self.generator,
            branches=self.branches,
            controls=[control for _, control in self.controls],
            precision=self.models.weights.mixed_precision,
        )
        for self.last in loop:
            for _, control in self.controls:
                control.end_step()
            yield self.last

    def preview(self, step: Denoised, matrix: tuple[tuple[float, ...], ...]) -> np.ndarray:
        """(H, W, 3) uint8: the estimate of the end, by the profile's linear map if it has one."""
        return self.models.preview(step.x0, self.plan.size, matrix)

    def result(self) -> Result:
        import torch

        from engine import heat
        from engine.image import to_uint8

        if not torch.isfinite(self.last.latents).all():
            raise UserError(
                "The model lost its way at these settings; lower the guidance scale or change the sampler.",
                code="not_finite",
            )
        with torch.inference_mode():
            image = to_uint8(self.models.decode(self.last.latents))
        seen: dict[str, Any] = {}
        for part, control in self.controls:
            if isinstance(part, Recorder):
                seen = heat.summary(control, self.text.tokens)
        psi = next((branch.psi for branch in self.branches if branch.psi is not None), None)
        return Result(
            plan=self.plan,
            image=self.plan.init.finish(image, self.pictures),
            hints={branch.part.hint: branch.picture for branch in self.branches},
            self_map=None if psi is None else psi[-1].float().cpu().numpy(),
            text_parts=self.text.parts,
            **seen,
        )


class Stopwatch:
    """Seconds of work, without the time a run waits for its caller."""

    def __init__(self):
        self.seconds = 0.0
        self.start()

    def start(self) -> None:
        self._since = perf_counter()

    def stop(self) -> None:
        self.seconds += perf_counter() - self._since


def _gesture(name: str) -> Gesture:
    from engine.hand.gesture import load_gestures

    gestures = load_gestures()
    if name not in gestures:
        raise UserError(f"There is no gesture '{name}'; pick one of the list.", code="bad_gesture")
    return gestures[name]


def _method(name: str) -> Method:
    if name not in METHODS:
        raise UserError(
            f"There is no method '{name}'; choose one of {', '.join(METHODS)}.", code="bad_method"
        )
    return METHODS[name]
