"""A photo or a webcam still, handed on as the file that it is."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData


class Photo(gr.Image):
    """`gr.Image` that leaves opening the file to engine.image, whose sentences say what is wrong."""

    def __init__(self, **layout):
        super().__init__(sources=["upload", "webcam", "clipboard"], type="filepath", **layout)

    def preprocess(self, payload: ImageData | None) -> str | None:
        return payload.path if payload is not None else None

    def get_block_name(self) -> str:
        return "image"
