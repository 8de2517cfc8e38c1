"""How events wait: what runs the engine shares one line, everything else goes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_WAITING = 64  # events in gradio's queue, all visitors together
_ENGINE_AT_ONCE = 8  # runs that may be under way; between pictures they take turns (demo.turns)

ENGINE: dict[str, Any] = {
    "concurrency_id": "engine",
    "concurrency_limit": _ENGINE_AT_ONCE,
    "show_progress": "hidden",
    "api_visibility": "private",
}
QUICK: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
LATEST: dict[str, Any] = {**QUICK, "trigger_mode": "always_last"}  # while it runs, only the newest call waits
SILENT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
}  # cannot warn


@dataclass(frozen=True)
class Refresh:
    """How to fill a page again from the session: `outputs` take what `fn(session)` returns."""

    fn: Callable[[Any], list[Any]]
    outputs: list[Any]
