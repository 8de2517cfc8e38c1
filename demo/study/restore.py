"""From the journal's files back to the database's rows."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from demo.study.journal import Event, Journal
from demo.study.tables import Answer, Base, Participant, Secret, StudyVersion, Trial

log = logging.getLogger(__name__)


def restore(session: Session, journal: Journal) -> None:
    """Bring every row of the journal into the database that is not there yet."""
    events = list(journal.replay())
    rows = _Rows(session)
    # One table after the other, each flushed before the next refers to it.
    for name, table in (("secret", Secret), ("version", StudyVersion), ("participant", Participant)):
        rows.add(table, (event[name] for event in events if name in event))
    rows.add(Trial, (trial for event in events for trial in event.get("trials", ())))
    whole = [event for event in events if "answer" in event and rows.has(event)]
    rows.add(Answer, (event["answer"] for event in whole))
    for event in whole:
        _advance(rows.present[Participant][event["progress"]["id"]], event)
    withdrawn = [event["withdrawn"] for event in events if "withdrawn" in event]
    for gone in withdrawn:  # where the process died between the journal and the database
        session.execute(delete(Participant).filter_by(id=gone["id"]))
    counts = Counter(gone["version"] for gone in withdrawn)
    for version in rows.present[StudyVersion].values():
        version.withdrawn = max(version.withdrawn, counts[version.version])


class _Rows:
    """What the database holds, by table and primary key."""

    def __init__(self, session: Session):
        self._session = session
        self.present: dict[type[Base], dict[str, Any]] = {}
        for table in (Secret, StudyVersion, Participant, Trial, Answer):
            self.present[table] = {_key(row): row for row in session.scalars(select(table))}

    def add(self, table: type[Base], rows: Any) -> None:
        """Those of `rows`, each a dict of columns, whose key is new."""
        for values in rows:
            row = table(**values)
            if self.present[table].setdefault(_key(row), row) is row:
                self._session.add(row)
        self._session.flush()

    def has(self, event: Event) -> bool:
        """Whether the trial and participant of an answer are here; not so only if files were lost."""
        found = (
            event["answer"]["trial_id"] in self.present[Trial]
            and event["progress"]["id"] in self.present[Participant]
        )
        if not found:
            log.warning("the answer %s has lost its participant and is left out", event["answer"]["id"])
        return found


def _key(row: Base) -> str:
    return row.__mapper__.primary_key_from_instance(row)[0]


def _advance(person: Participant, event: Event) -> None:
    """Bring the participant to where they were after the event's answer, if they are not further."""
    progress = event["progress"]
    person.seen_at = max(person.seen_at, event["answer"]["answered_at"])
    if person.position < progress["position"]:
        person.position, person.finished_at = progress["position"], progress["finished_at"]
