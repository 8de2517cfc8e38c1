"""Reconstruct: the hands read from the pictures, in 3D. A light viewer first; Rerun when asked for."""

from __future__ import annotations

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.handlers.reconstruct import ALL, ReconstructHandlers
from demo.pages.queueing import LATEST, QUICK, Refresh
from demo.services import Services

_PANELS = {"top": "hidden", "blueprint": "hidden", "selection": "hidden", "time": "collapsed"}
_HEIGHT_PX = 560


def create_reconstruct_page(services: Services, words: Translated, session: gr.State, tab: gr.Tab) -> Refresh:
    """Lay out the page in the current Blocks; it fills when `tab` is opened. How to fill it again."""
    from gradio_rerun import Rerun

    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "reconstruct.lead"})
    with gr.Row(elem_classes="hl-split"):
        with gr.Column(scale=3, min_width=320), gr.Tabs():
            with words.build(gr.Tab, id="light", say={"label": "reconstruct.light"}):
                method = words.build(
                    gr.Radio,
                    value=ALL,
                    container=False,
                    show_label=False,
                    elem_classes="hl-segments",
                    say={"label": "reconstruct.method", "choices": lambda t: [(t("reconstruct.all"), ALL)]},
                )
                model = words.build(
                    gr.Model3D,
                    height=_HEIGHT_PX,
                    interactive=False,
                    clear_color=(0, 0, 0, 0),
                    say={"label": "reconstruct.light"},
                )
            with words.build(gr.Tab, id="rerun", say={"label": "reconstruct.rerun"}) as viewer_tab:
                words.build(gr.Markdown, elem_classes="hl-fine", say={"value": "reconstruct.rerun.help"})
                viewer = Rerun(  # hidden until its tab is opened: gradio fetches the script of what it shows
                    visible=False, height=_HEIGHT_PX, panel_states=_PANELS, show_label=False, elem_id="rerun"
                )
        with gr.Column(scale=2, min_width=300):
            table = Fragment(elem_id="errors")
    handlers = ReconstructHandlers(services, model.GRADIO_CACHE)
    tab.select(handlers.refresh, session, [method, model, table], **QUICK)
    method.input(handlers.model, [session, method], model, **LATEST)
    viewer_tab.select(handlers.rerun, session, viewer, **QUICK)
    return Refresh(handlers.refresh, [method, model, table])
