"""The study's own page, at /study."""

from __future__ import annotations

from importlib.util import find_spec

import gradio as gr

PATH = "study"


def create_study(store_url: str | None, token: str | None) -> gr.Blocks | None:
    """The study's page, where there is a study to take; None elsewhere."""
    if find_spec("demo.study.page") is None:
        return None
    from demo.study.page import create_study_page

    return create_study_page(store_url, token)


def mount_study(demo: gr.Blocks, page: gr.Blocks) -> None:
    """Put `page` beside the demo's own, at an address of its own."""
    with demo.route("Study", f"/{PATH}", show_in_navbar=False):
        page.render()
