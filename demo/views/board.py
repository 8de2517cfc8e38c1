"""The board: one card a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from demo.i18n import Text
from demo.session import Column, Session
from demo.views.html import fragment
from demo.views.overlay import HAND_WORDS, blend, span_of, word_heat, word_index
from demo.views.skeleton import asked_points, draw_hands, hand_box
from engine.types import Result, UserError


def cards(session: Session, catalogue: Mapping[str, Any], text: Text) -> dict[str, str]:
    """HTML for each method of `catalogue`; empty for those that are not on the board."""
    return {name: card(session, catalogue[name], text) for name in catalogue}


def card(session: Session, method: Any, text: Text) -> str:
    """One method's card, or "" when it is not on the board."""
    column = session.columns.get(method.name)
    if column is None:
        return ""
    image = picture(session, column)
    size = image.shape[:2] if image is not None else (1, 1)
    return fragment(
        "card.html",
        text,
        method=method,
        column=column,
        image=image,
        zoom=hand_box(_asked(session, size), size),
        error=text.error(column.error) if column.error else "",
        prompt=session.settings.prompt if session.settings else "",
        params=_params(session, method, text),
        layer=session.view.layer,
        no_word=_lacks_word(session, column),
        starred=session.is_starred(column),
    )


def picture(session: Session, column: Column) -> np.ndarray | None:
    """What the card shows: the preview, or the image under the view's layer."""
    if column.image is None:
        return column.preview
    if session.view.layer == "heat" and column.result is not None:
        heat = chosen_heat(session, column.result)
        if heat is not None:
            return blend(column.image, heat, span=heat_span(session))
    if session.view.layer == "hand":
        found = column.measured.reconstruction if column.measured else None
        points = found.keypoints_px if found is not None else None
        return draw_hands(column.image, _asked(session, column.image.shape[:2]), points)
    return column.image


def chosen_heat(session: Session, result: Result) -> np.ndarray | None:
    """(h, w): the heat of the view's word and site in `result`; None where it has no such word."""
    word: str | int | None = session.view.word
    if word != HAND_WORDS:
        word = word_index(result, session.view.word)
    return None if word is None else word_heat(result, word, session.view.site)


def _lacks_word(session: Session, column: Column) -> bool:
    """Whether the heat was asked for and this column has none of it."""
    shows_heat = session.view.layer == "heat" and column.result is not None
    return shows_heat and chosen_heat(session, column.result) is None


def heat_span(session: Session) -> tuple[float, float] | None:
    """One scale for all columns, where the view asks for it; None is each map's own."""
    if not session.view.one_scale:
        return None
    return span_of(chosen_heat(session, result) for result in session.results().values())


def _asked(session: Session, size: tuple[int, int]) -> list[np.ndarray]:
    settings = session.settings
    if settings is None or not settings.hands or size == (1, 1):
        return []
    try:
        return asked_points(settings.hands, settings.camera, size)
    except UserError:  # a hand behind the camera has no place in the picture
        return []


def _params(session: Session, method: Any, text: Text) -> dict[str, Any]:
    """The method's parameters as this board used them, by label."""
    given = (session.settings.params if session.settings else {}).get(method.name, {})
    return {text.pick(param.label): given.get(param.name, param.default) for param in method.params}
