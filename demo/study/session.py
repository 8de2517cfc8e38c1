"""A participant's session: consent, practice, trials, pause and return, debriefing, withdrawal.

Each call takes the page's request, plain data that names the study and `pid`, the random text of the
participant's link, and returns the screen to show. Method and file names and the schedule stay here.
"""

from __future__ import annotations

import base64
import re
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

from demo.study.definition import Question, Study, said
from demo.study.prepared import Library, Prepared
from demo.study.store import NewAnswer, Standing, Store
from engine.types import UserError

Request = dict[str, Any]
Reply = dict[str, Any]

RATINGS = ("1", "2", "3", "4", "5")
PROLIFIC_URL = "https://app.prolific.com/submissions/complete?cc={code}"
_PID = re.compile(r"[A-Za-z0-9._-]{3,64}")
_ANSWERS = uuid.UUID("6f1c1f4e-6f0b-4c1d-9a55-0d1a2f2f7b11")  # the namespace of answers' ids
_LONGEST_MS = 24 * 3600 * 1000


@lru_cache(maxsize=1)
def texts() -> dict[str, dict[str, Any]]:
    """The page's own texts by language."""
    import yaml

    return yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text("utf-8"))


def language_of(request: Request, study: Study | None = None) -> str:
    """The language asked for, or the first that there is."""
    known = study.languages if study else list(texts())
    asked = str(request.get("language", "")).lower().partition("-")[0]
    return asked if asked in known else known[0]


def steps(study: Study) -> list[tuple[str, str]]:
    """What makes a trial whole: (question, side), the side empty for a pairwise question."""
    return [
        (question.name, side)
        for question in study.questions
        for side in (("left", "right") if question.kind == "rating" else ("",))
    ]


def answer_id(trial: str, step: tuple[str, str]) -> str:
    """An answer's UUID follows from what it answers: sent again, it is the same answer."""
    return uuid.uuid5(_ANSWERS, f"{trial}/{step[0]}/{step[1]}").hex


class Sessions:
    """All participants' sessions. It holds no state: what happened is in the store."""

    def __init__(self, store: Store, library: Library):
        self._store = store
        self._library = library

    def studies(self, request: Request) -> Reply:
        """The studies that are open."""
        language = language_of(request)
        open_ones = [self._library.get(name).study for name in self._library.names()]
        listed = [
            {"name": s.name, "title": said(s.title, language), "about": said(s.about, language)}
            for s in open_ones
        ]
        return {"screen": "studies", "studies": listed, **_words(language, list(texts()))}

    def open(self, request: Request) -> Reply:
        """The present screen, after loading or reloading the page."""
        standing = self._store.find(_name(request), _pid(request))
        prepared = self._library.get(_name(request), standing and standing.version)
        study = prepared.study
        language = standing.language if standing else language_of(request, study)
        return {
            "title": said(study.title, language),
            "contact": study.contact,
            **_words(language, study.languages),
            **self._screen(prepared, standing, language),
        }

    def consent(self, request: Request) -> Reply:
        """Take the participant in and show the practice pair."""
        name, pid = _name(request), _pid(request)
        standing = self._store.find(name, pid)
        if standing is None:
            prepared = self._library.get(name)
            study = prepared.study
            if request.get("agreed") is not True:
                raise UserError("Please agree to take part first.", code="no_consent")
            if self._is_full(prepared):
                return {"screen": "full"}
            standing = self._store.enrol(
                name,
                prepared.version,
                study.model_dump(mode="json"),
                prepared.design,
                pid=pid,
                language=language_of(request, study),
                source="prolific" if request.get("source") == "prolific" else "link",
                consent_version=study.consent.version,
            )
        return self._screen(self._library.get(name, standing.version), standing, standing.language)

    def answer(self, request: Request) -> Reply:
        """Keep an answer; the reply, which may show the next pair, is only made once it is on disk."""
        name, pid = _name(request), _pid(request)
        standing = self._enrolled(name, pid)
        prepared = self._library.get(name, standing.version)
        study, trial = prepared.study, _text(request, "trial")
        step = next((s for s in steps(study) if answer_id(trial, s) == request.get("answer")), None)
        if step is None or request.get("value") not in _values(study, step):
            raise UserError("This is not one of the answers.", code="bad_answer")
        if trial == standing.trial and self._is_early(study, standing):
            raise UserError("Please look at both pictures a moment longer.", code="too_early")
        new = NewAnswer(
            id=answer_id(trial, step),
            trial=trial,
            question=step[0],
            side=step[1],
            value=request["value"],
            response_ms=_milliseconds(request, "response_ms"),
            viewed_ms=_milliseconds(request, "viewed_ms"),
        )
        after = self._store.save(standing.participant, new, steps(study))
        if after.trial == trial:
            return {"screen": "same"}
        if standing.position == 0:
            return {"screen": "ready"}
        return self._screen(prepared, after, after.language)

    def withdraw(self, request: Request) -> Reply:
        """Delete everything about the participant."""
        standing = self._store.find(_name(request), _pid(request))
        if standing:  # asked again where the reply got lost, nobody is found, and that is as it should be
            self._store.withdraw(standing.participant)
        return {"screen": "withdrawn"}

    def _enrolled(self, name: str, pid: str) -> Standing:
        standing = self._store.find(name, pid)
        if standing is None:
            raise UserError("You are not taking part in this study.", code="not_enrolled")
        return standing

    def _is_full(self, prepared: Prepared) -> bool:
        limit = prepared.study.participants
        return limit is not None and self._store.finished(prepared.version) >= limit

    def _is_early(self, study: Study, standing: Standing) -> bool:
        if standing.answered or standing.served_at is None:
            return False
        return self._store.clock() < standing.served_at + study.minimum_view_s

    def _screen(self, prepared: Prepared, standing: Standing | None, language: str) -> Reply:
        """What the participant is to see now."""
        study = prepared.study
        if standing is None:
            if self._is_full(prepared):
                return {"screen": "full"}
            return {
                "screen": "consent",
                "about": said(study.about, language),
                "consent": said(study.consent.text, language),
            }
        if standing.trial is None:
            return {
                "screen": "done",
                "debriefing": said(study.debriefing, language),
                **_completion(study, standing),
            }
        self._store.serve(standing.trial)
        return _trial(prepared, standing, language)


