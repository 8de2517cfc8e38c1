"""The Compare page: form, runs, views of the board, stars, pairs, series, links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from demo.components import keypoint_pad
from demo.components.form import Form, hand_value
from demo.components.gesture_picker import picker_html, suggestions
from demo.components.hand_editor_value import EditorValue
from demo.components.pose_files import fit_keypoints
from demo.forms import Settings, check, check_ready, from_link, settings_from_json, to_link
from demo.handlers.telling import notice, tells
from demo.i18n import DEFAULT, Text, preferred, text
from demo.services import Services
from demo.session import Column, Session, Starred
from demo.views import board
from demo.views.grid import labelled_grid
from demo.views.html import fragment
from demo.views.overlay import HAND_WORDS, common_words
from engine.imagic import BASES
from engine.types import UserError

MOST_IN_SERIES = 8
LONGEST_NOTE = 2000  # characters
_PREVIEW_SIZE = (192, 192)  # (height_px, width_px)


class CompareHandlers:
    """`form` says which component values arrive, in which order."""

    def __init__(self, services: Services, form: Form):
        self.services, self.form = services, form

    # --- the form ---------------------------------------------------------------------------------------

    def settings(self, values: tuple[Any, ...]) -> Settings:
        """Checked settings of the form's values."""
        return self.services.completed(check(self.form.read(values), self.services.catalogue))

    @tells
    def open(self, session: Session, remembered: dict | None, request: gr.Request) -> list[Any]:
        """A page opens with a link's settings, else what this browser remembers, else the first scene."""
        remembered = remembered if isinstance(remembered, dict) else {}
        query = request.query_params
        asked = query.get("lang") or remembered.get("language")
        session.language = text(asked or preferred(request.headers.get("accept-language"))).language
        try:
            settings = self._opening(query.get("s"), query.get("scene"), remembered.get("settings"))
        except UserError as error:
            gr.Warning(text(session.language).error(error))
            settings = self.services.first
        if settings == self.services.first and session.language == DEFAULT:
            self.ship(session, settings)
            return gr.skip()  # the page was built with just that
        return self.show(session, settings)

    def _opening(self, link: str | None, scene: str | None, remembered: Any) -> Settings:
        catalogue = self.services.catalogue
        if link:
            return self.services.completed(from_link(link, catalogue))
        if scene in self.services.gallery.scenes:
            return self.services.gallery.scenes[scene].settings
        if remembered:
            try:
                return self.services.completed(settings_from_json(remembered, catalogue))
            except UserError:  # written by an older version: not worth a warning
                return self.services.first
        return self.services.first

    def show(self, session: Session, settings: Settings) -> list[Any]:
        """The picker, the form and the board for `settings`, with shipped pictures where there are any."""
        self.ship(session, settings)
        return self.restore(session)

    def restore(self, session: Session) -> list[Any]:
        """The picker, the form and the board as the session has them."""
        form = self.form.write(session.settings, edited=not self.services.is_preset(session.settings))
        return [self.picker(session), *form, *self.board(session)]

    def ship(self, session: Session, settings: Settings) -> None:
        """Put the shipped pictures of exactly these settings on the board, if there are any."""
        session.settings = settings
        session.columns = {name: Column(name, "idle") for name in settings.methods}
        gallery = self.services.gallery
        same = replace(settings, methods=(), params={})
        for scene in gallery.scenes.values():
            if replace(scene.settings, methods=(), params={}) == same:
                session.columns |= {
                    p.method: Column(p.method, "shipped", image=gallery.image(p), reading=p.reading)
                    for p in scene.pictures
                    if p.method in settings.methods
                }

    def picker(self, session: Session) -> str:
        """The gestures, with the board's one marked."""
        gesture = session.settings.gesture if session.settings else None
        return picker_html(self.services.gestures, gesture, text(session.language))

    def spoken(self, session: Session) -> list[Any]:
        """The picker, the board and the shelf in the session's language."""
        return [self.picker(session), *self.board(session), self.shelf(session)]

    @tells
    def pick(self, session: Session, hand: EditorValue | None, event: gr.EventData) -> EditorValue:
        """The editor's value with the picked gesture."""
        gesture = self.services.gestures.get(str(event._data.get("gesture")))
        if gesture is None:
            raise UserError("There is no such gesture; pick one from the pictures.", code="no_gesture")
        return EditorValue.of_gesture(gesture) if hand is None else hand.with_gesture(gesture)

    @tells
    def suggest(self, session: Session, prompt: str) -> str:
        """Gestures that the prompt names, to pick with one click."""
        t = text(session.language)
        return fragment("suggestions.html", t, gestures=suggestions(self.services.gestures, prompt or ""))

    @tells
    def from_photo(self, session: Session, path: str | None) -> Any:
        """The hand on a photo, for the editor; and the photo with its keypoints, to put right."""
        if path is None:
            session.photo = session.photo_path = None
            return gr.skip(), None
        if path == session.photo_path:
            return gr.skip(), gr.skip()
        session.photo_path = path
        from engine.image import open_image
        from engine.reconstruct import reconstruct

        image = open_image(path)
        session.photo = image.shape[:2]
        found = reconstruct(image)
        t = text(session.language)
        if not found:
            notice(session, "photo.not_found")
            return gr.skip(), keypoint_pad.state(image, None, "right", t)
        notice(session, "photo.found", count=len(found))
        hands = tuple(rec.hand for rec in found)
        value = hand_value(Settings(hands=hands, camera=found[0].camera), edited=True)
        return value, keypoint_pad.state(image, found[0].keypoints_px, found[0].hand.side, t)

    @tells
    def from_keypoints(self, session: Session, hand: EditorValue | None, event: gr.EventData) -> EditorValue:
        """The editor's value with the hand fitted to keypoints that a person put right."""
        from engine.reconstruct.read import usual_camera

        if session.photo is None:
            raise UserError("Choose a photo first.", code="no_photo")
        height, width = session.photo
        points, side = keypoint_pad.read_points(event._data, width, height)
        camera = usual_camera(height, width)
        fitted = fit_keypoints(points, camera, side)
        notice(session, "keypoints.fitted")
        kept = (
            () if hand is None else tuple(h for h in hand.hands if h.side != side and hand.camera == camera)
        )
        return EditorValue(hands=(fitted, *kept), camera=camera, edited=True, active=side)

    def remember(self, session: Session, *values: Any) -> dict[str, Any]:
        """For the browser's own storage; what cannot be read is not remembered."""
        try:
            settings = self.services.shortened(self.settings(values)).to_json()
        except UserError:
            settings = None
        return {"language": session.language, "settings": settings}

    @tells
    def link(self, session: Session, *values: Any) -> str:
        """The query string that opens the page with this form."""
        return "?s=" + to_link(self.services.shortened(self.settings(values)))

    # --- runs -------------------------------------------------------------------------------------------

    @tells
    def generate(self, session: Session, *values: Any) -> Iterator[list[Any]]:
        """Fill the board, a column at a time. Yields the status and the cards that changed."""
        runner = self.services.runner
        settings = self.settings(values)
        catalogue, t = self.services.catalogue, text(session.language)
        first = True
        for changed in runner.compare(session, settings):
            if first:  # cards of the last run go, new ones take their place
                yield self.board(session)
                first = False
                continue
            update = gr.skip() if changed is None else board.card(session, catalogue[changed], t)
            yield [self.status(session), *(update if name == changed else gr.skip() for name in catalogue)]
        yield self.board(session)

    def set_token(self, session: Session, token: str) -> None:
        """A visitor's own token for an outside provider: for this visit, in memory only."""
        session.token = token.strip() or None

    def status(self, session: Session) -> str:
        """The line above the board."""
        made = [column.result for column in session.columns.values() if column.result is not None]
        return fragment(
            "status.html",
            text(session.language),
            progress=session.progress,
            runs=session.runs,
            made=len(made),
            seconds=sum(result.seconds for result in made if not result.cached),
            shipped=any(column.state == "shipped" for column in session.columns.values()),
        )

    def board(self, session: Session) -> list[str]:
        """Status and cards, in the order of the outputs."""
        cards = board.cards(session, self.services.catalogue, text(session.language))
        return [self.status(session), *cards.values()]

    # --- views of what there is ----------------------------------------------------------------------------

    @tells
    def look(self, session: Session, layer: str, word: str | None) -> list[str]:
        """The board under another layer or for another word."""
        session.view.layer = layer if layer in ("image", "heat", "hand") else "image"
        session.view.word = word or HAND_WORDS
        return self.board(session)

    def after_run(self, session: Session) -> list[Any]:
        """Choices that follow what is on the board: words, the two of a pair, what Imagic may learn."""
        t = text(session.language)
        words = [(t("view.hand_words"), HAND_WORDS)]
        words += [(word, word) for word in common_words(list(session.results().values()))]
        chosen = session.view.word if session.view.word in [value for _, value in words] else HAND_WORDS
        session.view.word = chosen
        names = [name for name, column in session.columns.items() if column.image is not None]
        choices = [(self._titles(session)[name], name) for name in names]
        left, right = (names[0], names[-1]) if names else (None, None)
        return [
            gr.update(choices=words, value=chosen),
            gr.update(choices=choices, value=left),
            gr.update(choices=choices, value=right),
            gr.update(choices=choices, value=right),
        ]

    @tells
    def pair(self, session: Session, left: str | None, right: str | None) -> Any:
        """Two columns' pictures for the slider."""
        columns = [session.columns.get(name or "") for name in (left, right)]
        if not all(column is not None and column.image is not None for column in columns):
            return None
        return tuple(column.image for column in columns)

    @tells
    def act(self, session: Session, event: gr.EventData) -> list[Any]:
        """A star on a card, or what is done to a starred picture: the shelf and the cards."""
        data, shelf = event._data, session.shelf
        action, place = data.get("act"), int(data.get("index", -1))
        if action == "star":
            self._star(session, str(data.get("method")))
        elif action == "note" and 0 <= place < len(shelf):
            shelf[place].note = str(data.get("value", ""))[:LONGEST_NOTE]
            return [gr.skip()] * (1 + len(self.services.catalogue))  # it stands there already
        elif action == "unstar" and 0 <= place < len(shelf):
            del shelf[place]
        return [self.shelf(session), *self.board(session)[1:]]

    def _star(self, session: Session, method: str) -> None:
        column = session.columns.get(method)
        if column is None or column.image is None:
            return
        others = [star for star in session.shelf if not star.is_of(column, session.settings)]
        if len(others) == len(session.shelf):
            others.append(Starred(method, session.settings, column.image, column.result))
        session.shelf = others

    def shelf(self, session: Session) -> str:
        """The starred pictures with their notes."""
        return fragment(
            "shelf.html", text(session.language), shelf=session.shelf, titles=self._titles(session)
        )

    # --- series -------------------------------------------------------------------------------------------

    def axes(self, t: Text) -> list[tuple[str, str]]:
        """What a series may run over: the seed, or a number of one method."""
        titles = self.services.titles(t)
        return [(t("series.seed"), "seed")] + [
            (f"{titles[name]}: {t.pick(param.label)}", f"{name}.{param.name}")
            for name, method in self.services.catalogue.items()
            for param in method.params
            if param.kind == "float"
        ]

    @tells
    def series(self, session: Session, axis: str, count: float, *values: Any) -> Iterator[list[Any]]:
        """One picture: all chosen methods over seeds, or one over a parameter. Yields status, picture."""
        runner = self.services.runner
        settings = check_ready(self.settings(values))
        variants, labels = self._variants(settings, axis, min(max(int(count), 2), MOST_IN_SERIES))
        plans = [plan for variant in variants for plan in runner.plans(variant).values()]
        for plan in plans:
            if isinstance(plan, UserError):
                raise plan
        rows = len(variants[0].methods)
        titles = [self._titles(session)[name] for name in variants[0].methods]
        images: list[np.ndarray | None] = []
        for results in runner.series(session, plans):
            images = [result.image for result in results]
            yield [self.status(session), gr.skip()]
        if not images:
            return
        images += [None] * (len(plans) - len(images))
        grid = labelled_grid([images[row::rows] for row in range(rows)], titles, labels)
        yield [self.status(session), grid]

    def _variants(self, settings: Settings, axis: str, count: int) -> tuple[list[Settings], list[str]]:
        if axis == "seed":
            seeds = range(settings.seed, settings.seed + count)
            return [replace(settings, seed=seed) for seed in seeds], [f"seed {seed}" for seed in seeds]
        method, _, name = axis.partition(".")
        param = next(
            (p for p in getattr(self.services.catalogue.get(method), "params", ()) if p.name == name), None
        )
        if param is None:
            raise UserError("Choose what the series runs over.", code="no_axis")
        numbers = np.linspace(param.minimum, param.maximum, count).round(4).tolist()
        own = settings.params.get(method, {})
        variants = [
            check(
                replace(settings, methods=(method,), params={method: {**own, name: value}}),
                self.services.catalogue,
            )
            for value in numbers
        ]
        return variants, [f"{param.label['en']} {value:.3g}" for value in numbers]

    # --- imagic -------------------------------------------------------------------------------------------

    imagic_methods = tuple(BASES)

    @tells
    def tune(
        self, session: Session, source: str | None, photo: str | None, method: str, share: float, *values: Any
    ) -> Iterator[list[Any]]:
        """Have Imagic learn a picture of the form's gesture: a photo, else a column's. Yields status, methods."""
        from engine.image import fit, open_image
        from engine.imagic import Recipe
        from engine.methods.base import phrase_of
        from engine.text import with_phrase

        runner = self.services.runner
        if not self.services.may_tune or method not in self.imagic_methods:
            raise UserError("Imagic learns no pictures on this machine.", code="no_tuning")
        settings = self.settings(values)
        column = session.columns.get(source or "")
        image = open_image(photo) if photo else column.image if column is not None else None
        if image is None:
            raise UserError("Choose a picture of the board, or a photo.", code="no_picture")
        gesture = settings.gesture or runner.engine.choose_gesture(check_ready(settings).prompt)
        prompt = with_phrase(settings.prompt or "a person", phrase_of(gesture))
        part = min(max(float(share), 1.0), 100.0) / 100
        recipe = Recipe(
            embedding_steps=max(1, round(part * Recipe.embedding_steps)),
            unet_steps=max(1, round(part * Recipe.unet_steps)),
        )
        picture = fit(image, runner.engine.profile.size)
        learnt = False
        for learnt in runner.tune(session, gesture, picture, prompt, recipe, method):  # noqa: B007
            yield [self.status(session), gr.skip()]
        t = text(session.language)
        if learnt:
            notice(session, "imagic.learnt", method=self._titles(session)[method], gesture=phrase_of(gesture))
        yield [self.status(session), gr.update(choices=self.services.method_choices(t))]

    def _titles(self, session: Session) -> dict[str, str]:
        return self.services.titles(text(session.language))


def preview_hints(value: EditorValue) -> Iterator[tuple[str, np.ndarray]]:
    """What the methods are given of the edited hands, small: the mesh image and the depth."""
    from engine.render import render_hint

    for kind in ("mesh", "depth"):
        yield kind, render_hint(kind, value.hands, value.camera, _PREVIEW_SIZE)
