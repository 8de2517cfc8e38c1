"""Inspect: what the methods attended to, read, were shown and planned; everything as one file."""

from __future__ import annotations

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.handlers.inspect import ALL_SITES, InspectHandlers
from demo.pages.compare import ComparePage
from demo.pages.queueing import LATEST, QUICK, Refresh
from demo.services import Services

_CLICK_DOWNLOAD = "() => { handlab.clickSoon('#bundle-file'); }"


def create_inspect_page(
    services: Services, words: Translated, session: gr.State, tab: gr.Tab, compare: ComparePage
) -> Refresh:
    """Lay out the page in the current Blocks; it fills when `tab` is opened. How to fill it again."""
    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "inspect.lead"})
    with gr.Row(elem_classes="hl-tools"):
        site = words.build(
            gr.Dropdown,
            value=ALL_SITES,
            elem_id="site",
            say={"label": "inspect.site", "choices": lambda t: [(t("inspect.all_sites"), ALL_SITES)]},
        )
        one_scale = words.build(
            gr.Checkbox, elem_id="one-scale", min_width=150, scale=0, say={"label": "inspect.one_scale"}
        )
        make = words.build(
            gr.Button, elem_id="bundle", scale=0, min_width=210, say={"value": "inspect.download"}
        )
        ready = gr.DownloadButton(visible="hidden", elem_id="bundle-file")
        load = words.build(
            gr.UploadButton,
            file_types=[".zip"],
            scale=0,
            min_width=210,
            elem_id="bundle-load",
            say={"label": "inspect.load"},
        )
    with gr.Row(elem_classes="hl-split"):
        with gr.Column(scale=3, min_width=320):
            attention = Fragment(elem_id="attention")
        with gr.Column(scale=2, min_width=320):
            shares = Fragment(elem_id="shares")
    texts = Fragment(elem_id="texts")
    hints = Fragment(elem_id="hints")
    plans = Fragment(elem_id="plans")

    handlers = InspectHandlers(services, compare.handlers, ready.GRADIO_CACHE)
    panels = [attention, shares, texts, hints, plans]
    tab.select(handlers.refresh, session, [site, *panels], **QUICK)
    attention.act(handlers.word, session, [attention, shares], **QUICK)
    for changed in (site.input, one_scale.input):
        changed(handlers.site, [session, site, one_scale], [attention, shares], **LATEST)
    make.click(handlers.download, session, ready, **QUICK).success(None, js=_CLICK_DOWNLOAD)
    loaded = load.upload(handlers.load, [session, load], compare.shown, **QUICK)
    compare.settle(loaded).then(handlers.refresh, session, [site, *panels], **QUICK)
    return Refresh(handlers.refresh, [site, *panels])
