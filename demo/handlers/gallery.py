"""The Gallery page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.handlers.compare import CompareHandlers
from demo.handlers.telling import tells
from demo.services import Services
from demo.session import Session
from engine.types import UserError


class GalleryHandlers:
    """Opens shipped scenes in Compare."""

    def __init__(self, services: Services, compare: CompareHandlers):
        self.services, self.compare = services, compare

    @tells
    def open(self, session: Session, event: gr.EventData) -> list[Any]:
        """The Compare tab, filled with the clicked scene."""
        scene = self.services.gallery.scenes.get(str(event._data.get("scene")))
        if scene is None:
            raise UserError("This picture is not in the gallery any more.", code="no_scene")
        if session.running:
            raise UserError(
                "Your pictures are still being made; wait for them or press Stop.", code="running"
            )
        return [gr.Tabs(selected="compare"), *self.compare.show(session, scene.settings)]
