from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from engine.image import encode
from engine.types import UserError, to_json

TOKEN = "secret-token"


@pytest.fixture
def server(monkeypatch):
    """A local server that speaks OpenAI's image interface and the hub's text-to-image."""
    picture = np.zeros((80, 80, 3), dtype=np.uint8)
    picture[:, 40:] = (255, 0, 0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            local.seen.append((self.path, self.headers.get("Authorization"), body))
            if local.status != 200:
                self.send_error(local.status)
                return
            data = encode(picture)
            kind = "image/png"
            if self.path.endswith("/images/generations"):
                data = json.dumps({"data": [{"b64_json": base64.b64encode(data).decode()}]}).encode()
                kind = "application/json"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    local = HTTPServer(("127.0.0.1", 0), Handler)
    local.seen, local.status = [], 200
    local.url = f"http://127.0.0.1:{local.server_port}"
    thread = threading.Thread(target=local.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("HANDLAB_IMAGE_URL", f"{local.url}/v1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield local
    local.shutdown()
    thread.join()
    local.server_close()


def test_openai_compatible_endpoint(engine, request_ok, server):
    plan = engine.plan("commercial", request_ok, provider="openai", model="m")
    result = engine.result(plan, token=TOKEN)
    assert result.image.shape == (64, 96, 3)
    assert tuple(result.image[32, 90]) == (255, 0, 0), "channels in order, right half red"
    path, authorisation, body = server.seen[0]
    assert path == "/v1/images/generations"
    assert authorisation == f"Bearer {TOKEN}"
    assert body["model"] == "m"
    assert body["prompt"] == request_ok.prompt
    assert engine.result(plan).cached, "the second time needs neither token nor network"


def test_inference_client(engine, request_ok, server):
    from dataclasses import replace

    plan = engine.plan("commercial", request_ok, provider="hub")
    plan = replace(plan, init=replace(plan.init, model=f"{server.url}/model"))
    result = engine.result(plan, token=TOKEN)
    assert result.image.shape == (64, 96, 3)
    _, authorisation, body = server.seen[0]
    assert authorisation == f"Bearer {TOKEN}"
    assert body["inputs"] == request_ok.prompt
    assert body["parameters"]["height"] == 64
    assert body["parameters"]["width"] == 96
    assert body["parameters"]["seed"] == request_ok.seed
    assert body["parameters"]["negative_prompt"] == request_ok.negative


@pytest.mark.parametrize("status", [401, 402, 500])
def test_a_refusal_is_one_sentence_without_the_token(engine, request_ok, server, status, caplog):
    server.status = status
    plan = engine.plan("commercial", request_ok, provider="openai")
    with pytest.raises(UserError) as error:
        engine.result(plan, token=TOKEN)
    assert error.value.code == "provider_failed"
    assert str(status) in str(error.value)
    assert TOKEN not in str(error.value) + caplog.text
    assert error.value.__cause__ is None


def test_no_token_no_request(engine, request_ok, server):
    plan = engine.plan("commercial", request_ok)
    with pytest.raises(UserError) as error:
        engine.result(plan)
    assert error.value.code == "no_token"
    assert not server.seen
    state = engine.availability("commercial")
    assert not state.ok
    assert "token" in state.reason
    assert engine.availability("commercial", token=TOKEN).ok


def test_the_token_is_in_no_plan(engine, request_ok, server):
    plan = engine.plan("commercial", request_ok, provider="openai")
    result = engine.result(plan, token=TOKEN)
    assert TOKEN not in json.dumps(to_json(result.plan))


def test_a_visitor_may_not_name_an_address(engine, request_ok):
    with pytest.raises(UserError) as error:
        engine.plan("commercial", request_ok, model="http://127.0.0.1/")
    assert error.value.code == "bad_model"
