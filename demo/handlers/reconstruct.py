"""The Reconstruct page: hands in 3D, errors as a table, the Rerun recording."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from demo.handlers.telling import tells
from demo.i18n import text
from demo.services import Services
from demo.session import Session
from demo.views.bundle import scene_meshes
from demo.views.html import fragment
from demo.views.meshes import colors_of, glb
from demo.views.recording import recording
from engine.types import UserError

ALL = "all"


class ReconstructHandlers:
    """`cache_dir` is where gradio serves files from."""

    def __init__(self, services: Services, cache_dir: str):
        self.services, self.cache_dir = services, cache_dir

    @tells
    def refresh(self, session: Session) -> list[Any]:
        """When the page is opened: the choice of methods, the scene, the table."""
        t = text(session.language)
        titles = self._titles(session)
        found = [name for name, c in session.columns.items() if c.measured and c.measured.reconstruction]
        choices = [(t("reconstruct.all"), ALL), *((titles[name], name) for name in found)]
        return [gr.update(choices=choices, value=ALL), self.model(session, ALL), self.table(session)]

    @tells
    def model(self, session: Session, method: str | None) -> str | None:
        """A .glb of the asked-for hand and the found one(s)."""
        meshes = scene_meshes(session, self.services.catalogue, None if method in (None, ALL) else method)
        return self._file(glb(meshes), "hands.glb") if meshes else None

    def table(self, session: Session) -> str:
        """Errors a method, each beside the instrument's floor."""
        return fragment(
            "errors.html",
            text(session.language),
            seen=[column for column in session.columns.values() if column.image is not None],
            titles=self._titles(session),
            colors=colors_of(self.services.catalogue),
        )

    @tells
    def rerun(self, session: Session) -> Any:
        """The recording and the viewer that shows it, when its tab is opened."""
        if not any(column.image is not None for column in session.columns.values()):
            raise UserError("There is nothing to show yet; press Generate first.", code="nothing_yet")
        path = self._file(recording(session, self._titles(session)), "handlab.rrd")
        return gr.update(value=path, visible=True)

    def _file(self, data: bytes, name: str) -> str:
        return save_bytes_to_cache(data, name, self.cache_dir)

    def _titles(self, session: Session) -> dict[str, str]:
        return self.services.titles(text(session.language))
