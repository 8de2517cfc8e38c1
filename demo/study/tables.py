"""The store's tables. Times are Unix seconds, ids random; nothing here says who a participant is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Integer, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID = String(32)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


class Secret(Base):
    """Keys of the store itself; `pid` turns a participant's link into the hash it is found by."""

    __tablename__ = "secret"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


class StudyVersion(Base):
    """A prepared study, as it was when its first participant came."""

    __tablename__ = "study_version"
    version: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), index=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    methods: Mapped[list[str]] = mapped_column(JSON)
    withdrawn: Mapped[int] = mapped_column(Integer, default=0)  # all that is left of those who withdrew


class Participant(Base):
    __tablename__ = "participant"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("study_version.version"), index=True)
    study: Mapped[str] = mapped_column(String(40))
    pid_hash: Mapped[str] = mapped_column(ID)
    slot: Mapped[int] = mapped_column(Integer)
    language: Mapped[str] = mapped_column(String(8))
    source: Mapped[str] = mapped_column(String(16))  # link or prolific
    consent_version: Mapped[str] = mapped_column(String(20))
    consented_at: Mapped[float] = mapped_column(Float)
    seen_at: Mapped[float] = mapped_column(Float)
    position: Mapped[int] = mapped_column(Integer)  # of the trial to show next
    finished_at: Mapped[float | None] = mapped_column(Float)
    __table_args__ = (UniqueConstraint("study", "pid_hash"),)


class Trial(Base):
    __tablename__ = "trial"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer)  # 0 is the training trial
    kind: Mapped[str] = mapped_column(String(16))
    stimulus: Mapped[str] = mapped_column(String(80))
    left: Mapped[str] = mapped_column(String(80))
    right: Mapped[str] = mapped_column(String(80))
    broken: Mapped[str | None] = mapped_column(String(5))
    served_at: Mapped[float | None] = mapped_column(Float)


class Answer(Base):
    __tablename__ = "answer"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    trial_id: Mapped[str] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"), index=True)
    question: Mapped[str] = mapped_column(String(40))
    side: Mapped[str] = mapped_column(String(5))  # of a rating; empty for a pairwise answer
    value: Mapped[str] = mapped_column(String(16))
    response_ms: Mapped[int] = mapped_column(Integer)
    viewed_ms: Mapped[int] = mapped_column(Integer)
    answered_at: Mapped[float] = mapped_column(Float)
    __table_args__ = (UniqueConstraint("trial_id", "question", "side"),)
