"""Where a study's answers are kept: SQLAlchemy on SQLite or PostgreSQL, with an optional journal beside it.

An answer is on disk when `save` returns, and stands there once however often it is sent.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, sessionmaker

from demo.study import schedule
from demo.study.database import connect, migrate, one_at_a_time
from demo.study.journal import Event, HubJournal, Journal
from demo.study.restore import restore
from demo.study.tables import Answer, Base, Participant, Secret, StudyVersion, Trial
from engine.types import UserError

DEFAULT_URL = f"sqlite:///{Path(__file__).parents[2] / 'data' / 'study.db'}"
GIVEN_UP_AFTER_S = 2 * 3600.0  # after so long without an answer a slot goes to the next newcomer as well


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a participant is: the trial to show, and what of it has been answered."""

    participant: str
    version: str
    language: str
    source: str
    total: int  # trials, the training trial not counted
    trial: str | None = None  # its id; None when all are answered
    position: int = 0  # 0 is the training trial
    planned: schedule.Trial | None = None
    served_at: float | None = None  # Unix s
    answered: frozenset[tuple[str, str]] = frozenset()  # (question, side)


@dataclass(frozen=True, kw_only=True)
class NewAnswer:
    """`id` is the answer's own: sent again, it changes nothing."""

    id: str
    trial: str
    question: str
    side: str  # of a rating; "" for a pairwise answer
    value: str
    response_ms: int
    viewed_ms: int


class Store:
    """One a process, shared by its threads; several processes may share a database."""

    def __init__(
        self, url: str = DEFAULT_URL, journal: Journal | None = None, clock: Callable[[], float] = time.time
    ):
        self.engine = connect(url)
        self.clock = clock
        self._journal = journal
        self._session = sessionmaker(self.engine, expire_on_commit=False)
        self._enrolling = threading.Lock()
        migrate(self.engine)
        if journal:
            with self._session.begin() as session:
                restore(session, journal)
        self._pid_key = self._secret("pid")

    @classmethod
    def open(cls, url: str) -> Store:
        """A store by its URL: sqlite:///FILE, postgresql://…, bucket:///FOLDER or hub://OWNER/DATASET."""
        parts = urlsplit(url)
        if parts.scheme not in ("bucket", "hub"):
            return cls(url)
        scratch = Path(
            tempfile.mkdtemp(prefix="study-")
        )  # this database is rebuilt from the journal at each start
        if parts.scheme == "bucket":
            journal = Journal(Path(parts.path))
        else:
            journal = HubJournal(f"{parts.netloc}{parts.path}", scratch / "journal")
        return cls(f"sqlite:///{scratch / 'study.db'}", journal)

    def close(self) -> None:
        self.engine.dispose()

    # --- a participant's way ---------------------------------------------------------------------------

    def find(self, study: str, pid: str) -> Standing | None:
        """Where the participant whose link says `pid` stands; None for one who has not consented."""
        with self._session.begin() as session:
            person = session.scalar(self._by_pid(study, pid))
            return person and _standing(session, person)

    def enrol(
        self,
        study: str,
        version: str,
        definition: dict[str, Any],
        design: schedule.Design,
        *,
        pid: str,
        language: str,
        source: str,
        consent_version: str,
    ) -> Standing:
        """Take in a participant who has just consented, with a slot of the schedule. Twice is once."""
        self._ensure_version(study, version, definition, design.methods)
        # The lock and FOR UPDATE give slots one at a time, within this process and among several.
        with self._enrolling, self._session.begin() as session:
            session.execute(select(StudyVersion).filter_by(version=version).with_for_update())
            person = session.scalar(self._by_pid(study, pid))
            if person is None:
                now = self.clock()
                person = Participant(
                    id=_new_id(),
                    version=version,
                    study=study,
                    pid_hash=self._hash(study, pid),
                    slot=_free_slot(session, version, now),
                    language=language,
                    source=source,
                    consent_version=consent_version,
                    consented_at=now,
                    seen_at=now,
                    position=0,
                )
                session.add(person)
                session.flush()
                session.add_all(_trials(person.id, schedule.block(design, person.slot)))
                session.flush()
            trials = session.scalars(select(Trial).filter_by(participant_id=person.id)).all()
            standing = _standing(session, person)
        self._note(
            f"{person.id}/enrolled",
            {"participant": _row(person), "trials": [_row(trial) for trial in trials]},
        )
        return standing

    def serve(self, trial: str) -> None:
        """Note that the trial's pictures are on their way to the participant."""
        with self._session.begin() as session:
            row = session.get(Trial, trial)
            if row is not None:
                row.served_at = self.clock()
                session.get(Participant, row.participant_id).seen_at = row.served_at

    def save(self, participant: str, answer: NewAnswer, steps: Sequence[tuple[str, str]]) -> Standing:
        """Keep an answer; returns where the participant is then. `steps`: a whole trial's (question, side).

        Raises UserError for an answer to another trial than the present one, or to no step of it.
        """
        with self._session.begin() as session:
            person = session.get(Participant, participant, with_for_update=True)
            row = session.get(Answer, answer.id)
            if person is None:
                raise UserError("You are not taking part in this study.", code="not_enrolled")
            if row is None:
                trial = session.get(Trial, answer.trial)
                if trial is None or trial.participant_id != person.id or trial.position != person.position:
                    raise UserError(
                        "This answer is not to the present pair; please reload the page.", code="stale"
                    )
                answered = _answered(session, trial)
                step = (answer.question, answer.side)
                if step not in steps or step in answered:
                    raise UserError("This question is not open; please reload the page.", code="stale")
                now = self.clock()
                person.seen_at = now
                if len(answered) + 1 == len(steps):
                    person.position += 1
                    if person.position == _count(session, person):
                        person.finished_at = now
                row = Answer(
                    id=answer.id,
                    trial_id=trial.id,
                    question=answer.question,
                    side=answer.side,
                    value=answer.value,
                    response_ms=answer.response_ms,
                    viewed_ms=answer.viewed_ms,
                    answered_at=now,
                )
                session.add(row)
                session.flush()
            standing = _standing(session, person)
        # Also when the answer stood already: the process may have died between the database and the journal.
        progress = {"id": person.id, "position": person.position, "finished_at": person.finished_at}
        self._note(f"{person.id}/{row.id}", {"answer": _row(row), "progress": progress})
        return standing

    def withdraw(self, participant: str) -> None:
        """Delete the participant and every answer. What remains is that somebody withdrew."""
        with self._session.begin() as session:
            person = session.get(Participant, participant)
            if person is None:
                return
            if self._journal:  # first, or a crash in between would bring the answers back at the next start
                self._journal.forget(
                    participant, {"withdrawn": {"id": participant, "version": person.version}}
                )
            session.get(StudyVersion, person.version).withdrawn += 1
            session.delete(person)  # trials and answers go by the database's cascade

    # --- the owner's view ------------------------------------------------------------------------------

    def versions(self, study: str) -> list[StudyVersion]:
        """The versions that somebody has taken part in."""
        with self._session.begin() as session:
            return list(session.scalars(select(StudyVersion).filter_by(name=study)))

    def finished(self, version: str) -> int:
        """How many have finished."""
        with self._session.begin() as session:
            people = session.scalars(select(Participant.finished_at).filter_by(version=version))
            return sum(finished_at is not None for finished_at in people)

    def people(self, version: str) -> list[Participant]:
        with self._session.begin() as session:
            return list(
                session.scalars(select(Participant).filter_by(version=version).order_by(Participant.id))
            )

    def answers(self, version: str) -> list[tuple[Answer, Trial]]:
        """Every answer with its trial, in a stable order."""
        query = (
            select(Answer, Trial)
            .join(Trial, Answer.trial_id == Trial.id)
            .join(Participant, Trial.participant_id == Participant.id)
            .where(Participant.version == version)
            .order_by(Participant.id, Trial.position, Answer.answered_at, Answer.id)
        )
        with self._session.begin() as session:
            return [(answer, trial) for answer, trial in session.execute(query)]

    # --- inside ----------------------------------------------------------------------------------------

    def _by_pid(self, study: str, pid: str) -> Select[tuple[Participant]]:
        return select(Participant).filter_by(study=study, pid_hash=self._hash(study, pid))

    def _hash(self, study: str, pid: str) -> str:
        """What is kept of a link's identifier: it finds the participant again and says nothing else."""
        key = bytes.fromhex(self._pid_key)
        return hashlib.blake2b(f"{study}\0{pid}".encode(), key=key, digest_size=16).hexdigest()

    def _secret(self, name: str) -> str:
        with self._enrolling, self._session.begin() as session:
            one_at_a_time(session.connection())
            row = session.get(Secret, name)
            if row is None:
                row = Secret(name=name, value=secrets.token_hex(32))
                session.add(row)
        self._note("secret", {"secret": _row(row)})
        return row.value

    def _ensure_version(
        self, study: str, version: str, definition: dict[str, Any], methods: Sequence[str]
    ) -> None:
        with self._enrolling, self._session.begin() as session:
            if session.get(StudyVersion, version) is not None:
                return
            one_at_a_time(session.connection())
            session.expire_all()
            row = session.get(StudyVersion, version)
            if row is None:
                row = StudyVersion(
                    version=version, name=study, definition=definition, methods=list(methods), withdrawn=0
                )
                session.add(row)
        self._note(f"version-{version}", {"version": _row(row)})

    def _note(self, name: str, row: Event) -> None:
        if self._journal:
            self._journal.write(name, row)


