"""Plans as a table: one row a field, one column a method, differences marked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.types import Plan

_LONGEST_LIST = 6  # longer number lists show as their length and a few first numbers
_LABEL_FIELDS = ("method",)  # not part of what the engine does


@dataclass(frozen=True)
class Row:
    """A field's value in each plan; None where a plan has no such field."""

    field: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def flatten(plan: Plan) -> dict[str, str]:
    """`plan` as {dotted path: short text}; a part's class is its own row, so that a swap of parts shows."""
    out: dict[str, str] = {}
    _walk(plan.to_json(), "", out)
    for name in (*_LABEL_FIELDS, "type"):
        out.pop(name, None)
    return out


def compare(plans: Mapping[str, Plan]) -> list[Row]:
    """Rows over all fields that any plan has, in the order in which they first appear."""
    flat = [flatten(plan) for plan in plans.values()]
    fields = dict.fromkeys(field for columns in flat for field in columns)
    return [Row(field, tuple(columns.get(field) for columns in flat)) for field in fields]


def _walk(value: Any, path: str, out: dict[str, str]) -> None:
    if path and isinstance(value, dict) and value.get("type") in _SUMMARIES:
        out[path] = _SUMMARIES[value["type"]](value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            place = path if key == "type" and path else f"{path}.{key}".lstrip(".")
            _walk(inner, place, out)
    elif isinstance(value, list) and value and any(isinstance(v, dict | list) for v in value):
        for index, inner in enumerate(value):
            _walk(inner, f"{path}[{index}]", out)
    else:
        out[path] = _short(value)


def _hand(value: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=3).hexdigest()
    return f"{value['side']} hand, pose {digest}"


def _camera(value: dict[str, Any]) -> str:
    return f"f {_short(value['K'][0][0])} px, {value['width_px']}×{value['height_px']}"


def _plan(value: dict[str, Any]) -> str:
    return f"the picture of {value['method']}"


# Long and seldom read number by number; a difference still shows.
_SUMMARIES = {"HandPose": _hand, "Camera": _camera, "Plan": _plan}


def _short(value: Any) -> str:
    if isinstance(value, list) and value:
        numbers = ", ".join(_short(v) for v in value[:_LONGEST_LIST])
        return numbers if len(value) <= _LONGEST_LIST else f"{numbers}, … ({len(value)} numbers)"
    if isinstance(value, float):
        return f"{value:.4g}"
    if value in (None, "", []):
        return "–"
    return str(value)
