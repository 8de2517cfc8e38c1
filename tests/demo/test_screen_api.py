"""The served application without a browser: endpoints, policy, what may be fetched."""

from __future__ import annotations

import argparse
import runpy
import socket
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import CATALOGUE, SIZE, FakeEngine, services
from gradio_client import Client, handle_file
from PIL import Image

from demo import zero
from demo.middleware import POLICY
from demo.serve import launch
from engine.types import Request, SamplerSpec, to_json

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The application around the stand-in engine; its URL and services."""
    folder = tmp_path_factory.mktemp("served")
    world = services(folder, FakeEngine())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = argparse.Namespace(
        host="127.0.0.1", port=port, share=False, cache=folder / "cache", token=None, mcp=False,
        study=f"sqlite:///{folder / 'study.db'}",
        profile="embedded",
    )  # fmt: skip
    demo = launch(world, chosen, prevent_thread_lock=True)
    yield f"http://127.0.0.1:{port}", world
    demo.close(verbose=False)


@pytest.fixture(scope="module")
def client(served):
    return Client(served[0], verbose=False, httpx_kwargs={"timeout": 60})


def test_five_endpoints_and_no_more(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/gestures", "/generate", "/compare", "/render", "/reconstruct"}
    assert named["/generate"]["description"]
    assert [p["parameter_name"] for p in named["/generate"]["parameters"]][:3] == [
        "prompt",
        "gesture",
        "method",
    ]


def test_gestures(client):
    names = {gesture["name"]: gesture for gesture in client.predict(api_name="/gestures")}
    assert names.keys() == {"ok", "fist"}
    assert names["ok"]["hand"]["type"] == "HandPose"


def test_generate(client, served):
    path, report = client.predict("a red shirt", method="sd", seed=4, steps=3, api_name="/generate")
    world = served[1]
    plan = world.engine.plan(
        "sd", world.first.request(SIZE, world.engine.profile.sampler)
    )  # another prompt and seed: another picture
    image = np.asarray(Image.open(path).convert("RGB"))
    assert image.shape == (*SIZE, 3)
    assert report["plan"]["seed"] == 4
    assert report["plan"]["sampler"]["steps"] == 3
    assert report["hand_found"] is False
    assert not np.array_equal(image, world.engine.result(plan).image)


def test_a_custom_hand_is_used(client, served):
    hand = to_json(served[1].gestures["fist"].hand)
    _, report = client.predict(
        "a red shirt", method="sd", options={"hand": hand, "negative": "rain"}, api_name="/generate"
    )
    assert report["plan"]["text"]["negative"] == "rain"


def test_compare(client):
    pictures, report = client.predict("a red shirt", methods=["sd", "absent"], api_name="/compare")
    assert len(pictures) == 1
    assert report["sd"]["seconds"] >= 0
    assert "engine.train absent" in report["absent"]["error"]


def test_render(client):
    path = client.predict(gesture="ok", kind="depth", api_name="/render")
    image = np.asarray(Image.open(path).convert("RGB"))
    assert image.shape == (256, 256, 3)
    assert 0 < (image > 0).mean() < 0.6


def test_reconstruct_nothing(client, tmp_path):
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey.png")
    assert client.predict(handle_file(str(tmp_path / "grey.png")), api_name="/reconstruct") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": ""}, "Please write a prompt first"),
        ({"prompt": "x" * 10_000}, "10,000 characters"),
        ({"prompt": "a", "method": "nonsense"}, "no method 'nonsense'"),
        ({"prompt": "a", "gesture": "nonsense"}, "no gesture 'nonsense'"),
        ({"prompt": "a", "steps": 0}, "Steps must be a number from 1"),
        ({"prompt": "a", "method": "absent"}, "weights are not here"),
        ({"prompt": "a", "options": {"hand": {"type": "HandPose", "hand_pose": [1]}}}, "45"),
    ],
    ids=["empty", "long", "method", "gesture", "steps", "absent", "hand"],
)
def test_bad_calls_get_one_sentence(client, arguments, sentence):
    with pytest.raises(Exception, match=sentence):
        client.predict(**arguments, api_name="/generate")


def test_every_answer_has_the_policy(served):
    for path in ("/", "/config", "/nothing-here"):
        try:
            headers = urllib.request.urlopen(served[0] + path, timeout=20).headers
        except urllib.error.HTTPError as error:
            headers = error.headers
        assert headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("path", ["app.py", "assets/hand/hand_right.npz", "/etc/passwd", "engine/types.py"])
def test_no_file_of_the_machine_is_served(served, path):
    target = path if path.startswith("/") else ROOT / path
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{served[0]}/gradio_api/file={target}", timeout=20)
    assert refused.value.code in (403, 404)


def test_the_page_answers_with_no_model_loaded(served):
    page = urllib.request.urlopen(served[0], timeout=20).read()
    assert b"HandLab" in page


def test_zero_gpu_asks_for_what_a_plan_needs():
    plan = CATALOGUE["sd"].plan(Request(prompt="a", size=SIZE))
    longer = replace(plan, sampler=SamplerSpec(steps=90))
    assert zero.seconds_for(plan) < zero.seconds_for(longer) < 60
    assert zero.on_gpu(print) is print  # no such cards here


@pytest.mark.parametrize("name", ["gestures", "generate", "compare", "render", "reconstruct"])
def test_the_examples_run(served, name, tmp_path, monkeypatch, caplog):
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "photo.png")
    arguments = {
        "generate": ["--method", "sd", "--out", "hand.png"],
        "compare": ["--methods", "sd", "sesahand"],
        "render": ["--kind", "mask"],
        "reconstruct": ["photo.png"],
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [name, "--url", served[0], *arguments.get(name, [])])
    caplog.set_level("INFO")
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    expected = {
        "gestures": "making fist hand gesture",
        "generate": "hand.png by sd",
        "compare": "sesahand",
        "render": "hint.png",
        "reconstruct": "hands found: 0",
    }
    assert expected[name] in caplog.text
    made = {"generate": {"hand.png"}, "compare": {"sd.png", "sesahand.png"}, "render": {"hint.png"}}
    assert {path.name for path in tmp_path.glob("*.png")} - {"photo.png"} == made.get(name, set())