# --- rows ---------------------------------------------------------------------------------------------


def _new_id() -> str:
    return secrets.token_hex(16)


def _row(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}


def _trials(participant: str, planned: Sequence[schedule.Trial]) -> list[Trial]:
    return [
        Trial(
            id=_new_id(),
            participant_id=participant,
            position=position,
            kind=trial.kind,
            stimulus=trial.stimulus,
            left=trial.left,
            right=trial.right,
            broken=trial.broken,
        )
        for position, trial in enumerate(planned)
    ]


def _answered(session: Session, trial: Trial) -> set[tuple[str, str]]:
    rows = session.execute(select(Answer.question, Answer.side).filter_by(trial_id=trial.id))
    return {(question, side) for question, side in rows}


def _count(session: Session, person: Participant) -> int:
    """The participant's trials, the training trial included."""
    return session.scalar(select(func.count()).select_from(Trial).filter_by(participant_id=person.id))


def _standing(session: Session, person: Participant) -> Standing:
    common = {
        "participant": person.id,
        "version": person.version,
        "language": person.language,
        "source": person.source,
        "total": _count(session, person) - 1,
    }
    if person.finished_at is not None:
        return Standing(**common, position=person.position)
    trial = session.scalars(select(Trial).filter_by(participant_id=person.id, position=person.position)).one()
    planned = schedule.Trial(
        kind=trial.kind, stimulus=trial.stimulus, left=trial.left, right=trial.right, broken=trial.broken
    )
    return Standing(
        **common,
        trial=trial.id,
        position=trial.position,
        planned=planned,
        served_at=trial.served_at,
        answered=frozenset(_answered(session, trial)),
    )


def _free_slot(session: Session, version: str, now: float) -> int:
    kept = Participant.finished_at.is_not(None) | (Participant.seen_at > now - GIVEN_UP_AFTER_S)
    return schedule.first_free(
        session.scalars(select(Participant.slot).where(Participant.version == version, kept))
    )
