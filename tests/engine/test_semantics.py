from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from engine import behaviour, semantics
from engine.behaviour import Behaviour
from engine.semantics import KEYS, Semantics, analyse, compose, extract, parse
from engine.types import UserError, from_json, to_json

EXAMPLES = semantics._prompts()["examples"]
GOOD = {"pose": "a boy", "action": "laughing", "hand_action": "waving a hand", "environment": "in a park"}


@pytest.fixture(autouse=True)
def fresh_chain():
    extract.cache_clear()
    yield
    extract.cache_clear()


# --- rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=[e["caption"][:30] for e in EXAMPLES])
def test_rules_agree_with_the_examples_shown_to_models(example):
    assert behaviour.extract(example["caption"]) == Behaviour(**{key: example[key] for key in KEYS})


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "a woman in a red shirt in front of a blue wall",
            ("a woman", "wearing a red shirt", "", "in front of a blue wall"),
        ),
        (
            "photo of a chef cutting carrots with a knife in a kitchen, 8k, highly detailed",
            ("a chef", "", "cutting carrots with a knife", "in a kitchen"),
        ),
        ("a man sitting on a bed making phone call hand gesture",
         ("a man sitting on a bed", "", "making phone call hand gesture", "")),
        ("a woman holding a phone in her left hand while standing on a balcony",
         ("a woman standing", "", "holding a phone in her left hand", "on a balcony")),
        ("two people shaking hands in an office", ("two people", "", "shaking hands", "in an office")),
        ("hand", ("hand", "", "", "")),
        ("一位穿红衬衫的女士", ("一位穿红衬衫的女士", "", "", "")),
        ("?!", ("?!", "", "", "")),
    ],
)  # fmt: skip
def test_rules_on_prompts_people_write(caption, expected):
    assert behaviour.extract(caption).parts == expected


def test_rules_drop_what_the_paper_drops():
    """Objects nobody touches, light and style; the person, clothes and place stay."""
    text = compose(behaviour.extract(EXAMPLES[0]["caption"]))
    for gone in ("plates", "forks", "vase", "light", "window"):
        assert gone not in text
    for kept in ("woman", "red shirt", "cup", "both hands", "cafe"):
        assert kept in text


# --- composer ---------------------------------------------------------------------------------------------


def test_parts_are_joined_in_the_papers_order():
    assert compose(Behaviour(**GOOD)) == "a boy, laughing, waving a hand, in a park"
    assert compose(Behaviour(pose="a boy", environment="in a park")) == "a boy, in a park"


def test_environment_goes_first_then_pose():
    parts = Behaviour(**GOOD)
    assert compose(parts, lambda t: len(t) <= 32) == "a boy, laughing, waving a hand"
    assert compose(parts, lambda t: len(t) <= 25) == "laughing, waving a hand"
    assert compose(parts, lambda t: False) == "waving a hand"


def test_the_encoders_length_is_the_limit(encoder):
    from types import SimpleNamespace

    part = Semantics(caption="", **{**GOOD, "environment": "in " + "very " * 30 + "large park"})
    text = part.encode(SimpleNamespace(text=encoder))
    assert text.parts["prompt"] == "a boy, laughing, waving a hand"
    assert not text.tokens.truncated
    assert list(text.parts) == ["caption", *KEYS, "prompt"]


def test_there_is_always_a_hand_word():
    part = analyse("a woman in a red shirt", hand_action="making ok hand gesture")
    assert part.hand_action == "making ok hand gesture"
    part = analyse("a woman playing the piano", hand_action="holding up a hand")
    assert part.hand_action == "playing the piano, holding up a hand"
    part = analyse("a woman waving her hand", hand_action="holding up a hand")
    assert part.hand_action == "waving her hand"


def test_the_part_survives_json():
    part = analyse("a woman waving her hand in a park", negative="blue")
    assert from_json(to_json(part)) == part


# --- models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "  {}\n"])
def test_answers_in_json_are_read(wrap):
    assert parse(wrap.replace("{}", json.dumps(GOOD))) == Behaviour(**GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! Here it is.",
        json.dumps([GOOD]),
        json.dumps({**GOOD, "mood": "happy"}),
        json.dumps({k: v for k, v in GOOD.items() if k != "pose"}),
        json.dumps({**GOOD, "pose": None}),
        "",
    ],
)
def test_other_answers_are_not(answer):
    with pytest.raises(ValueError):
        parse(answer)


