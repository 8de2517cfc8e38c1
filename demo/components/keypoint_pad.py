"""A photo with the 21 keypoints of a hand over it, for a person to put right where the detector errs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np

from demo.components.hand_editor import STATIC, _serve_static, _versioned
from demo.i18n import Text
from demo.views.html import data_uri
from engine.types import Side, UserError

LONGEST_PX = 768  # of the photo as it is shown; the points are in its own px
FINGERS = ("thumb", "index", "middle", "ring", "pinky")

_CSS = """
.keypoints[hidden] { display: none; }
.keypoints .pad { display: block; width: 100%; height: auto; border-radius: 10px; touch-action: none; }
.keypoints .dot { cursor: grab; outline: none; }
.keypoints .dot:focus-visible .mark { stroke: #fff; stroke-width: 3; }
.keypoints .say { margin: 0 0 6px; font-size: 14px; }
.keypoints .bar { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center;
  justify-content: space-between; margin-top: 8px; }
.keypoints .sides { display: flex; gap: 12px; border: 0; padding: 0; margin: 0; align-items: center; }
.keypoints .sides legend { float: left; margin-right: 4px; padding: 0; }
.keypoints .sides label { min-height: 24px; display: inline-flex; align-items: center; gap: 4px; }
.keypoints .sides input { appearance: auto; width: 16px; height: 16px; accent-color: var(--color-accent); }
.keypoints .use { padding: 8px 14px; border-radius: 8px; border: 0; cursor: pointer; font-weight: 600;
  color: var(--button-primary-text-color); background: var(--button-primary-background-fill); }
"""
_SCRIPT = """
const url = (file) => `${(window.gradio_config?.root || '').replace(/\\/$/, '')}/gradio_api/file=${file}`;
(async () => {
  const { mount } = await import(url(__MODULE__));
  const pad = mount(element.querySelector('.keypoints'), { apply: (data) => trigger('apply', data) });
  const show = () => pad.show(props.value || null);
  show();
  watch('value', show);
})();
"""


class KeypointPad(gr.HTML):
    """Its value is what `state` makes, or None to hide it. `pad.apply(fn, ...)`: event._data is {points, side}."""

    def __init__(self, **layout: Any):
        _serve_static()
        super().__init__(
            None,
            html_template='<div class="keypoints" hidden></div>',
            css_template=_CSS,
            js_on_load=_SCRIPT.replace("__MODULE__", json.dumps(_versioned(STATIC / "keypoints.js"))),
            apply_default_css=False,
            **layout,
        )

    def get_block_name(self) -> str:
        return "html"


def state(image: np.ndarray, points_px: np.ndarray | None, side: Side, t: Text) -> dict[str, Any]:
    """What the pad shows: `image` (H, W, 3) uint8, keypoints (21, 2) px or None for a spread hand in the middle."""
    from engine.image import resize

    height, width = image.shape[:2]
    scale = min(1.0, LONGEST_PX / max(height, width))
    small = resize(image, (round(height * scale), round(width * scale))) if scale < 1 else image
    points = spread_hand(width, height, side) if points_px is None else points_px
    words = {
        key: t(f"keypoints.{key}")
        for key in ("pad", "help", "wrist", "point", "side", "left", "right", "use")
    }
    return {
        "image": data_uri(small),
        "width": width,
        "height": height,
        "points": np.round(points, 2).tolist(),
        "side": side,
        "words": {**words, "fingers": [t(f"keypoints.{finger}") for finger in FINGERS]},
    }


def spread_hand(width: int, height: int, side: Side) -> np.ndarray:
    """(21, 2) px: an open palm in the middle of the picture, to begin with."""
    from engine.hand import pose_hand
    from engine.hand.anatomy import mirror
    from engine.hand.gesture import load_gestures
    from engine.render import keypoints_px

    palm = load_gestures()["palm"]
    hand = palm.hand if palm.hand.side == side else mirror(palm.hand)
    points = keypoints_px(pose_hand(hand), palm.camera)
    points -= (points.min(0) + points.max(0)) / 2
    return points * (0.6 * min(width, height) / np.ptp(points, axis=0).max()) + (width / 2, height / 2)


def read_points(data: Mapping[str, Any], width: int, height: int) -> tuple[np.ndarray, Side]:
    """The browser's keypoints (21, 2) in px and the hand's side, checked."""
    side = data.get("side")
    try:
        points = np.asarray(data.get("points"), np.float64).reshape(21, 2)
    except (TypeError, ValueError):
        points = np.full((21, 2), np.nan)
    inside = (points >= 0).all() and (points <= (width, height)).all()  # False for NaN
    if side not in ("left", "right") or not inside:
        raise UserError(
            "The keypoints must be 21 places on the photo, of a left or a right hand.", code="bad_numbers"
        )
    return points, side
