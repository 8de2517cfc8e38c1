"""Human behaviour in a caption, by rule: SesaHand's four parts without a language model.

The offline extractor. It splits a caption into clauses at punctuation, verbs in -ing and prepositions, and
sorts them: who and posture, clothes and action, what the hands do, where. Everything else (light, style,
other objects) is dropped, which is the purpose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.words import HAND_WORDS, is_gerund


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """SesaHand's four parts (papers/sesahand.md 4); empty where the caption says nothing."""

    pose: str = ""
    action: str = ""
    hand_action: str = ""
    environment: str = ""

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return self.pose, self.action, self.hand_action, self.environment


# fmt: off
_LEAD = re.compile(
    r"^(?:(?:the|this) (?:image|picture|photo|photograph) (?:shows|is of|depicts|features)"
    r"|(?:this is )?(?:an? )?(?:close-up |studio )?(?:photo|photograph|picture|portrait|image) of"
    r"|in (?:the|this) (?:image|picture|photo),? (?:there (?:is|are))?|there (?:is|are)|we see)\s+",
    re.IGNORECASE,
)
_POSTURES = {
    "sitting", "standing", "lying", "leaning", "kneeling", "crouching", "squatting", "walking",
    "running", "jumping", "bending", "facing", "reclining", "climbing", "seated", "dancing", "riding",
}
_HAND_VERBS = {
    "holding", "gripping", "grasping", "touching", "pointing", "waving", "making", "showing", "giving",
    "raising", "playing", "typing", "writing", "cutting", "pouring", "carrying", "catching", "throwing",
    "swinging", "clapping", "clenching", "folding", "crossing", "forming", "lifting", "pressing",
    "squeezing", "shaking", "tying", "peeling", "stirring", "knitting", "painting", "drawing",
    "signing", "gesturing", "spreading", "drinking",
}
_CLOTHES = {
    "shirt", "dress", "suit", "coat", "jacket", "sweater", "hoodie", "jeans", "trousers", "skirt",
    "blouse", "hat", "cap", "glasses", "uniform", "apron", "robe", "scarf", "gloves", "t-shirt",
    "shorts", "tie", "vest", "sleeves", "clothes", "top", "pullover", "cardigan", "sunglasses", "gown",
    "kimono", "sari",
}
_LOOKS = {
    "hair", "beard", "moustache", "mustache", "eyes", "face", "smile", "skin", "freckles", "ponytail",
    "braid", "curls", "bangs", "expression", "makeup", "tattoo", "tattoos",
}
_PREPOSITIONS = {
    "in", "on", "at", "near", "beside", "behind", "against", "under", "by", "inside", "outside",
    "across", "along", "with", "over", "among", "next", "before", "above", "outdoors", "indoors",
}
_DROPPED = re.compile(
    r"\b(?:light|lighting|lit|quality|detailed|style|resolution|realistic|render|bokeh|blurred|8k|4k)\b",
    re.IGNORECASE,
)
_ARTICLES = {"a", "an", "the", "his", "her", "their", "its", "one", "two", "both", "some"}
_NUMBERED = {"one", "two", "both"}
# fmt: on
MAX_ENVIRONMENT = 6  # words


def extract(caption: str) -> Behaviour:
    """The four parts of a caption."""
    sorter = _Sorter()
    for sentence in re.split(r"(?<=[.!?;])\s+", caption.strip()):
        sorter.sentence(_LEAD.sub("", sentence.strip().rstrip(".!?;")))
    found = sorter.behaviour()
    return found if any(found.parts) else Behaviour(pose=caption.strip())


_HAND = re.compile(r"\b(?:" + "|".join(sorted(HAND_WORDS)) + r")\b", re.IGNORECASE)


