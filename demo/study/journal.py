"""A second copy of every row, for hosts whose disk does not last: a small file a row, written once.

A store with a journal starts by replaying it, so a new machine with an empty database has every answer.

    FOLDER/secret.json   FOLDER/version-VERSION.json   FOLDER/withdrawn-PARTICIPANT.json
    FOLDER/PARTICIPANT/enrolled.json   FOLDER/PARTICIPANT/ANSWER.json   FOLDER/PARTICIPANT/finished.json
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

Event = dict[str, Any]
_WITHDRAWN = "withdrawn-"


class Journal:
    """Files in a folder that outlives the machine, such as a mounted bucket."""

    def __init__(self, folder: Path, lock: AbstractContextManager[Any] | None = None):
        self.folder = folder
        self._lock = lock or nullcontext()
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, event: Event) -> None:
        """Keep `event` under `name`, on disk when this returns. What is there already stays as it is."""
        path = self.folder / f"{name}.json"
        with self._lock:
            path.parent.mkdir(exist_ok=True)
            if _read(path) is not None:
                return
            with path.open("w", encoding="utf-8") as file:
                json.dump(event, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())

    def forget(self, participant: str, event: Event) -> None:
        """Delete all that a participant left; `event` remains, so that a late copy is not replayed."""
        self.write(f"{_WITHDRAWN}{participant}", event)
        with self._lock:
            shutil.rmtree(self.folder / participant, ignore_errors=True)

    def replay(self) -> Iterator[Event]:
        """Every event, in no order that means anything."""
        for path in self.folder.glob(
            f"{_WITHDRAWN}*.json"
        ):  # answers that were on their way when they withdrew
            shutil.rmtree(self.folder / path.stem.removeprefix(_WITHDRAWN), ignore_errors=True)
        for path in sorted(self.folder.rglob("*.json")):
            event = _read(path)
            if event is None:
                log.warning("%s was cut off while it was written; its answer was never confirmed", path)
            else:
                yield event


class HubJournal(Journal):
    """The folder is copied to a private dataset on the Hub every few minutes, and fetched at the start.

    What is newer than the last copy is lost with the machine: a mounted bucket is the safer choice.
    """

    def __init__(self, repo: str, folder: Path, every_min: float = 2, api: Any = None):
        from huggingface_hub import CommitScheduler, HfApi

        self._api = api or HfApi()
        self._repo = {"repo_id": repo, "repo_type": "dataset"}
        self._api.create_repo(**self._repo, private=True, exist_ok=True)
        self._api.snapshot_download(**self._repo, local_dir=folder, allow_patterns="*.json")
        self.scheduler = CommitScheduler(
            **self._repo,
            folder_path=folder,
            every=every_min,
            private=True,
            allow_patterns="*.json",
            hf_api=self._api,
        )
        super().__init__(folder, self.scheduler.lock)

    def forget(self, participant: str, event: Event) -> None:
        """Also deletes the participant's files from the dataset, and from its history."""
        super().forget(participant, event)
        with self._lock:
            self._api.delete_files(delete_patterns=[f"{participant}/*"], **self._repo)
            self._api.super_squash_history(**self._repo)


def _read(path: Path) -> Event | None:
    """The event in `path`; None where the file is missing or was cut off."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
