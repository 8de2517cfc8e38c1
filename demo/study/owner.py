"""What the owner of the studies asks for, with their token: results, exports, the power calculator."""

from __future__ import annotations

import hmac
import threading
from typing import Any, get_args

from demo.study import export, report
from demo.study.analysis import analyse
from demo.study.power import plan_study
from demo.study.prepared import Library, Prepared
from demo.study.session import language_of, texts
from demo.study.store import Store
from engine.types import UserError

Request = dict[str, Any]
Reply = dict[str, Any]


class Owner:
    """`token` None closes the results: there is no default that a stranger could know."""

    def __init__(self, store: Store, library: Library, token: str | None):
        self._store = store
        self._library = library
        self._token = token
        self._lock = threading.Lock()
        self._last: tuple[tuple[Any, ...], str] | None = None  # what the last report was made of, and it

    def words(self, request: Request) -> Reply:
        """What the owner's page says before and around the results; nothing secret, so without the token."""
        language = language_of(request)
        return {"language": language, "languages": list(texts()), "texts": texts()[language]["results"]}

    def results(self, request: Request) -> Reply:
        """The results page of one version, made anew only when an answer has come."""
        prepared = self._asked(request)
        data = export.dataset(self._store, prepared)
        language = language_of(request)
        state = (data.version, data.withdrawn, data.people, len(data.rows), language)
        with self._lock:
            if self._last is None or self._last[0] != state:
                self._last = (state, report.html(analyse(data), language))
            html = self._last[1]
        versions = [row.version for row in self._store.versions(prepared.study.name)]
        return {
            "screen": "results",
            "studies": self._library.names(),
            "study": prepared.study.name,
            "version": prepared.version,
            "versions": list(dict.fromkeys([prepared.version, *versions])),
            "answers": len(data.rows),
            "html": html,
        }

    def export(self, request: Request) -> Reply:
        """An export file's name and text."""
        prepared, form = self._asked(request), request.get("format")
        if form not in get_args(export.Format):
            raise UserError("There is no such export.", code="bad_request")
        ending = {"codebook": "codebook.md"}.get(form, form)
        text = export.write(export.dataset(self._store, prepared), form)
        return {"name": f"{prepared.study.name}-{prepared.version}.{ending}", "text": text}

    def power(self, request: Request) -> Reply:
        """How many participants a study of this design needs."""
        prepared = self._asked(request)
        try:
            share, wanted, ties = (float(request[key]) for key in ("share", "power", "ties"))
        except (KeyError, TypeError, ValueError):
            raise UserError("Share, power and ties are numbers.", code="bad_request") from None
        plan = plan_study(
            share=share,
            wanted=wanted,
            ties=ties,
            comparisons=prepared.study.comparisons,
            pairs=len(prepared.design.pairs),
        )
        return {"html": report.power_html(plan, language_of(request))}

    def _asked(self, request: Request) -> Prepared:
        given = request.get("token")
        if (
            not self._token
            or not isinstance(given, str)
            or not hmac.compare_digest(given.encode(), self._token.encode())
        ):
            raise UserError(
                "The token is not right." if self._token else "This server has no owner's token.",
                code="bad_token" if self._token else "no_owner_token",
            )
        names = self._library.names()
        if not names:
            raise UserError(
                "No study is prepared yet: run `python -m demo.study prepare STUDY`.", code="none_prepared"
            )
        version = request.get("version") or None
        return self._library.get(str(request.get("study") or names[0]), version and str(version))
