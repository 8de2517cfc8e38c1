"""Methods: a card from the registry for each, with what is here of it and what is not."""

from __future__ import annotations

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.i18n import Text
from demo.services import Services
from demo.views.html import fragment


def create_methods_page(services: Services, words: Translated) -> None:
    """Lay out the page in the current Blocks."""

    def cards(t: Text) -> str:
        engine = services.engine
        availability = {name: engine.availability(name) if engine else None for name in services.catalogue}
        return fragment(
            "methods.html",
            t,
            methods=services.catalogue.values(),
            titles=services.titles(t),
            availability=availability,
            profile=engine.profile if engine else None,
        )

    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "methods.lead"})
    words.build(Fragment, elem_id="method-cards", say={"value": cards})
