"""Failures become one sentence in the visitor's language."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from demo.i18n import DEFAULT, text
from demo.runs import unexpected
from demo.session import Session
from engine.types import UserError

logger = logging.getLogger(__name__)
_SECONDS = 8


def tells(handler: Callable[..., Any]) -> Callable[..., Any]:
    """An expected failure of `handler` shows as a notice, any other as one sentence and a line in the log.

    Either way the page stays as it was: nothing is sent for the outputs.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **kwargs)
            except Exception as error:
                _tell(error, args)
                yield gr.skip()

        return generator

    @functools.wraps(handler)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            _tell(error, args)
            return gr.skip()

    return function


def notice(session: Session, key: str, **facts: Any) -> None:
    """Tell the visitor something that is no failure."""
    t = text(session.language)
    gr.Info(t(key, **facts), duration=_SECONDS, title=t("notice.title"))


def _tell(error: Exception, args: tuple[Any, ...]) -> None:
    if not isinstance(error, UserError):
        logger.error("a handler failed", exc_info=error)
        error = unexpected()
    language = next((arg.language for arg in args if isinstance(arg, Session)), DEFAULT)
    t = text(language)
    gr.Warning(t.error(error), duration=_SECONDS, title=t("warning.title"))
