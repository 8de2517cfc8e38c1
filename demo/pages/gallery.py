"""Gallery: shipped results, there before any model is. Each opens in Compare with its settings."""

from __future__ import annotations

import gradio as gr

from demo.components.gallery_wall import GalleryWall, wall_html
from demo.components.translated import Translated
from demo.handlers.gallery import GalleryHandlers
from demo.pages.compare import ComparePage
from demo.pages.queueing import QUICK
from demo.services import Services


def create_gallery_page(
    services: Services, words: Translated, session: gr.State, tabs: gr.Tabs, compare: ComparePage
) -> None:
    """Lay out the page in the current Blocks. Opening a picture goes to the Compare tab."""
    gr.set_static_paths([services.gallery.folder])
    words.build(gr.Markdown, elem_classes="hl-lead", say={"value": "gallery.lead"})
    wall = words.build(GalleryWall, elem_id="wall", say={"value": lambda t: wall_html(services, t)})
    handlers = GalleryHandlers(services, compare.handlers)
    compare.settle(wall.open(handlers.open, session, [tabs, *compare.shown], **QUICK))