class _Sorter:
    """Collects clauses into the four parts."""

    def __init__(self):
        self.pose: list[str] = []
        self.action: list[str] = []
        self.hand: list[str] = []
        self.place: list[str] = []
        self._last: list[str] | None = None  # where a following "with ..." or "on ..." belongs

    def sentence(self, sentence: str) -> None:
        for clause in re.split(r"\s*,\s*(?:and\s+|while\s+)?|\s+(?:while|and then)\s+", sentence):
            self._last = None
            if _DROPPED.search(clause) and not _HAND.search(clause):
                continue
            for chunk in _chunks(clause.split()):
                self._sort(chunk)

    def _sort(self, chunk: list[str]) -> None:
        text, first = " ".join(chunk), chunk[0].lower()
        nouns = {w.lower().strip(".,") for w in chunk}
        if is_gerund(first) or first in _POSTURES:
            self._verb(text, first)
        elif first in _PREPOSITIONS:
            self._phrase(text, first, nouns)
        elif not self.pose:  # the first noun phrase is the person
            self._put(self.pose, text)
        elif _HAND.search(text):
            self._put(self.hand, text)
        else:  # another noun phrase: an object nobody holds, or a remark
            self._last = None

    def _verb(self, text: str, first: str) -> None:
        if first in _HAND_VERBS or _HAND.search(text):
            self._put(self.hand, text)
        elif first in _POSTURES:
            self._put(self.pose, text)
        else:
            self._put(self.action, text)

    def _phrase(self, text: str, first: str, nouns: set[str]) -> None:
        if nouns & _CLOTHES and first in ("in", "with"):
            if first == "with" and self.action:
                self._join(self.action, text)
            else:
                self._put(self.action, "wearing " + text.partition(" ")[2], keep_last=True)
        elif nouns & _LOOKS and first == "with":
            self._join(self.pose, text)
        elif _HAND.search(text):
            self._join(self._last if self._last is self.hand else self.hand, text)
        elif self._last is self.hand and first in ("with", "over", "at", "into"):
            self._join(self.hand, text)
        elif self._last is self.pose and first in ("on", "at") and _is_seat(nouns):
            self._join(self.pose, text)
        elif first == "with":  # with something that no hand touches
            self._last = None
        else:
            self._put(self.place, text)

    def _put(self, part: list[str], text: str, *, keep_last: bool = False) -> None:
        part.append(text)
        if not keep_last:
            self._last = part

    def _join(self, part: list[str], text: str) -> None:
        if part:
            part[-1] += f" {text}"
        else:
            part.append(text)
        self._last = part

    def behaviour(self) -> Behaviour:
        place = self.place[:1]
        for more in self.place[1:]:
            if len(" ".join([*place, more]).split()) <= MAX_ENVIRONMENT:
                place.append(more)
        return Behaviour(
            pose=_lower_first(" ".join(self.pose)),
            action=" and ".join(self.action),
            hand_action=" and ".join(self.hand),
            environment=" ".join(" ".join(place).split()[: MAX_ENVIRONMENT + 2]),
        )


def _lower_first(text: str) -> str:
    """Without the capital that begins a sentence; names and abbreviations keep theirs."""
    first = text.partition(" ")[0]
    return text[:1].lower() + text[1:] if first.lower() in _ARTICLES else text


def _is_seat(nouns: set[str]) -> bool:
    return bool(
        nouns & {"chair", "bench", "stool", "table", "desk", "bed", "floor", "ground", "steps", "knees"}
    )


def _chunks(words: list[str]) -> list[list[str]]:
    """Splits a clause before each preposition and each verb in -ing; 'in front of' stays whole."""
    out: list[list[str]] = []
    before = ""
    for word in words:
        lower = word.lower()
        verb = is_gerund(lower, before) or (lower in _POSTURES and before not in _ARTICLES - _NUMBERED)
        starts = verb or lower in _PREPOSITIONS
        if not out or (starts and before not in _PREPOSITIONS):
            out.append([word])
        else:
            out[-1].append(word)
        before = lower
    for chunk in out:
        while chunk and chunk[-1].lower() in ("and", "is", "are", "while"):
            chunk.pop()
    return [chunk for chunk in out if chunk]
