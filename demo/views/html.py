"""HTML fragments from demo/templates: escaped by Jinja, in one language, with pictures inside them."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from demo.i18n import Text

_TEMPLATES = Path(__file__).parent.parent / "templates"
_WEBP_QUALITY = 90


def fragment(template: str, text: Text, **context: Any) -> str:
    """`template` filled with `context`, its words from `text`."""
    return _environment().get_template(template).render(t=text, **context)


def data_uri(image: np.ndarray) -> str:
    """`image` (H, W, 3 or 4) uint8 as a URL that needs no request: about 12 kB for 256x256."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=_WEBP_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def icon(name: str) -> Markup:
    """An outline icon, 24x24, in the colour of the text around it; decoration only."""
    return Markup(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" '
        f'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">{_ICONS[name]}</svg>'
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    environment.globals["icon"] = icon
    return environment


_ICONS = {
    "star": '<path d="M12 3.5l2.6 5.3 5.9.9-4.2 4.1 1 5.8-5.3-2.8-5.3 2.8 1-5.8L3.5 9.700l5.9-.9z"/>',
    "check": '<path d="M5 12.500l4.5 4.500L19 7.5"/>',
    "bolt": '<path d="M13 3L5 14h6l-1 7 8-11h-6z"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.500V12l3 2"/>',
    "warning": '<path d="M12 4l9 16H3z"/><path d="M12 10v4.500M12 17.500v.1"/>',
    "pause": '<rect x="6.5" y="6.5" width="11" height="11" rx="1.5"/>',
    "download": '<path d="M12 4v11m-4.5-4.500L12 15l4.5-4.500M5 20h14"/>',
    "open": '<path d="M5 12h14m-5.5-5.500L19 12l-5.5 5.5"/>',
    "link": '<path d="M10 14a4 4 0 005.7 0l3-3A4 4 0 0013 5.3l-1 1"/>'
    '<path d="M14 10a4 4 0 00-5.7 0l-3 3A4 4 0 0011 18.7l1-1"/>',
    "moon": '<path d="M20 14.500A8 8 0 019.5 4a8 8 0 1010.5 10.500z"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>',
    "ruler": '<path d="M3.5 15.500l12-12 5 5-12 12zM8 11l2 2m1-5l2 2m1-5l2 2"/>',
    "hand": '<path d="M8 13V5.500a1.5 1.5 0 013 0V11m0-6.500a1.5 1.5 0 013 0V11m0-4.500a1.5 1.5 0 013 0V13m'
    "0-3a1.5 1.5 0 013 0v5a6 6 0 01-6 6h-2c-2 0-3.3-.8-4.5-2.500L4.6 14.300a1.6 1.6 0 012.6-1.800L8 "
    '13.5"/>',
}
