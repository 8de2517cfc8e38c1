"""The Compare form: which components hold the settings, and how values become Settings and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from demo.components.hand_editor import HandEditor
from demo.components.hand_editor_value import EditorValue
from demo.components.method_controls import ParamKey
from demo.forms import Settings
from engine.types import UserError


@dataclass
class Form:
    """`inputs` is the order in which values arrive and leave."""

    catalogue: Mapping[str, Any]
    prompt: gr.Textbox
    negative: gr.Textbox
    editor: HandEditor
    seed: gr.Number
    steps: gr.Slider
    cfg: gr.Slider
    methods: gr.CheckboxGroup
    params: dict[ParamKey, gr.components.Component] = field(default_factory=dict)

    @property
    def inputs(self) -> list[gr.components.Component]:
        fixed = [self.prompt, self.negative, self.editor, self.seed, self.steps, self.cfg, self.methods]
        return [*fixed, *self.params.values()]

    def read(self, values: Sequence[Any]) -> Settings:
        """Unchecked settings of the values of `inputs`."""
        prompt, negative, hand, seed, steps, cfg, methods, *params = values
        if hand is None:  # the editor has not come up in this browser
            raise UserError("Please pick a gesture first.", code="no_hand_yet")
        chosen: dict[str, dict[str, Any]] = {}
        for (method, name), value in zip(self.params, params, strict=True):
            chosen.setdefault(method, {})[name] = value
        return Settings(
            prompt=prompt or "",
            negative=negative or "",
            gesture=hand.gesture,
            hands=hand.hands,
            camera=hand.camera,
            seed=seed,
            steps=steps,
            cfg=cfg,
            methods=tuple(methods or ()),
            params=chosen,
        )

    def write(self, settings: Settings, *, edited: bool = False) -> list[Any]:
        """Values of `inputs` that show `settings`."""
        params = [
            settings.params.get(method, {}).get(name, self._default(method, name))
            for method, name in self.params
        ]
        return [
            settings.prompt,
            settings.negative,
            hand_value(settings, edited=edited),
            settings.seed,
            settings.steps,
            settings.cfg,
            list(settings.methods),
            *params,
        ]

    def _default(self, method: str, name: str) -> Any:
        return next(param.default for param in self.catalogue[method].params if param.name == name)


def hand_value(settings: Settings, *, edited: bool = False) -> EditorValue:
    """The editor's value for complete `settings`."""
    return EditorValue(
        hands=settings.hands,
        camera=settings.camera,
        gesture=settings.gesture,
        edited=edited,
        active=settings.hands[0].side,
    )
