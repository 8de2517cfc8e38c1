"""Help: a one-minute tour, and the keyboard."""

from __future__ import annotations

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.i18n import Text
from demo.pages.queueing import SILENT
from demo.views.html import fragment

_STEPS = ("pose", "prompt", "generate", "look", "share")
KEYS = (
    ("Ctrl + Enter", "generate"),
    ("Esc", "stop"),
    ("/", "prompt"),
    ("Alt + 1 … 7", "tabs"),
    ("Z", "zoom"),
)


def create_help_page(words: Translated) -> None:
    """Lay out the page in the current Blocks."""
    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "help.lead"})
    with gr.Row(elem_classes="hl-split"):
        with gr.Column(scale=3, min_width=320):
            _create_tour(words)
        with gr.Column(scale=2, min_width=320):
            words.build(Fragment, elem_id="keys", say={"value": _keys})


def _create_tour(words: Translated) -> None:
    with gr.Walkthrough(selected=0, elem_id="tour") as tour:
        for place, name in enumerate(_STEPS):
            with words.build(gr.Step, id=place, say={"label": f"help.{name}.title"}):
                words.build(gr.Markdown, elem_classes="hl-tour", say={"value": f"help.{name}"})
                if place + 1 < len(_STEPS):
                    following = words.build(gr.Button, variant="primary", scale=0, say={"value": "help.next"})
                    following.click(_to(place + 1), None, tour, **SILENT)


def _to(place: int):
    return lambda: gr.Walkthrough(selected=place)


def _keys(t: Text) -> str:
    return fragment("keys.html", t, keys=KEYS)
