"""From what a form holds to what the engine takes, and back: validation, links, what a browser remembers.

Nothing here trusts its input: it comes from a browser, a link, a file or another program.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.types import Camera, HandPose, Request, SamplerSpec, UserError, from_json, to_json
from engine.validate import MAX_CFG, MAX_PROMPT, MAX_STEPS

MOST_SEED = 2**31 - 1  # what a number field of a browser and every generator take
MOST_HANDS = 2
_POSE_DIGITS = 5  # of radians and metres: far below what shows
_LINK_LIMIT = 16_000  # bytes of JSON in a link

Params = dict[str, dict[str, Any]]  # method -> parameter -> value


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that the Compare form holds: what a link, a gallery picture and a browser's memory carry."""

    prompt: str = ""
    negative: str = ""
    gesture: str | None = None
    hands: tuple[HandPose, ...] = ()
    camera: Camera | None = None
    seed: int = 0
    steps: int = 20
    cfg: float = 3.0
    methods: tuple[str, ...] = ()
    params: Params = field(default_factory=dict)  # only what differs from a method's defaults

    def request(self, size: tuple[int, int], sampler: SamplerSpec) -> Request:
        """The engine's request, at a profile's `size` (height_px, width_px) and kind of sampler."""
        return Request(
            prompt=self.prompt,
            negative=self.negative,
            gesture=self.gesture,
            hands=self.hands,
            camera=self.camera,
            seed=self.seed,
            size=size,
            sampler=replace(sampler, steps=self.steps, cfg=self.cfg),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "prompt": self.prompt,
            "negative": self.negative,
            "gesture": self.gesture,
            "hands": [to_json(hand) for hand in self.hands],
            "camera": None if self.camera is None else to_json(self.camera),
            "seed": self.seed,
            "steps": self.steps,
            "cfg": self.cfg,
            "methods": list(self.methods),
            "params": self.params,
        }


def settings_from_json(data: Any, catalogue: Mapping[str, Any]) -> Settings:
    """Validated Settings from foreign JSON; fields that are missing keep their defaults."""
    if not isinstance(data, dict):
        raise UserError("These are not HandLab settings.", code="bad_settings")
    hands = from_json(data.get("hands") or [])
    camera = from_json(data.get("camera"))
    if not isinstance(hands, tuple) or not all(isinstance(hand, HandPose) for hand in hands):
        raise UserError("The settings hold something that is not a hand.", code="bad_settings")
    if camera is not None and not isinstance(camera, Camera):
        raise UserError("The settings hold something that is not a camera.", code="bad_settings")
    gesture = data.get("gesture")
    return check(
        Settings(
            prompt=_text(data.get("prompt")),
            negative=_text(data.get("negative")),
            gesture=_text(gesture) if gesture else None,
            hands=hands,
            camera=camera,
            seed=data.get("seed", 0),
            steps=data.get("steps", Settings.steps),
            cfg=data.get("cfg", Settings.cfg),
            methods=tuple(str(name) for name in _list(data.get("methods"))),
            params=_mapping(data.get("params")),
        ),
        catalogue,
    )


def check(settings: Settings, catalogue: Mapping[str, Any]) -> Settings:
    """`settings` with numbers as numbers and names that exist; UserError says what does not fit.

    An empty prompt passes: a page may be left half filled. `check_ready` is for what must run.
    """
    for text in (settings.prompt, settings.negative):
        if len(text) > MAX_PROMPT:
            raise UserError(
                f"The prompt has {len(text):,} characters; please shorten it to {MAX_PROMPT}.",
                code="long_prompt",
                length=len(text),
                limit=MAX_PROMPT,
            )
    if len(settings.hands) > MOST_HANDS:
        raise UserError("A picture takes at most two hands.", code="many_hands")
    return replace(
        settings,
        prompt=" ".join(settings.prompt.split()),
        negative=" ".join(settings.negative.split()),
        hands=tuple(settled(hand) for hand in settings.hands),
        seed=_whole(settings.seed, 0, MOST_SEED, "seed"),
        steps=_whole(settings.steps, 1, MAX_STEPS, "steps"),
        cfg=_number(settings.cfg, 0.0, MAX_CFG, "guidance"),
        methods=tuple(name for name in dict.fromkeys(settings.methods) if name in catalogue),
        params={
            name: checked
            for name, values in settings.params.items()
            if name in catalogue and (checked := check_params(catalogue[name], values))
        },
    )


def check_ready(settings: Settings) -> Settings:
    """`settings` that can run: a prompt and a method."""
    if not settings.prompt:
        raise UserError("Please write a prompt first.", code="empty_prompt")
    if not settings.methods:
        raise UserError("Please choose at least one method.", code="no_method")
    return settings


def check_params(method: Any, values: Any) -> dict[str, Any]:
    """The values of `method`'s own parameters that differ from their defaults, each within its range."""
    out = {}
    given = _mapping(values)
    for param in method.params:
        if param.name in given:
            value = _param(param, given[param.name])
            if value != param.default:
                out[param.name] = value
    return out


def settled(hand: HandPose) -> HandPose:
    """`hand` without digits that do not show: the same pose, the same picture, the same link."""
    fields = ("global_orient", "hand_pose", "betas", "transl")
    return replace(
        hand, **{name: tuple(round(v, _POSE_DIGITS) for v in getattr(hand, name)) for name in fields}
    )


def to_link(settings: Settings) -> str:
    """`settings` as a query value: short enough for a message, and it needs nothing kept on the server."""
    compact = {key: value for key, value in settings.to_json().items() if value not in (None, "", [], {})}
    text = json.dumps(compact, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def from_link(value: str, catalogue: Mapping[str, Any]) -> Settings:
    """The inverse of `to_link`, for links that anyone may have written."""
    try:
        packed = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        inflate = zlib.decompressobj()
        text = inflate.decompress(packed, _LINK_LIMIT)
        if inflate.unconsumed_tail:
            raise ValueError("too long")
        data = json.loads(text)
    except (ValueError, binascii.Error, zlib.error):
        raise UserError(
            "This link's settings cannot be read; please copy the whole link.", code="bad_link"
        ) from None
    return settings_from_json(data, catalogue)


def _param(param: Any, value: Any) -> Any:
    if param.kind == "bool":
        return bool(value)
    if param.kind == "choice":
        if value not in param.choices:
            raise UserError(
                f"{param.label['en']} must be one of {', '.join(map(str, param.choices))}.",
                code="bad_choice",
                name=param.label["en"],
            )
        return value
    if param.kind == "text":
        return _text(value)[:MAX_PROMPT]
    return _number(value, param.minimum, param.maximum, param.label["en"])


def _number(value: Any, low: float | None, high: float | None, name: str) -> float:
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high or math.isinf(number):  # NaN fails every comparison
        raise UserError(
            f"{name.capitalize()} must be a number from {low:g} to {high:g}.",
            code="bad_number",
            name=name,
            low=f"{low:g}",
            high=f"{high:g}",
        )
    return number


def _whole(value: Any, low: int, high: int, name: str) -> int:
    return int(_number(value, low, high, name))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError("The settings hold something that is not text.", code="bad_settings")
    return value


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
