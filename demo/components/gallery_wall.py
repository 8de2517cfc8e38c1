"""The shipped pictures as a wall, filtered in the browser."""

from __future__ import annotations

import gradio as gr

from demo.i18n import Text
from demo.services import Services
from demo.views.html import fragment

_SCRIPT = """
const filter = () => {
  const value = (name) => element.querySelector(`[data-filter=${name}]`).value;
  const words = value('text').trim().toLowerCase();
  let shown = 0;
  for (const tile of element.querySelectorAll('.tile')) {
    const chosen = (name) => [tile.dataset[name], ''].includes(value(name));
    const fits = ['method', 'gesture', 'verdict'].every(chosen)
      && tile.dataset.text.includes(words);
    tile.hidden = !fits;
    shown += fits;
  }
  element.querySelector('.count').textContent = shown;
  element.querySelector('p.none').hidden = shown > 0;  // not a tile's verdict
};
element.addEventListener('input', filter);
element.addEventListener('click', (event) => {
  const tile = event.target.closest('.tile');
  if (tile) trigger('open', {scene: tile.dataset.scene});
});
filter();  // what was typed before this ran
"""


class GalleryWall(gr.HTML):
    """`wall.open(fn, ...)`: `event._data["scene"]` is the clicked picture's scene."""

    def __init__(self, value: str = "", **layout):
        super().__init__(value, js_on_load=_SCRIPT, apply_default_css=False, **layout)


def wall_html(services: Services, t: Text) -> str:
    """The wall's value. Pictures are files that gradio serves: the browser fetches those in view."""
    gallery = services.gallery
    return fragment(
        "wall.html",
        t,
        pictures=list(gallery.pictures),
        folder=gallery.folder.resolve().as_posix(),
        gestures=services.gestures,
        titles=services.titles(t),
    )
