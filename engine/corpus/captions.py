"""What a picture is called: rules from the scene's attributes to text. Only what is seen is said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.corpus.sample import Captions, Semantics

_AGE_WORDS = {"young": "young", "middle-aged": "middle-aged", "old": "elderly"}
_OPENINGS = (
    "The image shows {who} {wearing}, {standing}.",
    "This is a portrait of {who} {wearing}, {standing}.",
    "{Who} {wearing} is seen from the chest up, {standing}.",
    "In the picture there is {who} {wearing}, {standing}.",
)
_LIGHT = (
    "The light is soft and even.",
    "Soft light falls from one side.",
    "The scene is lit softly, like a studio.",
)
_LOOKS = (
    "The person looks into the camera.",
    "The eyes are turned to the viewer.",
    "The expression is calm.",
)


def article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0].lower() in "aeiou" else f"a {phrase}"


def describe(attributes: Mapping[str, str], rng: np.random.Generator) -> tuple[Captions, Semantics]:
    """Captions and SesaHand's four parts for one of our pictures; `attributes` as picture.attributes makes them."""
    a = attributes
    gender, shirt = a["gender"], shirt_words(a)
    where = f"in front of {article(a['wall'] + ' wall')}"
    short = f"{article(gender)} in {article(shirt)} {where}"
    phrase = a["phrase"]
    raised = "both hands" if a["side"] == "both" else f"the {a['side']} hand"
    return (
        Captions(short=short, wordy=_wordy(a, shirt, rng), gesture=f"{short}, {phrase}"),
        Semantics(
            pose=f"{article(gender)} facing the camera, seen from the chest up, {raised} raised",
            action=f"wearing {article(shirt)} and looking at the camera",
            hand_action=phrase,
            environment=where,
        ),
    )


def shirt_words(a: Mapping[str, str]) -> str:
    pattern = a.get("pattern", "plain")
    return f"{a['shirt']} shirt" if pattern == "plain" else f"{pattern} {a['shirt']} shirt"


def _wordy(a: Mapping[str, str], shirt: str, rng: np.random.Generator) -> str:
    who = article(f"{_AGE_WORDS[a['age']]} {a['gender']} with {hair_words(a)}")
    facts = {
        "who": who,
        "Who": who[0].upper() + who[1:],
        "wearing": f"wearing {article(shirt)} with {a['sleeve']} sleeves",
        "standing": f"standing in front of a plain {a['wall']} wall",
    }
    hand = f"One {'right' if a['side'] == 'right' else 'left'} hand is raised beside the face."
    if a["side"] == "both":
        hand = "Both hands are raised beside the face."
    tail = [str(rng.choice(_LIGHT)), str(rng.choice(_LOOKS))]
    rng.shuffle(tail)
    return " ".join([str(rng.choice(_OPENINGS)).format(**facts), hand, *tail[: int(rng.integers(1, 3))]])


def hair_words(a: Mapping[str, str]) -> str:
    shape = a["hair_shape"]
    if shape == "receding":
        return f"receding {a['hair']} hair"
    return f"{shape} {a['hair']} hair"
