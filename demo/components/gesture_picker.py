"""The gestures as pictures, to search and to pick from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demo.i18n import Text
from demo.views.html import data_uri, fragment

_PICTURE_PX = 96
_SCRIPT = """
const root = () => element.querySelector('.hl-picker');
let group = '';
const filter = () => {
  const query = (root().querySelector('[data-filter=text]').value || '').trim().toLowerCase();
  let shown = 0;
  for (const item of root().querySelectorAll('.item')) {
    const fits = (!group || item.dataset.group === group) && item.dataset.text.includes(query);
    item.hidden = !fits;
    shown += fits;
  }
  root().querySelector('.none').hidden = shown > 0;
};
const press = (selector, pressed) => {
  for (const button of root().querySelectorAll(selector)) {
    button.setAttribute('aria-pressed', button === pressed);
  }
};
element.addEventListener('input', filter);
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.filter === 'group') {
    group = button.dataset.group;
    press('[data-filter=group]', button);
    filter();
  } else if (button.dataset.act === 'pick') {
    press('.item', button);
    trigger('pick', {gesture: button.dataset.gesture});
  }
});
"""


class GesturePicker(gr.HTML):
    """`picker.pick(fn, ...)`: `event._data["gesture"]` is the name."""

    def __init__(self, value: str = "", **layout):
        super().__init__(value, js_on_load=_SCRIPT, apply_default_css=False, **layout)


@dataclass(frozen=True)
class _Item:
    name: str
    title: dict[str, str]
    group: str
    search: str  # everything to find it by, in lower case
    picture: str  # URL


def picker_html(gestures: Mapping[str, Any], selected: str | None, text: Text) -> str:
    """The picker's value with `selected` marked."""
    items = [_item(gesture) for gesture in gestures.values()]
    groups = list(dict.fromkeys(item.group for item in items))
    return fragment("picker.html", text, gestures=items, groups=groups, selected=selected)


def suggestions(gestures: Mapping[str, Any], prompt: str) -> list[Any]:
    """Gestures that the prompt names, best first: by its phrase, a title or a tag as whole words."""
    spoken = f" {' '.join(prompt.casefold().split())} "

    def named(gesture: Any) -> int:
        names = {gesture.name.replace("_", " "), gesture.phrase, *gesture.title.values(), *gesture.tags}
        return max((len(n) for n in names if n and _says(spoken, n.casefold())), default=0)

    ranked = sorted(gestures.values(), key=named, reverse=True)
    return [gesture for gesture in ranked if named(gesture)][:3]


def _says(spoken: str, name: str) -> bool:
    return (f" {name} " in spoken) if name.isascii() else (name in spoken)  # Chinese has no spaces


def _item(gesture: Any) -> _Item:
    words = [gesture.name, gesture.phrase, *gesture.title.values(), *gesture.tags]
    search = " ".join(words).replace("_", " ").casefold()
    return _Item(gesture.name, gesture.title, gesture.group, search, _picture(gesture.thumbnail))


@cache
def _picture(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        return data_uri(np.asarray(image.convert("RGBA").resize((_PICTURE_PX, _PICTURE_PX))))
