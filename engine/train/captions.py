"""Which text a picture is trained with. Every choice depends on (seed, picture) alone, so states can be kept."""

from __future__ import annotations

import functools

import numpy as np

STYLES = ("short", "wordy", "phrase", "semantics")
STYLE_SHARES = (0.45, 0.2, 0.2, 0.15)


def four_parts(caption: str, hand_action: str) -> str:
    """SesaHand's prompt of a caption, by the rules that also run at inference."""
    from engine.behaviour import Behaviour
    from engine.semantics import KEYS, analyse, compose

    parts = analyse(caption, hand_action=hand_action)
    return compose(Behaviour(**{key: getattr(parts, key) for key in KEYS}))


def phrases() -> list[str]:
    from engine.hand.gesture import load_gestures

    return [gesture.phrase for gesture in load_gestures().values()]


class BaseCaptions:
    """Captions that say nothing about the hand's pose, as the web's do not.

    A share ends in the phrase of a *random* gesture: the base model meets the words, and learns that they tell it
    nothing. Without this a gesture's phrase is noise to it, which can carry a wall's colour away; and it is
    what Hand1000 faults Stable Diffusion for: it knows the words and cannot tie them to a hand's shape.
    """

    def __init__(self, rows: list[dict], seed: int = 0):
        self.rows = rows
        self.seed = seed
        self.phrases = phrases()

    def __call__(self, index: np.ndarray, rng: np.random.Generator) -> list[str]:
        styles = rng.choice(len(STYLES), len(index), p=STYLE_SHARES)
        return [self.text(int(i), STYLES[s]) for i, s in zip(index, styles, strict=True)]

    @functools.cache  # noqa: B019
    def text(self, i: int, style: str) -> str:
        from engine.text import with_phrase

        captions = self.rows[i]["captions"]
        if style in ("short", "wordy"):
            return captions[style]
        own = np.random.default_rng([self.seed, i])
        phrase = self.phrases[own.integers(len(self.phrases))]
        if style == "phrase":
            return with_phrase(captions["short"], phrase)
        return four_parts(captions["short"], phrase)


class GestureCaptions:
    """Captions with the gesture's own phrase: Hand1000's, and fine-tuned SD's. At the end, or where the corpus's
    rewriter put it."""

    def __init__(self, rows: list[dict]):
        from engine.hand.gesture import load_gestures

        self.rows = rows
        self.phrase = {name: gesture.phrase for name, gesture in load_gestures().items()}

    def text(self, i: int) -> str:
        from engine.text import with_phrase

        captions, phrase = self.rows[i]["captions"], self.phrase[self.rows[i]["attributes"]["gesture"]]
        return (
            captions["gesture"] if phrase in captions["gesture"] else with_phrase(captions["short"], phrase)
        )


class SemanticCaptions:
    """SesaHand's four-part prompts: the chain that runs at inference, run on the picture's caption and gesture."""

    def __init__(self, rows: list[dict]):
        self.rows = rows

    def __call__(self, index: np.ndarray, rng: np.random.Generator) -> list[str]:
        return [self.text(int(i), bool(rng.random() < 0.3)) for i in index]

    @functools.cache  # noqa: B019
    def text(self, i: int, wordy: bool) -> str:
        row = self.rows[i]
        return four_parts(row["captions"]["wordy" if wordy else "short"], row["attributes"].get("phrase", ""))
