"""Core types: what every part of HandLab hands to the next.

Everything here is frozen, keyword-only plain data: hashable, comparable, JSON. No torch, no gradio.
Arrays appear only in what comes *out* of the engine (Step, Result, Reconstruction), as numpy.

Conventions
-----------
units      metres, radians, pixels; a suffix says which (`_m _mm _rad _px _s`) where a name could mislead
camera     OpenCV axes: +X right, +Y down, +Z forward
images     (H, W, 3) uint8 RGB
sizes      (height_px, width_px), the order of an array's shape
joints     16 in MANO order (wrist, index, middle, pinky, ring, thumb; three each);
           21 keypoints in OpenPose = MediaPipe order (wrist, thumb, index, middle, ring, pinky; four each)
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Side = Literal["left", "right"]
SAMPLERS = ("ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_karras", "euler", "euler_a", "unipc")  # SamplerSpec.kind
ENGINE_VERSION = 1  # part of every Plan.key(); raise it when the same plan starts to mean another picture


class UserError(Exception):
    """An expected failure: `str(error)` is one sentence that says what is wrong and what to do.

    `code` names the sentence for translation; `facts` fill its blanks.
    """

    def __init__(self, message: str, *, code: str = "error", **facts: Any):
        super().__init__(message)
        self.code = code
        self.facts = facts


def _floats(values: Any, length: int, name: str) -> tuple[float, ...]:
    """`values` as a tuple of `length` finite floats, or UserError."""
    try:
        out = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        raise UserError(f"{name} must be {length} numbers.", code="bad_numbers", name=name) from None
    if len(out) != length or not all(math.isfinite(v) for v in out):
        raise UserError(
            f"{name} must be {length} finite numbers.", code="bad_numbers", name=name, length=length
        )
    return out


@dataclass(frozen=True, kw_only=True)
class HandPose:
    """One hand in smplx.MANO's parameters, in the camera's frame. Tuples, so that it hashes and is JSON."""

    side: Side = "right"
    global_orient: tuple[float, ...] = (0.0,) * 3  # (3,) rad, axis-angle of the wrist
    hand_pose: tuple[float, ...] = (
        0.0,
    ) * 45  # (45,) rad, axis-angle of 15 joints, MANO order, flat-hand mean
    betas: tuple[float, ...] = (0.0,) * 10  # (10,) shape coefficients, in standard deviations
    transl: tuple[float, ...] = (0.0,) * 3  # (3,) m

    def __post_init__(self):
        if self.side not in ("left", "right"):
            raise UserError("A hand's side must be 'left' or 'right'.", code="bad_side")
        for name, length in (("global_orient", 3), ("hand_pose", 45), ("betas", 10), ("transl", 3)):
            object.__setattr__(self, name, _floats(getattr(self, name), length, name))


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera, OpenCV axes."""

    K: tuple[tuple[float, ...], ...]  # (3, 3) px
    width_px: int
    height_px: int

    def __post_init__(self):
        object.__setattr__(self, "K", tuple(_floats(row, 3, "K") for row in self.K))
        if len(self.K) != 3 or not (0 < self.width_px <= 4096 and 0 < self.height_px <= 4096):
            raise UserError("The camera needs a 3x3 K and a size of 1 to 4096 pixels.", code="bad_camera")

    @classmethod
    def simple(cls, *, focal_px: float, width_px: int, height_px: int) -> Camera:
        """Square pixels, principal point in the middle."""
        K = ((focal_px, 0.0, width_px / 2), (0.0, focal_px, height_px / 2), (0.0, 0.0, 1.0))
        return cls(K=K, width_px=width_px, height_px=height_px)

    def resized(self, *, width_px: int, height_px: int) -> Camera:
        """The same view on another pixel grid."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        rows = tuple(tuple(v * s for v in row) for row, s in zip(self.K, (sx, sy, 1.0), strict=True))
        return Camera(K=rows, width_px=width_px, height_px=height_px)


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """cfg: eps_u + cfg * (eps_c - eps_u), so 1 is the conditional model alone and 0 the unconditional."""

    kind: str = "ddim"
    steps: int = 20
    cfg: float = 3.0
    eta: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for; every method turns the same Request into its own Plan."""

    prompt: str
    negative: str = ""
    gesture: str | None = None  # a name in presets/gestures
    hands: tuple[HandPose, ...] = ()  # none, one or two
    camera: Camera | None = None
    seed: int = 0
    size: tuple[int, int] = (256, 256)  # (height_px, width_px)
    sampler: SamplerSpec = SamplerSpec()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the engine will do, in plain data: the cache's key, the screen's table, a bug report's attachment.

    `method` is a label; it is not part of key(), so two methods that plan the same share one picture.
    """

    method: str
    weights: str  # a manifest entry: which UNet
    text: Any  # engine.text part
    init: Any  # engine.init part
    structure: tuple[Any, ...] = ()  # engine.structure parts
    attention: tuple[Any, ...] = ()  # engine.attention parts
    sampler: SamplerSpec = SamplerSpec()
    seed: int = 0
    size: tuple[int, int] = (256, 256)
    profile: str = "embedded"

    def to_json(self) -> dict[str, Any]:
        return to_json(self)

    def key(self, weights_hash: str = "") -> str:
        """blake2 of the canonical JSON, the engine's version and the hashes of the weights involved."""
        data = {k: v for k, v in self.to_json().items() if k != "method"}
        text = json.dumps([data, ENGINE_VERSION, weights_hash], sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Site:
    """An attention layer, known by its module name and never by counting."""

    name: str
    is_cross: bool
    place: Literal["down", "mid", "up"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Yielded by the loop after each step."""

    index: int  # 0-based
    total: int
    preview: np.ndarray | None = None  # (H, W, 3) uint8: the x0 estimate, decoded coarsely, when asked for


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a plan made. numpy only."""

    plan: Plan
    image: np.ndarray  # (H, W, 3) uint8 RGB
    words: tuple[str, ...] = ()  # the words of the text that heat speaks of, in order
    heat: np.ndarray | None = (
        None  # (words, h, w) float32: mean conditional cross-attention, sums to <= 1 over words
    )
    heat_sites: dict[str, np.ndarray] = field(
        default_factory=dict
    )  # site name -> (words, h, w), mean over steps
    heat_steps: np.ndarray | None = None  # (steps, words): share of attention on each word at each step
    hand_words: tuple[int, ...] = ()  # indices into words
    hints: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (H, W, 3) uint8
    self_map: np.ndarray | None = None  # (n, n) fused self-attention of StructuralFusion, where it ran
    text_parts: dict[str, str] = field(default_factory=dict)  # each step of the prompt's chain, in order
    seconds: float = 0.0
    weights_hash: str = ""
    previews: tuple[np.ndarray, ...] = ()
    cached: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """A hand read from a picture, in the camera's frame."""

    verts: np.ndarray  # (V, 3) m
    joints: np.ndarray  # (21, 3) m, OpenPose order
    hand: HandPose
    camera: Camera
    score: float  # 0..1
    keypoints_px: np.ndarray | None = None  # (21, 2) px, as detected
    faces: np.ndarray | None = None  # (F, 3) int


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """(field name, value) of everything inside a plan or part, depth first."""
    if isinstance(value, tuple):
        for item in value:
            yield from _walk(item)
    elif dataclasses.is_dataclass(value):
        for f in dataclasses.fields(value):
            item = getattr(value, f.name)
            yield f.name, item
            yield from _walk(item)


def weights_of(value: Any) -> tuple[str, ...]:
    """The entries of assets/models.toml that a plan or part needs: every text field named `weights` in it."""
    return tuple(dict.fromkeys(item for name, item in _walk(value) if name == "weights" and item))


def sources_of(plan: Plan) -> tuple[Plan, ...]:
    """The plans whose pictures this one starts from or refers to, each once; not those of theirs."""

    def outermost(value: Any) -> Iterator[Plan]:
        if isinstance(value, Plan):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                yield from outermost(item)
        elif dataclasses.is_dataclass(value):
            for f in dataclasses.fields(value):
                yield from outermost(getattr(value, f.name))

    parts = (plan.text, plan.init, plan.structure, plan.attention)
    return tuple(dict.fromkeys(outermost(parts)))


def in_profile(value: Any, profile: str) -> Any:
    """The plan, or part, with every plan in it set to the profile."""
    if isinstance(value, tuple):
        items = tuple(in_profile(item, profile) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if not dataclasses.is_dataclass(value):
        return value
    changes = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    changes = {name: new for name, old in changes.items() if (new := in_profile(old, profile)) is not old}
    if isinstance(value, Plan):
        changes["profile"] = profile
    return replace(value, **changes) if changes else value


# --- JSON ---------------------------------------------------------------------------------------------

_TYPES: dict[str, type] = {}


def register(cls: type) -> type:
    """Class decorator: `cls` may stand in a Plan and come back from its JSON."""
    _TYPES[cls.__name__] = cls
    return cls


for _cls in (HandPose, Camera, SamplerSpec, Request, Plan, Site):
    register(_cls)


def to_json(value: Any) -> Any:
    """Frozen dataclasses as {"type": name, field: ...}; tuples as lists; floats rounded to 1e-9."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out: dict[str, Any] = {"type": type(value).__name__}
        out.update({f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)})
        return out
    if isinstance(value, tuple | list):
        return [to_json(v) for v in value]
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, float):
        return round(value, 9) + 0.0  # + 0.0 turns -0.0 into 0.0
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot stand in a plan")


def from_json(value: Any) -> Any:
    """The inverse of to_json; raises UserError for anything that is not a registered type."""
    if isinstance(value, dict) and "type" in value:
        cls = _TYPES.get(value["type"])
        if cls is None:
            raise UserError(f"Unknown type {value['type']!r} in the file.", code="bad_file")
        names = {f.name for f in dataclasses.fields(cls)}
        try:
            return cls(**{k: from_json(v) for k, v in value.items() if k in names})
        except TypeError as error:
            raise UserError(f"The file's {value['type']} is incomplete: {error}.", code="bad_file") from None
    if isinstance(value, dict):
        return {k: from_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(from_json(v) for v in value)
    return value


__all__ = [
    "ENGINE_VERSION", "SAMPLERS", "Camera", "HandPose", "Plan", "Reconstruction", "Request", "Result",
    "SamplerSpec", "Side", "Site", "Step", "UserError", "from_json", "in_profile", "register", "replace",
    "sources_of", "to_json", "weights_of",
]  # fmt: skip
