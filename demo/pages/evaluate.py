"""Evaluate: the shipped tables of measurements, with the pictures that were measured."""

from __future__ import annotations

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.services import Services
from demo.views.html import fragment
from demo.views.results import load_results


def create_evaluate_page(services: Services, words: Translated) -> None:
    """Lay out the page in the current Blocks."""
    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "evaluate.lead"})
    gr.set_static_paths([services.results_folder])
    results = load_results(services.results_folder)
    words.build(
        Fragment, elem_id="tables", say={"value": lambda t: fragment("tables.html", t, results=results)}
    )
