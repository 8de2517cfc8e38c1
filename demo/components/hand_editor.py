"""The 3D hand pose editor: `python -m demo.components.hand_editor` shows it by itself.

    editor = HandEditor(EditorValue.of_gesture(gestures["ok"]), gestures=gestures)
    editor.commit(fn, editor, ..., trigger_mode="always_last")     # an edit ended: fn receives an EditorValue
    button.click(lambda: EditorValue.of_gesture(gestures["palm"]), None, editor)

The browser's half is ui/src, built into demo/static/hand_editor.js; it skins the free hand by itself and
speaks up only when an edit ends. Handlers return an EditorValue, never gr.update(...): that wipes a gr.HTML.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demo.components.hand_editor_value import EditorValue, parse
from demo.components.pose_files import LARGEST_BYTES, read_pose, write_pose
from demo.i18n import DEFAULT, LANGUAGES, text
from demo.views.html import data_uri
from engine.types import UserError, to_json

STATIC = Path(__file__).resolve().parents[1] / "static"

Preview = Callable[[EditorValue], Iterable[tuple[str, np.ndarray]]]  # (label, (H, W, 3) uint8) pictures

_TEMPLATE = '<div class="hand-editor-room"><div class="hand-editor-host"></div></div>'
# As much room as the editor will take, so that nothing jumps when the script arrives.
_CSS = """
.hand-editor-room { container-type: inline-size; }
.hand-editor-host { min-height: calc(100cqw + 508px); }
@container (min-width: 640px) { .hand-editor-host { min-height: max(430px, 100cqw - 300px); } }
"""
_SCRIPT = """
const config = __CONFIG__;
const url = (file) => `${(window.gradio_config?.root || '').replace(/\\/$/, '')}/gradio_api/file=${file}`;
const host = element.querySelector('.hand-editor-host');
(async () => {
  const { mount } = await import(url(config.module));
  let latest = 0;
  const preview = async (value) => {
    if (!config.previews) return;
    const call = ++latest;
    const pictures = await server.preview_hands(value);
    if (call === latest) editor.showPreviews(pictures);
  };
  const editor = await mount(host, {
    ...config,
    mesh: url(config.mesh),
    randomPose: (side) => server.random_hand_pose(side),
    readPose: (file, shown) => server.read_pose_file({ file, shown, language: document.documentElement.lang }),
    writePose: (shown, form) => server.write_pose_file({ shown, form, language: document.documentElement.lang }),
    onCommit: (value) => {
      props.value = value;
      trigger('commit', {});
      preview(value);
    },
  });
  const show = () => {
    if (!props.value) return;
    editor.setValue(props.value);
    preview(props.value);
  };
  show();
  watch('value', show);
  element.dataset.ready = '1';
})().catch((error) => {
  console.error(error);
  host.textContent ||= `3D editor: ${error.message}`;
});
"""


class HandEditor(gr.HTML):
    """Its value in Python is an EditorValue, checked on the way in; event `commit` ends every edit.

    gestures: name -> Gesture, offered for blending; preview: draws what the methods are given, after every
    edit; lang: "en", "zh", or None to follow the page's own `lang`.
    """

    def __init__(
        self,
        value: EditorValue | None = None,
        *,
        gestures: Mapping[str, Any] | None = None,
        preview: Preview | None = None,
        lang: str | None = None,
        **layout: Any,
    ):
        self._names = None if gestures is None else frozenset(gestures)
        _serve_static()
        config = {
            "module": _versioned(STATIC / "hand_editor.js"),
            "mesh": _versioned(STATIC / "hand_mesh.bin"),
            "lang": lang if lang in LANGUAGES else None,
            "gestures": [
                {"name": g.name, "title": dict(g.title), "hand": to_json(g.hand)}
                for g in (gestures or {}).values()
            ],
            "previews": preview is not None,
        }
        super().__init__(
            value,
            html_template=_TEMPLATE,
            css_template=_CSS,
            js_on_load=_SCRIPT.replace("__CONFIG__", json.dumps(config)),
            apply_default_css=False,
            server_functions=[
                random_hand_pose,
                self._reader(),
                self._writer(),
                *([] if preview is None else [self._previewer(preview)]),
            ],
            **layout,
        )

    def _previewer(self, preview: Preview) -> Callable[[Any], list[dict[str, str]]]:
        def preview_hands(data: Any) -> list[dict[str, str]]:
            """Pictures of the browser's hands, as data URLs; none when they cannot be drawn."""
            try:
                return [
                    {"label": label, "src": data_uri(image)} for label, image in preview(self._parse(data))
                ]
            except UserError:
                return []  # the value itself is refused, with its sentence, where it is used

        return preview_hands

    def _reader(self) -> Callable[[Any], dict[str, Any]]:
        def read_pose_file(request: Any) -> dict[str, Any]:
            """{file (base64, of any form), shown, language} -> {value, notices}, or {error: a sentence}."""
            request = _mapping(request)  # one argument: gradio hands several on as a list
            content = request.get("file")
            try:
                if not isinstance(content, str) or len(content) > 2 * LARGEST_BYTES:
                    raise UserError("A pose file has at most 1 MB.", code="too_large")
                try:
                    data = base64.b64decode(content, validate=True)
                except ValueError:
                    raise UserError("The file did not arrive whole; try again.", code="bad_pose") from None
                value = read_pose(data, self._parse(request.get("shown")).camera)
                return {"value": self._parse(value.to_json()).to_json(), "notices": list(value.notices)}
            except UserError as error:
                return {"error": _sentence(error, request.get("language"))}

        return read_pose_file

    def _writer(self) -> Callable[[Any], dict[str, str]]:
        def write_pose_file(request: Any) -> dict[str, str]:
            """{shown, form, language} -> a file of that form {name, content (base64)}, or {error: a sentence}."""
            request = _mapping(request)
            try:
                name, data = write_pose(self._parse(request.get("shown")), str(request.get("form")))
                return {"name": name, "content": base64.b64encode(data).decode()}
            except UserError as error:
                return {"error": _sentence(error, request.get("language"))}

        return write_pose_file

    def _parse(self, data: Any) -> EditorValue:
        return parse(data, self._names)

    def preprocess(self, payload: Any) -> EditorValue | None:
        """The browser's value, checked."""
        if payload is None:
            return None
        try:
            return self._parse(payload)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def postprocess(self, value: EditorValue | Mapping[str, Any] | None) -> dict[str, Any] | None:
        """For the browser. JSON that came from an editor is taken too, checked."""
        if value is None:
            return None
        if not isinstance(value, EditorValue):
            value = self._parse(value)
        return value.to_json()

    def api_info(self) -> dict[str, Any]:
        def numbers(length: int) -> dict[str, Any]:
            return {"type": "array", "items": {"type": "number"}, "minItems": length, "maxItems": length}

        lengths = {"global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}
        hand = {
            "type": "object",
            "properties": {
                "side": {"type": "string", "enum": ["left", "right"]},
                **{name: numbers(length) for name, length in lengths.items()},
            },
            "required": ["side", *lengths],
        }
        camera = {
            "type": "object",
            "properties": {
                "K": {"type": "array", "items": numbers(3), "minItems": 3, "maxItems": 3},
                "width_px": {"type": "integer"},
                "height_px": {"type": "integer"},
            },
            "required": ["K", "width_px", "height_px"],
        }
        return {
            "type": "object",
            "properties": {
                "hands": {"type": "array", "items": hand, "minItems": 1, "maxItems": 2},
                "camera": camera,
                "gesture": {"type": "string"},
                "edited": {"type": "boolean"},
                "active": {"type": "string", "enum": ["left", "right"]},
            },
            "required": ["hands", "camera"],
        }

    def example_payload(self) -> Any:
        return self.value

    def example_value(self) -> Any:
        return self.value


def _mapping(request: Any) -> Mapping[str, Any]:
    return request if isinstance(request, Mapping) else {}


def _sentence(error: UserError, language: Any) -> str:
    """In the language of the page, which is the document's `lang`."""
    known = str(language or DEFAULT).partition("-")[0]
    return text(known if known in LANGUAGES else DEFAULT).error(error)


def random_hand_pose(side: Any) -> list[float]:
    """(45,) rad: a natural pose for the editor's dice, whose fingers do not pass through each other."""
    from engine.hand.anatomy import random_pose

    return random_pose(np.random.default_rng(), "left" if side == "left" else "right").tolist()


@cache
def _serve_static() -> None:
    gr.set_static_paths([STATIC])


@cache
def _versioned(file: Path) -> str:
    """The file's path for a URL; a browser that kept an older build asks again."""
    return f"{file}?v={file.stat().st_mtime_ns:x}"


def _demo() -> gr.Blocks:
    from engine.hand.gesture import load_gestures
    from engine.render import render_hint

    def preview(value: EditorValue) -> Iterable[tuple[str, np.ndarray]]:
        for kind in ("mesh", "depth"):
            yield kind.capitalize(), render_hint(kind, value.hands, value.camera, (256, 256))

    gestures = load_gestures()
    with gr.Blocks(title="Hand editor", analytics_enabled=False) as demo:
        with gr.Row():
            with gr.Column(scale=2):
                editor = HandEditor(
                    EditorValue.of_gesture(next(iter(gestures.values()))), gestures=gestures, preview=preview
                )
            with gr.Column(scale=1):
                names = gr.Dropdown([(g.title["en"], g.name) for g in gestures.values()], label="Gesture")
                shown = gr.JSON(label="Value")
        editor.commit(EditorValue.to_json, editor, shown, show_progress="hidden", trigger_mode="always_last")
        names.input(lambda name, value: value.with_gesture(gestures[name]), [names, editor], editor)
    return demo


if __name__ == "__main__":
    _demo().launch()
