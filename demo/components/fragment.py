"""A gr.HTML that shows a fragment; buttons and texts in it that carry data-act report."""

from __future__ import annotations

import gradio as gr

# Listeners on the component's root: they survive every change of the fragment.
_REPORT = """
element.addEventListener('click', (event) => {
  const target = event.target.closest('button[data-act]');
  if (target && element.contains(target)) trigger('act', {...target.dataset});
});
element.addEventListener('change', (event) => {
  const target = event.target.closest('textarea[data-act]');
  if (target) trigger('act', {...target.dataset, value: target.value});
});
"""


class Fragment(gr.HTML):
    """HTML from demo/templates. `fragment.act(fn, ...)`: `event._data` is the element's data-* attributes."""

    def __init__(self, value: str = "", **layout):
        super().__init__(value, js_on_load=_REPORT, apply_default_css=False, **layout)

    def get_block_name(self) -> str:
        return "html"
