"""The component's Python side: values in and out, its script, and the files the browser is given."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from demo.components.hand_editor import STATIC, HandEditor
from demo.components.hand_editor_mesh import FILE, anatomy_table, mesh_bytes
from demo.components.hand_editor_value import EditorValue
from engine.hand import anatomy, rotation
from engine.hand.gesture import load_gestures

GESTURES = load_gestures()
OK = EditorValue.of_gesture(GESTURES["ok"])
UI = Path(__file__).resolve().parents[3] / "ui"


@pytest.fixture
def editor():
    with gr.Blocks():
        return HandEditor(
            OK, gestures=GESTURES, preview=lambda value: [("One", np.zeros((2, 3, 3), np.uint8))]
        )


def test_values_in_and_out(editor):
    data = json.loads(json.dumps(editor.postprocess(OK)))
    assert editor.preprocess(data).gesture == "ok"
    assert editor.postprocess(data) == editor.postprocess(
        editor.preprocess(data)
    )  # JSON from an editor is taken
    assert editor.preprocess(None) is None
    assert editor.postprocess(None) is None


def test_a_bad_value_is_an_error_that_the_page_shows(editor):
    with pytest.raises(gr.Error) as refused:
        editor.preprocess({"hands": []})
    assert refused.value.message == "A pose holds one or two hands."


def test_previews_are_pictures_or_nothing(editor):
    (picture,) = editor.preview_hands(OK.to_json())
    assert picture["label"] == "One"
    assert picture["src"].startswith("data:image/webp;base64,")
    assert editor.preview_hands({"hands": []}) == []


def test_an_event_named_commit(editor):
    with gr.Blocks():
        editor.render()
        assert editor.commit(lambda value: None, editor, None)


def test_configuration_reaches_the_script(editor):
    config = json.loads(re.search(r"const config = (\{.*\});", editor.js_on_load).group(1))
    assert {g["name"] for g in config["gestures"]} == set(GESTURES)
    assert config["previews"] is True
    assert config["module"].startswith(str(STATIC))


# --- files --------------------------------------------------------------------------------------------


def test_the_mesh_file_is_that_of_the_model():
    assert FILE.read_bytes() == mesh_bytes(), "run `python -m demo.components.hand_editor_mesh`"


def test_the_table_turns_joints_as_anatomy_does():
    table = anatomy_table()
    axes, order = np.array(table["axes"]), table["order"]
    angles = np.random.default_rng(3).uniform(*np.moveaxis(anatomy.LIMITS, -1, 0))
    a, b, c = (rotation.exp(axes[:, k] * angles[:, k, None]) for k in order)
    assert np.allclose(rotation.log(a @ b @ c).ravel(), anatomy.from_anatomy(angles), atol=1e-9)


def test_the_bundle_is_built_from_these_sources():
    digest = hashlib.sha256()
    for file in sorted((UI / "src").iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    bundle = STATIC / "hand_editor.js"
    with bundle.open(encoding="utf-8") as lines:
        assert digest.hexdigest() in lines.readline(), "run `npm ci && npm run build` in ui/"
    assert bundle.stat().st_size < 1_000_000
    assert "MIT" in (STATIC / "three.LICENSE.txt").read_text()
