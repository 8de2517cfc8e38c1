"""The endpoints for programs: components that only describe what goes in and out, never shown."""

from __future__ import annotations

import gradio as gr

from demo.handlers.api import ApiHandlers
from demo.pages.queueing import ENGINE
from demo.services import Services

_QUEUE = {key: value for key, value in ENGINE.items() if key.startswith("concurrency")}


def create_api(services: Services) -> None:
    """Add generate, compare, gestures, render and reconstruct to the current Blocks."""
    handlers = ApiHandlers(services)
    with gr.Group(visible=False):
        prompt, gesture, method, kind = (gr.Textbox(label=n) for n in ("prompt", "gesture", "method", "kind"))
        gesture.value, method.value, kind.value = "ok", "sesahand", "mesh"
        seed, steps, cfg = (gr.Number(v, label=n) for n, v in (("seed", 0), ("steps", 20), ("cfg", 3.0)))
        methods, options, hand, camera = (gr.JSON(label=n) for n in ("methods", "options", "hand", "camera"))
        photo = gr.Image(type="filepath", label="image")
        picture = gr.Image(label="picture", format="png")
        pictures = gr.Gallery(label="pictures", format="png")
        report = gr.JSON(label="report")
        run = gr.Button()
    run.click(handlers.gestures, None, report, api_name="gestures", queue=False)
    run.click(
        handlers.generate,
        [prompt, gesture, method, seed, steps, cfg, options],
        [picture, report],
        api_name="generate",
        **_QUEUE,
    )
    run.click(
        handlers.compare,
        [prompt, gesture, methods, seed, steps, cfg, options],
        [pictures, report],
        api_name="compare",
        **_QUEUE,
    )
    run.click(handlers.render, [gesture, kind, hand, camera], picture, api_name="render")
    run.click(handlers.reconstruct, photo, report, api_name="reconstruct", **_QUEUE)
