"""The Inspect page: attention by word, site and step; prompt chains; hints; plans; download and load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from demo.handlers.compare import CompareHandlers
from demo.handlers.telling import notice, tells
from demo.i18n import text
from demo.services import Services
from demo.session import Column, Session
from demo.views import plan_table
from demo.views.board import chosen_heat, heat_span
from demo.views.bundle import read_bundle, write_bundle
from demo.views.html import fragment
from demo.views.overlay import HAND_WORDS, blend, colorize, common_words, resize_map
from demo.views.plots import line_chart
from engine.types import Plan, UserError

_MOST_BUNDLE_BYTES = 64 << 20
_SELF_MAP_PX = 192
ALL_SITES = ""


class InspectHandlers:
    """`cache_dir` is where gradio serves files from."""

    def __init__(self, services: Services, compare: CompareHandlers, cache_dir: str):
        self.services, self.compare, self.cache_dir = services, compare, cache_dir

    @tells
    def refresh(self, session: Session) -> list[Any]:
        """When the page is opened: the list of sites, then all panels."""
        t = text(session.language)
        sites = list(
            dict.fromkeys(site for result in session.results().values() for site in result.heat_sites)
        )
        if session.view.site not in sites:
            session.view.site = None
        choices = [(t("inspect.all_sites"), ALL_SITES), *((site, site) for site in sites)]
        return [gr.update(choices=choices, value=session.view.site or ALL_SITES), *self.panels(session)]

    @tells
    def word(self, session: Session, event: gr.EventData) -> list[str]:
        """A word of the prompt was clicked."""
        session.view.word = str(event._data.get("word") or HAND_WORDS)
        return self.panels(session)[:2]

    @tells
    def site(self, session: Session, site: str | None, one_scale: bool) -> list[str]:
        """Another attention layer, or another scale, was chosen."""
        session.view.site, session.view.one_scale = site or None, bool(one_scale)
        return self.panels(session)[:2]

    def panels(self, session: Session) -> list[str]:
        """attention, shares, texts, hints, plans: HTML."""
        return [
            self._attention(session),
            self._shares(session),
            self._render("texts.html", session),
            self._render(
                "hints.html", session, fused={n: self._fused(c) for n, c in session.columns.items()}
            ),
            self._plans(session),
        ]

    @tells
    def download(self, session: Session) -> str:
        """The whole board as a .zip."""
        return save_bytes_to_cache(
            write_bundle(session, self._titles(session)), "handlab.zip", self.cache_dir
        )

    @tells
    def load(self, session: Session, path: str | None) -> list[Any]:
        """A .zip of this page back onto the board and into the form: outputs of CompareHandlers.show."""
        if path is None:
            return gr.skip()
        if session.running:
            raise UserError(
                "Your pictures are still being made; wait for them or press Stop.", code="running"
            )
        file = Path(path)
        if file.stat().st_size > _MOST_BUNDLE_BYTES:
            raise UserError("This .zip is too large to be HandLab's.", code="bad_bundle")
        settings, results = read_bundle(file.read_bytes(), self.services.catalogue)
        session.settings, session.columns = self.services.completed(settings), {}
        for result in results:
            column = Column(result.plan.method)
            column.finish(result)
            if self.services.engine is not None:
                self.services.runner.measure(session, column)
            session.columns[column.method] = column
        notice(session, "inspect.loaded", count=len(results))
        return self.compare.restore(session)

    def _attention(self, session: Session) -> str:
        results, span = session.results(), heat_span(session)
        heats = {name: chosen_heat(session, result) for name, result in results.items()}
        pictures = {
            name: blend(result.image, heats[name], span=span) if heats[name] is not None else None
            for name, result in results.items()
        }
        return self._render(
            "attention.html",
            session,
            words=common_words(list(results.values())),
            hand_words={r.words[i] for r in results.values() for i in r.hand_words},
            chosen=session.view.word,
            all=HAND_WORDS,
            one_scale=session.view.one_scale,
            pictures=pictures,
        )

    def _shares(self, session: Session) -> str:
        """The chosen word's share of attention over the steps, a line a method."""
        t, titles = text(session.language), self._titles(session)
        series = {}
        for name, result in session.results().items():
            if result.heat_steps is None:
                continue
            indices = [
                i
                for i, word in enumerate(result.words)
                if (i in result.hand_words if session.view.word == HAND_WORDS else word == session.view.word)
            ]
            if indices:
                series[titles[name]] = result.heat_steps[:, indices].sum(axis=1).tolist()
        chart = line_chart(
            series, title=t("inspect.share.title"), x_label=t("inspect.step"), y_label=t("inspect.share")
        )
        return self._render("shares.html", session, chart=chart if series else None)

    def _plans(self, session: Session) -> str:
        plans: dict[str, Plan] = {name: result.plan for name, result in session.results().items()}
        return self._render("plans.html", session, names=list(plans), rows=plan_table.compare(plans))

    def _fused(self, column: Column) -> Any:
        """StructuralFusion's fused self-attention as a picture, where the method has one."""
        fused = column.result.self_map if column.result is not None else None
        if fused is None:
            return None
        return colorize(resize_map(fused / max(float(fused.max()), 1e-9), (_SELF_MAP_PX, _SELF_MAP_PX)))

    def _render(self, template: str, session: Session, **context: Any) -> str:
        return fragment(
            template, text(session.language), columns=session.columns, titles=self._titles(session), **context
        )

    def _titles(self, session: Session) -> dict[str, str]:
        return self.services.titles(text(session.language))
