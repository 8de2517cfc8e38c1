"""A method's own parameters as sliders, switches and lists, made from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from demo.components.translated import Translated
from demo.i18n import Text

ParamKey = tuple[str, str]  # method, parameter


class MethodControls:
    """One group a method that has parameters; only those of chosen methods show."""

    def __init__(self, catalogue: Mapping[str, Any], words: Translated, chosen: tuple[str, ...]):
        self.groups: dict[str, gr.Group] = {}
        self.inputs: dict[ParamKey, gr.components.Component] = {}
        for name, method in catalogue.items():
            if not method.params:
                continue
            with gr.Group(visible=name in chosen, elem_classes="hl-method-params") as group:
                words.build(
                    gr.Markdown, elem_classes="hl-subtitle", say={"value": partial(_pick, method.title)}
                )
                for param in method.params:
                    self.inputs[name, param.name] = _control(param, words)
            self.groups[name] = group

    def visibility(self, chosen: list[str] | None) -> list[dict[str, Any]]:
        """Updates for `groups`."""
        return [gr.update(visible=name in (chosen or ())) for name in self.groups]


def _control(param: Any, words: Translated) -> gr.components.Component:
    say = {"label": partial(_pick, param.label), "info": partial(_pick, param.help)}
    if param.kind == "float":
        return words.build(gr.Slider, param.minimum, param.maximum, param.default, step=param.step, say=say)
    if param.kind == "choice":
        return words.build(gr.Dropdown, list(param.choices), value=param.default, say=say)
    return words.build(gr.Checkbox if param.kind == "bool" else gr.Textbox, param.default, say=say)


def _pick(titles: Mapping[str, str], t: Text) -> str:
    return t.pick(titles)
