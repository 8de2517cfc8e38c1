"""What leaves the store: the answers of one version of a study, as JSON, as CSV, and a codebook for both."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from demo.study.definition import Study, parse, said
from demo.study.prepared import Prepared
from demo.study.store import Store
from engine.types import UserError

SCHEMA = 1


def _column(about: str) -> Any:
    """A field whose description stands in the codebook."""
    return field(metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One answer."""

    participant: str = _column(
        "random id, the same in all of a participant's rows; no name, address or browser"
    )
    slot: int = _column("the participant's place in the schedule")
    language: str = _column("language of the texts: en or zh")
    source: str = _column("how the participant came: link or prolific")
    consent_version: str = _column("version of the consent text that was agreed to")
    position: int = _column("the trial's place in the participant's order; 0 is the training trial")
    kind: str = _column(
        "training (does not count), main, identical (the same picture twice), "
        "broken (one hand destroyed on purpose), repeated (an earlier main pair with the sides swapped)"
    )
    item: str = _column("name of the item")
    seed: int = _column("seed that the pictures were drawn with")
    prompt: str = _column("the text that the methods were given")
    left: str = _column("method of the left picture")
    right: str = _column("method of the right picture")
    broken: str = _column("side whose hand was destroyed on purpose; empty for none")
    question: str = _column("name of the question")
    question_kind: str = _column("pairwise or rating")
    side: str = _column("for a rating: left or right, the picture rated; empty for pairwise")
    value: str = _column("the answer: left, right, tie or both_bad; for a rating 1 to 5")
    chosen: str = _column(
        "the answer with sides resolved: the preferred method, tie or both_bad; a rated method"
    )
    response_ms: int = _column("time from the question's appearance to the answer, pauses not counted")
    viewed_ms: int = _column("time from the pair's appearance to the answer, pauses not counted")
    answered_at: str = _column("UTC, ISO 8601, to the second")
    study_version: str = _column("hash of definition and pictures")

    @property
    def stimulus(self) -> str:
        return f"{self.item}#{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Person:
    """One participant."""

    participant: str
    slot: int
    language: str
    source: str
    consent_version: str
    finished: bool


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One version of a study with everything that was answered. What the analysis reads."""

    study: Study
    version: str
    methods: tuple[str, ...]
    withdrawn: int
    people: tuple[Person, ...]
    rows: tuple[Row, ...]


def dataset(store: Store, prepared: Prepared) -> Dataset:
    """The answers in `store` to this prepared study."""
    study, version = prepared.study, prepared.version
    people = {person.id: person for person in store.people(version)}
    questions = {question.name: question for question in study.questions}
    rows = []
    for answer, trial in store.answers(version):
        person = people.get(trial.participant_id)
        if person is None:  # came between the two queries
            continue
        item, seed = trial.stimulus.split("#")
        sides = {"left": trial.left, "right": trial.right}
        rows.append(
            Row(
                participant=person.id,
                slot=person.slot,
                language=person.language,
                source=person.source,
                consent_version=person.consent_version,
                position=trial.position,
                kind=trial.kind,
                item=item,
                seed=int(seed),
                prompt=study.item(trial.stimulus).prompt,
                left=trial.left,
                right=trial.right,
                broken=trial.broken or "",
                question=answer.question,
                question_kind=questions[answer.question].kind,
                side=answer.side,
                value=answer.value,
                chosen=sides.get(answer.side or answer.value, answer.value),
                response_ms=answer.response_ms,
                viewed_ms=answer.viewed_ms,
                answered_at=datetime.fromtimestamp(int(answer.answered_at), timezone.utc).isoformat(),
                study_version=version,
            )
        )
    return Dataset(
        study=study,
        version=version,
        methods=prepared.methods,
        withdrawn=sum(row.withdrawn for row in store.versions(study.name) if row.version == version),
        people=tuple(
            Person(
                participant=person.id,
                slot=person.slot,
                language=person.language,
                source=person.source,
                consent_version=person.consent_version,
                finished=person.finished_at is not None,
            )
            for person in people.values()
        ),
        rows=tuple(rows),
    )


Format = Literal["json", "csv", "codebook"]


def write(data: Dataset, form: Format) -> str:
    """The text of an export file."""
    if form == "csv":
        return _csv(data)
    if form == "codebook":
        return codebook(data)
    body = {
        "schema": SCHEMA,
        "study": data.study.name,
        "version": data.version,
        "definition": data.study.model_dump(mode="json"),
        "methods": list(data.methods),
        "withdrawn": data.withdrawn,
        "people": [dataclasses.asdict(person) for person in data.people],
        "rows": [dataclasses.asdict(row) for row in data.rows],
    }
    return json.dumps(body, indent=1, ensure_ascii=False)


def read(path: Path) -> Dataset:
    """An exported JSON file."""
    try:
        body = json.loads(path.read_text("utf-8"))
        if body["schema"] != SCHEMA:
            raise UserError(
                f"{path.name} has schema {body['schema']}; this release reads {SCHEMA}.", code="bad_export"
            )
        return Dataset(
            study=parse(body["definition"], path.name),
            version=body["version"],
            methods=tuple(body["methods"]),
            withdrawn=body["withdrawn"],
            people=tuple(Person(**person) for person in body["people"]),
            rows=tuple(Row(**row) for row in body["rows"]),
        )
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", code="no_file") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path.name} is not a study's JSON export.", code="bad_export") from None


def _csv(data: Dataset) -> str:
    out = io.StringIO()
    columns = [column.name for column in dataclasses.fields(Row)]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in data.rows)
    return out.getvalue()


def codebook(data: Dataset) -> str:
    """What every column and value of the exports means, in Markdown."""
    study = data.study
    lines = [
        f"# Codebook: {said(study.title)}",
        "",
        f"Study `{study.name}`, version `{data.version}`, export schema {SCHEMA}. One row is one answer.",
        "",
        "| column | meaning |",
        "|---|---|",
        *(f"| {column.name} | {column.metadata['about']} |" for column in dataclasses.fields(Row)),
        "",
        "## Questions",
        "",
        "| question | kind | text | answers |",
        "|---|---|---|---|",
    ]
    for question in study.questions:
        answers = ", ".join(question.options)
        if question.kind == "rating":
            answers = f"1 ({said(question.low)}) to 5 ({said(question.high)})"
        lines.append(f"| {question.name} | {question.kind} | {said(question.text)} | {answers} |")
    lines += ["", "## Methods", "", *(f"- {method}" for method in data.methods)]
    lines += ["", "## Rules of exclusion, fixed before the study", ""]
    lines += [f"- {name}: {value}" for name, value in study.exclusion.model_dump().items()]
    lines += ["", f"Ties and both-bad answers are counted as: {study.ties}.", ""]
    return "\n".join(lines)
