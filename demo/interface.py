"""The whole screen, assembled: header, pages, languages, memory. Every page works without the others."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.components.fragment import Fragment
from demo.components.translated import Translated
from demo.i18n import DEFAULT, LANGUAGES, Text
from demo.pages.api import create_api
from demo.pages.compare import create_compare_page
from demo.pages.evaluate import create_evaluate_page
from demo.pages.gallery import create_gallery_page
from demo.pages.help import create_help_page
from demo.pages.inspect import create_inspect_page
from demo.pages.methods import create_methods_page
from demo.pages.queueing import MOST_WAITING, QUICK, SILENT
from demo.pages.reconstruct import create_reconstruct_page
from demo.pages.study import create_study, mount_study
from demo.services import Services
from demo.session import Session
from demo.views.html import fragment

TITLE = "HandLab"
_MEMORY_KEY = "handlab"
_MEMORY_SECRET = (
    "handlab-browser-memory"  # the browser's own data, not ours: the key only has to stay the same
)
_FILES_KEPT_S = (3600, 24 * 3600)  # look every hour, delete what is a day old


def create_demo(services: Services, *, study_store: str | None = None, token: str | None = None) -> gr.Blocks:
    """The application. `study_store` is the study's database URL, `token` opens the owner's pages."""
    words = Translated()
    study = create_study(study_store, token)
    with gr.Blocks(title=TITLE, delete_cache=_FILES_KEPT_S, analytics_enabled=False, fill_width=True) as demo:
        session = gr.State(Session(), delete_callback=Session.stop)  # who has gone waits for nothing
        memory = gr.BrowserState(storage_key=_MEMORY_KEY, secret=_MEMORY_SECRET)
        create_api(services)  # first: the names are its own, a page's events take what is left
        header = words.build(
            Fragment, elem_id="header", say={"value": lambda t: _header(services, study is not None, t)}
        )
        with gr.Tabs(elem_id="pages", selected="compare") as tabs:
            with _tab(words, "compare"):
                compare = create_compare_page(services, words, session, memory)
            with _tab(words, "reconstruct") as tab:
                reconstruct = create_reconstruct_page(services, words, session, tab)
            with _tab(words, "inspect") as tab:
                inspect = create_inspect_page(services, words, session, tab, compare)
            with _tab(words, "gallery"):
                create_gallery_page(services, words, session, tabs, compare)
            with _tab(words, "methods"):
                create_methods_page(services, words)
            with _tab(words, "evaluate"):
                create_evaluate_page(services, words)
            with _tab(words, "help"):
                create_help_page(words)

        def speak(session: Session, event: gr.EventData) -> list[Any]:
            session.language = str(event._data.get("language"))
            return translate(session)

        def translate(session: Session) -> list[Any]:
            return [*words.updates(session.language), *compare.handlers.spoken(session)]

        def greet(session: Session) -> list[Any]:
            """The page is built in the default language."""
            return gr.skip() if session.language == DEFAULT else translate(session)

        translated = [*words.components, *compare.spoken]
        choices = (compare.handlers.after_run, session, compare.choices)
        spoken = header.act(speak, session, translated, **QUICK).then(*choices, **QUICK)
        for page in (reconstruct, inspect):
            spoken.then(page.fn, session, page.outputs, **QUICK)
        spoken.then(compare.handlers.remember, [session, *compare.form.inputs], memory, **SILENT)
        opened = demo.load(compare.handlers.open, [session, memory], compare.shown, **QUICK)
        opened.then(greet, session, translated, **QUICK).then(*choices, **QUICK)
    if study is not None:
        mount_study(demo, study)
    demo.queue(max_size=MOST_WAITING)
    return demo


def _tab(words: Translated, name: str) -> gr.Tab:
    return words.build(gr.Tab, id=name, elem_id=f"page-{name}", say={"label": f"page.{name}"})


def _header(services: Services, has_study: bool, t: Text) -> str:
    profile = services.engine.profile if services.engine else None
    return fragment("header.html", t, profile=profile, languages=LANGUAGES, has_study=has_study)
