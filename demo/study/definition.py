"""What a study asks: presets/studies/NAME.yaml, read and checked."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.types import Camera, HandPose, UserError

PRESETS = Path(__file__).parents[2] / "presets" / "studies"
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
ALL_METHODS = "all"
Choice = Literal["left", "right", "tie", "both_bad"]


def _unique(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("the same entry stands twice")
    return values


Unique = AfterValidator(_unique)
Translated = dict[str, str]  # language code -> text


def said(text: Translated, language: str = "en") -> str:
    """The text in a language, or else in the first that it has."""
    return text.get(language) or next(iter(text.values()))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Strict):
    """One thing to draw: every method draws it once a seed."""

    name: str = Field(pattern=NAME)
    prompt: str = Field(min_length=3, max_length=500)  # what the methods are given
    translations: Translated = {}  # what a participant reads instead, by language
    gesture: str | None = None  # a name in presets/gestures; its hand and camera serve as the pose
    hands: list[dict[str, Any]] = []  # engine.types.HandPose's fields, instead of the gesture's hand
    camera: dict[str, Any] | None = None  # engine.types.Camera's fields, instead of the gesture's camera
    seeds: Annotated[list[int], Field(min_length=1), Unique] = [0]

    @model_validator(mode="after")
    def _poses(self) -> Item:
        if bool(self.hands) != bool(self.camera):
            raise ValueError("hands and camera come together")
        self.poses()
        return self

    def poses(self) -> tuple[tuple[HandPose, ...], Camera | None]:
        """The item's own hands and camera; () and None where the gesture gives them."""
        try:
            return tuple(HandPose(**hand) for hand in self.hands), Camera(
                **self.camera
            ) if self.camera else None
        except (TypeError, UserError) as error:
            raise ValueError(f"hands or camera: {error}") from None

    def shown(self, language: str) -> str:
        """The prompt as a participant reads it."""
        return self.translations.get(language, self.prompt)


class Question(_Strict):
    """One axis. A pairwise question is answered once a trial, a rating once for each picture."""

    name: str = Field(pattern=NAME)
    kind: Literal["pairwise", "rating"] = "pairwise"
    text: Translated
    shows: Literal["prompt", "hand", "nothing"] = "nothing"  # what the pictures are judged against
    options: Annotated[list[Choice], Unique] = ["left", "right", "tie", "both_bad"]
    low: Translated = {}  # what 1 and 5 mean
    high: Translated = {}
    checked: bool = False  # a broken hand must lose on this question

    @model_validator(mode="after")
    def _needs(self) -> Question:
        if not {"left", "right"} <= set(self.options):
            raise ValueError("options need at least left and right")
        if self.kind == "rating" and not (self.low and self.high):
            raise ValueError("a rating says what 1 (low) and 5 (high) mean")
        return self


class Catch(_Strict):
    """How many attention checks a participant meets, among the trials."""

    identical: int = Field(1, ge=0, le=5)  # the same picture twice
    broken: int = Field(1, ge=0, le=5)  # a picture against itself with the hand destroyed
    repeated: int = Field(1, ge=0, le=5)  # an earlier pair again, sides swapped

    @property
    def total(self) -> int:
        return self.identical + self.broken + self.repeated


class Exclusion(_Strict):
    """The pre-registered rules: who is left out of the analysis. None switches a rule off."""

    failed_checks_over: int | None = Field(1, ge=0)  # more failed identical and broken checks than this
    median_response_under_s: float | None = Field(0.8, ge=0)
    same_side_share_over: float | None = Field(0.95, gt=0.5, le=1)  # of the answers left or right
    unfinished: bool = False  # whether those who did not finish are left out


class Prolific(_Strict):
    completion_code: str = Field(pattern=r"^[A-Za-z0-9]{4,32}$")


class Consent(_Strict):
    version: str = Field(min_length=1, max_length=20)
    text: Translated


