"""Runs: a visitor's settings through the engine, column by column, with previews, turns and a real stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from demo.forms import Settings, check_ready
from demo.measure import Meter
from demo.session import Column, Progress, Session
from demo.turns import Turns
from demo.zero import on_gpu
from engine.types import Plan, Request, Result, Step, UserError

if TYPE_CHECKING:
    import numpy as np

    from engine.imagic import Recipe

logger = logging.getLogger(__name__)
_WAIT_S = 0.2  # how soon a visitor in line notices a stop
_STATUS_EVERY_S = 0.15
_PREVIEWS_EVERY = 4  # steps
_ANY_GESTURE = "ok"  # asked for availability when the request names none


class Runner:
    """Makes pictures for any number of visitors with one engine."""

    def __init__(self, engine: Any, catalogue: Mapping[str, Any]):
        self.engine, self.catalogue = engine, catalogue
        self.meter, self.turns = Meter(), Turns()
        self._run = on_gpu(engine.run)

    def plans(self, settings: Settings, token: str | None = None) -> dict[str, Plan | UserError]:
        """Each chosen method's plan, or why there is none. `token` is the visitor's own, for a provider."""
        request = settings.request(self.engine.profile.size, self.engine.profile.sampler)
        return {
            name: self._plan(name, request, settings.params.get(name, {}), token) for name in settings.methods
        }

    def compare(self, session: Session, settings: Settings) -> Iterator[str | None]:
        """Fill `session.columns`; yields a column's name when it changed, None when only the progress did."""
        with _running(session):
            plans = self.plans(check_ready(settings), session.token)
            session.settings = settings
            session.columns = {name: Column(name) for name in settings.methods}
            todo: list[tuple[Column, Plan]] = []
            for name, plan in plans.items():
                column = session.columns[name]
                if isinstance(plan, UserError):
                    column.state, column.error = "failed", plan
                elif known := self.engine.cached(plan):
                    column.finish(known)
                else:
                    todo.append((column, plan))
            session.progress.total = sum(plan.sampler.steps for _, plan in todo)
            yield from session.columns
            for column in session.columns.values():
                if column.result is not None:
                    self.measure(session, column)
                    yield column.method
            for column, plan in todo:
                yield from self._fill(session, column, plan)
        yield None

    def series(self, session: Session, plans: list[Plan]) -> Iterator[list[Result]]:
        """The results of `plans` so far, each time the progress moves; stops short when the visitor stops."""
        done: list[Result] = []
        with _running(session):
            session.progress.total = sum(plan.sampler.steps for plan in plans)
            for plan in plans:
                known = self.engine.cached(plan)
                if known is not None:
                    session.progress.total -= plan.sampler.steps
                for item in [known] if known else self._make(session, plan):
                    if isinstance(item, Result):
                        done.append(item)
                    yield done
                if session.stopping:
                    break
        yield done

    def tune(
        self, session: Session, name: str, picture: np.ndarray, prompt: str, recipe: Recipe, method: str
    ) -> Iterator[bool]:
        """Imagic's job on a picture, a step between those of other runs. Yields False each time the progress moves,
        and True once its weights are there; stops short, and leaves nothing, when the visitor stops."""
        with _running(session):
            progress = session.progress
            progress.total = recipe.embedding_steps + recipe.unet_steps
            last_status = tick = time.monotonic()
            with closing(self.engine.tune_imagic(name, picture, prompt, recipe, method=method)) as job:
                for step in job:
                    now = time.monotonic()
                    progress.working_s += now - tick
                    tick = now
                    progress.done = step.index + 1
                    if now - last_status > _STATUS_EVERY_S:
                        last_status = now
                        yield False
                    if session.stopping:
                        return
        yield True

    def _plan(
        self, name: str, request: Request, params: dict[str, Any], token: str | None
    ) -> Plan | UserError:
        available = self.engine.availability(name, request.gesture or _ANY_GESTURE, token=token)
        if not available.ok:
            sentence = " ".join(part for part in (available.reason, available.command) if part)
            return UserError(
                sentence, code="unavailable", reason=available.reason, command=available.command or ""
            )
        try:
            return self.engine.plan(name, request, **params)
        except UserError as error:
            return error

    def _fill(self, session: Session, column: Column, plan: Plan) -> Iterator[str | None]:
        column.state = "running"
        yield column.method
        try:
            for item in self._make(session, plan):
                if isinstance(item, Result):
                    column.finish(item)
                elif item is not None and item.preview is not None:
                    column.preview = item.preview
                else:
                    yield None
                    continue
                yield column.method
        except UserError as error:
            column.state, column.error = "failed", error
        except Exception:
            logger.exception("method %s failed", column.method)
            column.state, column.error = "failed", unexpected()
        if column.state == "running":
            column.state, column.preview = "stopped", None
        yield column.method
        if column.result is not None:
            self.measure(session, column)
            yield column.method

    def measure(self, session: Session, column: Column) -> None:
        """Read the hand from a finished column's picture."""
        settings, result = session.settings, column.result
        key = result.plan.key(result.weights_hash)
        try:
            column.measure(self.meter.measure(result.image, settings.hands, settings.camera, key=key))
        except Exception:  # the picture is there, and stays
            logger.exception("the picture of %s could not be measured", column.method)

    def _make(self, session: Session, plan: Plan) -> Iterator[Step | Result | None]:
        """The engine's steps and result for `plan`, in turn with others; None while others go first."""
        if session.stopping:
            return
        progress = session.progress
        expected = plan.sampler.steps
        with self.turns.join(session.visitor) as ticket:
            while (ahead := ticket.wait(_WAIT_S)) > 0 and not session.stopping:
                progress.ahead = ahead
                yield None
            progress.ahead = 0
            if session.stopping:
                return
            last_status = tick = time.monotonic()
            before = progress.done
            with closing(self._run(plan, previews_every=_PREVIEWS_EVERY, token=session.token)) as items:
                for item in items:
                    now = time.monotonic()
                    progress.working_s += now - tick
                    tick = now
                    if isinstance(item, Step):
                        progress.total += item.total - expected  # a plan within the plan has steps of its own
                        expected = item.total
                        progress.done = before + item.index + 1
                    if (
                        isinstance(item, Result)
                        or item.preview is not None
                        or now - last_status > _STATUS_EVERY_S
                    ):
                        last_status = now
                        yield item
                    if session.stopping:
                        return


@contextmanager
def _running(session: Session) -> Iterator[None]:
    """While the block runs, the session has a progress; after it, nothing is left waiting."""
    if session.running:
        raise UserError("Your pictures are still being made; wait for them or press Stop.", code="running")
    session.progress, session.stopping = Progress(total=0), False
    try:
        yield
    finally:
        session.progress, session.stopping = None, False
        session.runs += 1
        for column in session.columns.values():
            if column.state in ("waiting", "running"):
                column.state, column.preview = "stopped", None


def unexpected() -> UserError:
    """What a visitor reads when the log knows more."""
    return UserError(
        "Something went wrong here; please try again. The log has the details.", code="unexpected"
    )
