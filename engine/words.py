"""Which words of a text speak of hands. No model, no tokenizer.

AttentionHand's practice, which SesaHand inherits (papers/sesahand.md 6): hand words united with the words
tagged VBG. The tag is by rule: -ing, unless a known noun, or a noun by its article.
"""

from __future__ import annotations

import re

Span = tuple[int, int]  # [start, end) in characters

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
HAND_WORDS = frozenset({"hand", "hands", "gesture", "gestures", "finger", "fingers"})
# fmt: off
ING_NOUNS = frozenset({
    "thing", "things", "something", "anything", "nothing", "everything", "morning", "evening",
    "building", "ceiling", "clothing", "string", "spring", "king", "ring", "wing", "sibling",
    "wedding", "during", "bring", "sing", "sting", "fling", "sling", "swing", "duckling",
    "dumpling", "stocking", "earring", "pudding", "icing", "lightning", "herring", "being",
    "darling", "viking", "beijing",
})
# Nouns or verbs by context: "holding a painting", "painting a wall".
ING_EITHER = frozenset({
    "painting", "railing", "drawing", "crossing", "parking", "meeting", "opening", "landing", "clearing",
})
# fmt: on
ARTICLES = frozenset({"a", "an", "the", "this", "that", "his", "her", "their", "its", "my", "your"})


def words(text: str) -> list[Span]:
    """The spans of the words of a text, in order."""
    return [match.span() for match in WORD.finditer(text)]


def is_gerund(word: str, before: str = "") -> bool:
    """Whether `word`, which follows the word `before`, is a verb in -ing."""
    word = word.lower()
    if len(word) < 5 or not word.endswith("ing") or word in ING_NOUNS:
        return False
    return not (word in ING_EITHER and before.lower() in ARTICLES)


def hand_words(text: str) -> list[Span]:
    """The spans of hand words and of verbs in -ing, in order."""
    found, before = [], ""
    for start, end in words(text):
        word = text[start:end]
        if word.lower() in HAND_WORDS or is_gerund(word, before):
            found.append((start, end))
        before = word
    return found