# --- replies ------------------------------------------------------------------------------------------


def _trial(prepared: Prepared, standing: Standing, language: str) -> Reply:
    study, planned = prepared.study, standing.planned
    item = study.item(planned.stimulus)
    pictures = {
        side: prepared.picture(method, planned.stimulus, broken=planned.broken == side)
        for side, method in (("left", planned.left), ("right", planned.right))
    }
    reference = prepared.reference(item.name)
    every = steps(study)
    return {
        "screen": "trial",
        "trial": standing.trial,
        "number": standing.position,  # 0 is the practice pair
        "total": standing.total,
        "prompt": item.shown(language),
        "left": _base64(pictures["left"]),
        "right": _base64(pictures["right"]),
        "reference": reference and _base64(reference),
        "aligned": study.reference == "mesh",  # the mesh stands where the pictures' hand should: zoom it too
        "questions": [_question(study, s, standing, language) for s in every if s not in standing.answered],
        "questions_total": len(every),
        "minimum_view_s": 0 if standing.answered else study.minimum_view_s,
    }


def _question(study: Study, step: tuple[str, str], standing: Standing, language: str) -> Reply:
    question = _asked(study, step)
    return {
        "answer": answer_id(standing.trial, step),
        "text": said(question.text, language),
        "kind": question.kind,
        "shows": question.shows,
        "side": step[1],
        "options": question.options,
        "low": question.low.get(language, ""),
        "high": question.high.get(language, ""),
    }


def _completion(study: Study, standing: Standing) -> Reply:
    """Prolific's code, for those who came from there."""
    if study.prolific is None or standing.source != "prolific":
        return {}
    code = study.prolific.completion_code
    return {"code": code, "url": PROLIFIC_URL.format(code=code)}


def _words(language: str, languages: list[str]) -> Reply:
    """The page's words for a participant; the owner's name what a participant must not know."""
    said = {key: value for key, value in texts()[language].items() if key != "results"}
    return {"language": language, "languages": languages, "texts": said}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# --- requests -----------------------------------------------------------------------------------------


def _asked(study: Study, step: tuple[str, str]) -> Question:
    return next(question for question in study.questions if question.name == step[0])


def _values(study: Study, step: tuple[str, str]) -> tuple[str, ...]:
    question = _asked(study, step)
    return RATINGS if question.kind == "rating" else tuple(question.options)


def _name(request: Request) -> str:
    return _text(request, "study")


def _pid(request: Request) -> str:
    pid = request.get("pid")
    if not isinstance(pid, str) or not _PID.fullmatch(pid):
        raise UserError("The link is not complete; please use the link you were given.", code="bad_pid")
    return pid


def _text(request: Request, key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or len(value) > 100:
        raise UserError(f"The page's request lacks {key}.", code="bad_request")
    return value


def _milliseconds(request: Request, key: str) -> int:
    value = request.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_MS:
        raise UserError(f"The page's {key} is not a time.", code="bad_request")
    return round(value)
