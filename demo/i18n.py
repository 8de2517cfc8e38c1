"""English and Chinese: every sentence on the screen has a key in demo/locales/*.yaml.

`Text` is a language's words; a key that a language lacks falls back to English, so that a new sentence shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from engine.types import UserError

_FOLDER = Path(__file__).with_name("locales")
LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"


class Text:
    """The words of one language: `text("key", name=value)`."""

    def __init__(self, language: str):
        self.language = language if language in LANGUAGES else DEFAULT
        self._words = _words(self.language)

    def __call__(self, key: str, **facts: Any) -> str:
        """The sentence of `key` with its blanks filled; a key without a sentence is a programming error."""
        sentence = self.get(key)
        if sentence is None:
            raise KeyError(f"demo/locales/{DEFAULT}.yaml has no {key!r}")
        return sentence.format(**facts) if facts else sentence

    def get(self, key: str, default: str | None = None) -> str | None:
        """The sentence of `key` as it stands, or `default`."""
        return self._words.get(key) or _words(DEFAULT).get(key, default)

    def own(self, key: str, default: str) -> str:
        """This language's sentence of `key`, else `default`: for words that other parts carry in English."""
        return self._words.get(key, default)

    def pick(self, titles: Mapping[str, str]) -> str:
        """This language's of `titles`, as presets and methods carry them: {"en": ..., "zh": ...}."""
        return titles.get(self.language) or titles.get(DEFAULT, "")

    def error(self, error: UserError) -> str:
        """An expected failure's sentence. English is the error's own; others translate its code."""
        if self.language == DEFAULT:
            return str(error)
        sentence = self._words.get(f"error.{error.code}")
        try:
            return sentence.format(**error.facts) if sentence else str(error)
        except (KeyError, IndexError):  # the raiser gave fewer facts than the sentence has blanks
            return str(error)


@cache
def text(language: str) -> Text:
    """The one Text of `language`."""
    return Text(language)


def preferred(accept_language: str | None) -> str:
    """The first language of an Accept-Language header that we speak."""
    for part in (accept_language or "").split(","):
        code = part.split(";")[0].strip().lower()[:2]
        if code in LANGUAGES:
            return code
    return DEFAULT


@cache
def _words(language: str) -> dict[str, str]:
    return yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