@pytest.fixture
def server(monkeypatch):
    """A local server that speaks OpenAI's chat interface; answers are taken from `server.answers`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            local.seen.append((self.path, self.headers.get("Authorization"), body))
            answer = local.answers.pop(0) if local.answers else None
            if answer is None:
                self.send_error(500)
                return
            reply = json.dumps(
                {
                    "id": "1", "object": "chat.completion", "created": 0, "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop",
                                 "message": {"role": "assistant", "content": answer}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                }
            ).encode()  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args):
            pass

    local = HTTPServer(("127.0.0.1", 0), Handler)
    local.seen, local.answers = [], []
    thread = threading.Thread(target=local.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("HANDLAB_LLM", "m")
    monkeypatch.setenv("HANDLAB_LLM_URL", f"http://127.0.0.1:{local.server_port}/v1")
    monkeypatch.setenv("HANDLAB_LLM_TOKEN", "secret")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield local
    local.shutdown()
    thread.join()
    local.server_close()


def test_an_endpoint_extracts(server):
    server.answers = [json.dumps(GOOD)]
    assert extract("a boy laughing", "endpoint") == Behaviour(**GOOD)
    path, authorisation, body = server.seen[0]
    assert path == "/v1/chat/completions"
    assert authorisation == "Bearer secret"
    assert body["temperature"] == 0
    roles = [m["role"] for m in body["messages"]]
    assert roles == ["system", *["user", "assistant"] * len(EXAMPLES), "user"]
    assert body["messages"][-1]["content"] == "a boy laughing"
    extract("a boy laughing", "endpoint")
    assert len(server.seen) == 1, "an answer is kept"


def test_a_bad_answer_is_asked_again_with_its_fault(server):
    server.answers = ["no", json.dumps({"pose": "a boy"}), json.dumps(GOOD)]
    assert extract("a boy laughing", "endpoint") == Behaviour(**GOOD)
    assert "not JSON" in server.seen[1][2]["messages"][-1]["content"]
    assert "keys" in server.seen[2][2]["messages"][-1]["content"]


def test_after_two_retries_the_rules_answer(server, caplog):
    server.answers = ["no"] * 5
    assert extract("a boy laughing in a park", "endpoint") == behaviour.extract("a boy laughing in a park")
    assert len(server.seen) == 3
    assert "rules stand in" in caplog.text


def test_a_dead_server_is_one_sentence(server):
    with pytest.raises(UserError) as error:
        extract("a boy", "endpoint")
    assert error.value.code == "no_answer"
    assert "secret" not in str(error.value)


def test_a_captioner_is_shown_the_picture(server):
    server.answers = ["A boy\n waves."]
    assert semantics.caption(np.zeros((40, 60, 3), dtype=np.uint8), "endpoint") == "A boy waves."
    image, text = server.seen[0][2]["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/webp;base64,")
    assert "posture" in text["text"]


def test_the_method_uses_the_backend(server, engine, request_ok):
    server.answers = [json.dumps(GOOD)]
    plan = engine.plan("sesahand", request_ok, semantics="endpoint")
    assert plan.text.pose == "a boy"
    assert plan.text.backend == "endpoint"


@pytest.mark.parametrize("backend", ["endpoint", "hub", "transformers"])
def test_what_is_not_set_up_says_so(backend, monkeypatch):
    for name in ("HANDLAB_LLM", "HANDLAB_LLM_URL", "HANDLAB_LLM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="HANDLAB_LLM") as error:
        extract("a boy", backend)
    assert error.value.code == "no_language_model"


def test_rules_describe_no_photo():
    with pytest.raises(UserError) as error:
        semantics.caption(np.zeros((40, 60, 3), dtype=np.uint8), "rules")
    assert error.value.code == "no_captioner"


def test_a_local_model_is_asked_through_transformers(monkeypatch):
    monkeypatch.setenv("HANDLAB_LLM", "a/folder")
    calls = []

    def pipeline(task, model):
        def answer(messages=None, *, text=None, **options):
            calls.append((task, model, text or messages, options))
            reply = {"role": "assistant", "content": json.dumps(GOOD)}
            return [{"generated_text": [*(text or messages), reply]}]

        return answer

    monkeypatch.setattr("transformers.pipeline", pipeline)
    semantics._pipeline.cache_clear()
    assert extract("a boy", "transformers") == Behaviour(**GOOD)
    assert calls[0][:2] == ("text-generation", "a/folder")
    assert calls[0][3]["do_sample"] is False
    semantics.caption(np.zeros((40, 60, 3), dtype=np.uint8), "transformers")
    assert calls[1][0] == "image-text-to-text"
    assert calls[1][2][0]["content"][0]["type"] == "image"
    semantics._pipeline.cache_clear()
