from __future__ import annotations

import gradio as gr
import pytest
from fake_engine import FakeEngine, services

from demo.session import Session


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def world(tmp_path, engine):
    """Services around the stand-in engine."""
    return services(tmp_path, engine)


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def unread(monkeypatch):
    """No hand is read from any picture: MediaPipe is another test's business."""
    monkeypatch.setattr("demo.measure._read", lambda image, target, camera: (None, None))


@pytest.fixture
def told(monkeypatch):
    """Sentences shown to the visitor."""
    said = []
    monkeypatch.setattr(gr, "Warning", lambda message, **_: said.append(message))
    monkeypatch.setattr(gr, "Info", lambda message, **_: said.append(message))
    return said
