"""A photo or a webcam still, handed on as the file that it is."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


class Photo(gr.Image):
    """`gr.Image` that leaves opening the file to engine.image, whose sentences say what is wrong."""

    def __init__(self, **layout):
        super().__init__(sources=["upload", "webcam", "clipboard"], type="filepath", buttons=[], **layout)

    def preprocess(self, payload: ImageData | None) -> str | None:
        return payload.path if payload is not None else None

    def get_config(self, cls: type | None = None) -> dict[str, Any]:
        """gr.Image's: gradio reads the names from a constructor's signature, and this one's would leave them out."""
        return super().get_config(gr.Image)

    def get_block_name(self) -> str:
        return "image"