class Study(_Strict):
    """A study's definition. The hash of a prepared study covers every field."""

    name: str = Field(pattern=NAME)
    title: Translated
    about: Translated  # what a participant does and how long it takes
    contact: str = Field(min_length=3)
    consent: Consent
    debriefing: Translated
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1), Unique] = ["en", "zh"]

    methods: Literal["all"] | Annotated[list[str], Field(min_length=2), Unique] = ALL_METHODS
    without: Annotated[list[str], Unique] = []  # methods to leave out of "all"
    against: str | None = None  # compare this method with each other, instead of all pairs
    reference: Literal["mesh", "gesture"] = "mesh"  # what a question that shows the hand shows
    items: Annotated[list[Item], Field(min_length=1)]
    size_px: int = Field(256, ge=64, le=1024)
    steps: int | None = Field(None, ge=1, le=200)  # None: the profile's own
    cfg: float | None = Field(None, ge=0, le=30)

    questions: Annotated[list[Question], Field(min_length=1, max_length=8)]
    trials: int = Field(12, ge=1, le=200)  # a participant's, checks included, the training trial not
    catch: Catch = Catch()
    minimum_view_s: float = Field(1.0, ge=0, le=30)  # before the first answer to a pair
    participants: int | None = Field(None, ge=1)  # closes when so many have finished
    seed: int = 0  # of the schedule

    exclusion: Exclusion = Exclusion()
    ties: Literal["excluded", "half"] = "excluded"  # how shares and intervals count them
    prolific: Prolific | None = None

    @model_validator(mode="after")
    def _whole(self) -> Study:
        _unique([item.name for item in self.items])
        _unique([question.name for question in self.questions])
        if self.trials <= self.catch.total:
            raise ValueError("trials must be more than the catch trials")
        if self.catch.repeated > self.comparisons:
            raise ValueError("catch.repeated must not be more than the trials that can be repeated")
        if self.catch.broken and not any(question.checked for question in self.questions):
            raise ValueError("a broken-hand trial needs a question with checked: true")
        for where, text in self._texts():
            if missing := [language for language in self.languages if not text.get(language, "").strip()]:
                raise ValueError(f"{where} lacks a text in {', '.join(missing)}")
        if self.reference == "gesture" and (bare := [i.name for i in self.items if not i.gesture]):
            raise ValueError(f"reference is gesture, but these items name none: {', '.join(bare)}")
        return self

    def _texts(self) -> list[tuple[str, Translated]]:
        """Every text that a participant reads, with where it stands."""
        texts = [
            ("title", self.title),
            ("about", self.about),
            ("consent.text", self.consent.text),
            ("debriefing", self.debriefing),
        ]
        texts += [(f"item {i.name}'s translations", {"en": i.prompt, **i.translations}) for i in self.items]
        for question in self.questions:
            texts.append((f"question {question.name}'s text", question.text))
            if question.kind == "rating":
                texts += [(f"question {question.name}'s low", question.low)]
                texts += [(f"question {question.name}'s high", question.high)]
        return texts

    @property
    def comparisons(self) -> int:
        """A participant's trials that are no checks."""
        return self.trials - self.catch.total

    @property
    def stimuli(self) -> tuple[str, ...]:
        """`item#seed`: what the schedule balances over."""
        return tuple(f"{item.name}#{seed}" for item in self.items for seed in item.seeds)

    def item(self, stimulus: str) -> Item:
        name = stimulus.partition("#")[0]
        return next(item for item in self.items if item.name == name)

    def pairs(self, methods: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The pairs that are compared, each once, in the methods' order."""
        every = itertools.combinations(methods, 2)
        return tuple(pair for pair in every if self.against is None or self.against in pair)


def parse(data: Any, where: str) -> Study:
    """A definition from plain data. Raises UserError with the first thing that is wrong and its place."""
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the study"
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{where}: {place}: {message}.", code="bad_study", place=place) from None


def load(name: str, folder: Path = PRESETS) -> Study:
    """The definition `name` in presets/studies, or the .yaml file that `name` is the path of."""
    import yaml

    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file() or not re.match(NAME, path.stem):
        known = ", ".join(names(folder)) or "none"
        raise UserError(f"There is no study {name!r}; there are: {known}.", code="no_study", name=name)
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not YAML: {error}.", code="bad_study") from None
    study = parse(data, path.name)
    if study.name != path.stem:
        raise UserError(f"{path.name}: name must be {path.stem}, as the file is called.", code="bad_study")
    return study


def names(folder: Path = PRESETS) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))
