"""Components whose words follow the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from demo.i18n import DEFAULT, Text, text

C = TypeVar("C", bound=gr.blocks.Block)
Words = str | Callable[[Text], Any]  # a key of the locale files, or a function of the language's words


class Translated:
    """Remembers which words stand where; `updates(language)` puts another language there."""

    def __init__(self):
        self._entries: list[tuple[gr.blocks.Block, dict[str, Words]]] = []

    def build(self, component: type[C], *args: Any, say: dict[str, Words], **options: Any) -> C:
        """A component whose properties in `say` are words: built in the default language, and remembered."""
        built = component(*args, **options, **_spell(say, text(DEFAULT)))
        self._entries.append((built, say))
        return built

    @property
    def components(self) -> list[gr.blocks.Block]:
        return [component for component, _ in self._entries]

    def updates(self, language: str) -> list[Any]:
        """What to return for `components`."""
        spelled = (_spell(words, text(language)) for _, words in self._entries)
        return [
            # a gr.HTML takes its value plain: an update would wipe its custom properties (gradio 6.31)
            values["value"] if isinstance(component, gr.HTML) else gr.update(**values)
            for (component, _), values in zip(self._entries, spelled, strict=True)
        ]


def _spell(words: dict[str, Words], t: Text) -> dict[str, Any]:
    return {name: t(value) if isinstance(value, str) else value(t) for name, value in words.items()}
