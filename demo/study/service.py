"""The one door between the browser and the study: a request of plain data in, a reply of plain data out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from demo.study.owner import Owner
from demo.study.prepared import Library
from demo.study.session import Reply, Request, Sessions, language_of, texts
from demo.study.store import Store
from engine.types import UserError

log = logging.getLogger(__name__)


class StudyService:
    """Thread-safe; one a process."""

    def __init__(self, store: Store, library: Library, token: str | None = None):
        sessions, owner = Sessions(store, library), Owner(store, library, token)
        self._calls: dict[str, Callable[[Request], Reply]] = {
            "studies": sessions.studies,
            "open": sessions.open,
            "consent": sessions.consent,
            "answer": sessions.answer,
            "withdraw": sessions.withdraw,
            "words": owner.words,
            "results": owner.results,
            "export": owner.export,
            "power": owner.power,
        }

    def call(self, request: Any) -> Reply:
        """The reply to `request["do"]`. Never raises: a failure is a reply with `error` and `code`."""
        request = request if isinstance(request, dict) else {}
        errors = texts()[language_of(request)]["errors"]
        try:
            call = self._calls.get(str(request.get("do")))
            if call is None:
                raise UserError("The page sent a request that the server does not know.", code="bad_request")
            return call(request)
        except UserError as error:
            return {"error": errors.get(error.code, str(error)), "code": error.code}
        except Exception:
            log.exception("a request of the study's page failed")
            return {"error": errors["internal"], "code": "internal"}
