"""What a picture is called: rules from the scene's attributes to text. Only what is seen is said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.corpus.sample import Captions, Semantics

_AGE_WORDS = {"young": "young", "middle-aged": "middle-aged", "old": "elderly"}
_WHERE = {  # short, wordy, and SesaHand's environment; {wall} is the wall's colour
    "wall": ("in front of {a_wall} wall", "standing in front of a plain {wall} wall"),
    "room": ("in {a_wall} room with a window", "standing in a bright room with {wall} walls and a window"),
    "living room": ("in a living room", "standing in a living room with a sofa, a picture and a floor lamp"),
    "office": ("in front of a bookshelf", "standing in front of a large bookshelf full of books"),
    "park": ("in a park", "standing outdoors in a park with green trees behind"),
    "beach": ("on a beach", "standing on a sandy beach with the sea behind"),
    "street": ("on a street", "standing on a city street lined with buildings"),
}
_OPENINGS = (
    "The image shows {who} {wearing}, {standing}.",
    "This is a portrait of {who} {wearing}, {standing}.",
    "{Who} {wearing} is seen from the front, {standing}.",
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


def describe(attributes: Mapping[str, str], rng: np.random.Generator) -> tuple[Captions, Semantics]:
    """Captions and SesaHand's four parts of one of our pictures, from picture.attributes."""
    a = attributes
    where = _WHERE[a["place"]][0].format(a_wall=article(a["wall"]), wall=a["wall"])
    short = f"{article(a['gender'])} in {listed(garments(a))} {where}"
    raised = "both hands" if a["side"] == "both" else f"the {a['side']} hand"
    captions = Captions(short=short, wordy=_wordy(a, rng), gesture=f"{short}, {a['phrase']}")
    return captions, Semantics(
        pose=f"{article(a['gender'])} facing the camera, {raised} raised",
        action=f"wearing {listed(garments(a))} and looking at the camera",
        hand_action=a["phrase"],
        environment=where,
    )


def article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0].lower() in "aeiou" else f"a {phrase}"


def listed(parts: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def garments(a: Mapping[str, str]) -> list[str]:
    """With their articles, the shirt first."""
    pattern = "" if a["pattern"] == "plain" else f"{a['pattern']} "
    out = [article(f"{pattern}{a['shirt']} shirt")]
    if a["hat"] != "none":
        out.append(article(f"{a['hat_colour']} {a['hat']}"))
    if a["glasses"] == "yes":
        out.append("glasses")
    return out


def hair_words(a: Mapping[str, str]) -> str:
    return f"{a['hair_shape']} {a['hair']} hair"


def _wordy(a: Mapping[str, str], rng: np.random.Generator) -> str:
    hair = "" if a["hat"] != "none" else f" with {hair_words(a)}"
    who = article(f"{_AGE_WORDS[a['age']]} {a['gender']}{hair}")
    shirt, *rest = garments(a)
    facts = {
        "who": who,
        "Who": who[0].upper() + who[1:],
        "wearing": "wearing " + listed([f"{shirt} with {a['sleeve']} sleeves", *rest]),
        "standing": _WHERE[a["place"]][1].format(wall=a["wall"]),
    }
    hand = "Both hands are raised." if a["side"] == "both" else f"The {a['side']} hand is raised."
    if a["held"] != "none":
        hand = f"There is {article(a['held'])} in the {a['side']} hand."
    tail = [str(rng.choice(_LIGHT)), str(rng.choice(_LOOKS))]
    rng.shuffle(tail)
    return " ".join([str(rng.choice(_OPENINGS)).format(**facts), hand, *tail[: int(rng.integers(1, 3))]])
