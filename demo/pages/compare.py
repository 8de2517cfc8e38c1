"""Compare: pose and prompt on the left, a card a method on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.components.form import Form, hand_value
from demo.components.fragment import Fragment
from demo.components.gesture_picker import GesturePicker, picker_html
from demo.components.hand_editor import HandEditor
from demo.components.keypoint_pad import KeypointPad
from demo.components.method_controls import MethodControls
from demo.components.photo import Photo
from demo.components.translated import Translated
from demo.forms import MOST_SEED
from demo.handlers.compare import MOST_IN_SERIES, CompareHandlers, preview_hints
from demo.i18n import DEFAULT, Text, text
from demo.pages.queueing import ENGINE, LATEST, QUICK, SILENT
from demo.services import Services
from demo.session import Session
from demo.views.overlay import HAND_WORDS
from engine.validate import MAX_STEPS

# In the browser: the link goes to the clipboard and to the address bar.
_COPY_LINK = "(link) => { handlab.copyLink(link); return link; }"
_ZOOM = "(zoom) => { handlab.zoom(zoom); return zoom; }"
_MOST_CFG = 15  # as far as the slider goes; a link may go further
_SHOW_BOARD = "() => { handlab.showBoard(); }"


@dataclass
class ComparePage:
    """What the assembly and other pages use of it."""

    form: Form
    handlers: CompareHandlers
    picker: GesturePicker
    board: list[Fragment]  # status, cards
    choices: list[gr.components.Component]  # outputs of CompareHandlers.after_run
    shelf: Fragment
    session: gr.State
    memory: gr.BrowserState

    def settle(self, filled: gr.events.Dependency) -> gr.events.Dependency:
        """What follows when the form and the board have been filled: the choices, and the browser's memory."""
        chosen = filled.then(self.handlers.after_run, self.session, self.choices, **QUICK)
        return chosen.then(self.handlers.remember, [self.session, *self.form.inputs], self.memory, **SILENT)

    @property
    def spoken(self) -> list[gr.components.Component]:
        """Outputs of CompareHandlers.spoken."""
        return [self.picker, *self.board, self.shelf]

    @property
    def shown(self) -> list[gr.components.Component]:
        """Outputs of CompareHandlers.show."""
        return [self.picker, *self.form.inputs, *self.board]


def create_compare_page(
    services: Services, words: Translated, session: gr.State, memory: gr.BrowserState
) -> ComparePage:
    """Lay out the page in the current Blocks and wire its events."""
    first = services.first
    with gr.Row(elem_classes="hl-compare", equal_height=False):
        with gr.Column(min_width=300, elem_classes="hl-side"):
            picker = GesturePicker(
                picker_html(services.gestures, first.gesture, text(DEFAULT)), elem_id="picker"
            )
            editor = HandEditor(
                hand_value(first, edited=not services.is_preset(first)),
                gestures=services.gestures,
                preview=preview_hints,
                elem_id="hand-editor",
            )
            with words.build(gr.Accordion, open=False, say={"label": "photo.title"}):
                photo = words.build(
                    Photo, show_label=False, height=220, say={"placeholder": "photo.placeholder"}
                )
                pad = KeypointPad(elem_id="keypoints")
        with gr.Column(min_width=300, elem_classes="hl-main"):
            with gr.Group(elem_classes="hl-prompt"):
                prompt = words.build(
                    gr.Textbox,
                    first.prompt,
                    lines=1,
                    max_lines=4,
                    elem_id="prompt",
                    say={"label": "prompt.label", "placeholder": "prompt.placeholder"},
                )
                suggested = Fragment(elem_classes="hl-suggested")
                with gr.Row(elem_classes="hl-run"):
                    methods = words.build(
                        gr.CheckboxGroup,
                        value=list(first.methods),
                        elem_id="methods",
                        scale=8,
                        say={
                            "label": "methods.label",
                            "info": _methods_info(services),
                            "choices": services.method_choices,
                        },
                    )
                    seed = words.build(
                        gr.Number,
                        first.seed,
                        precision=0,
                        minimum=0,
                        maximum=MOST_SEED,
                        elem_id="seed-field",
                        min_width=110,
                        scale=1,
                        say={"label": "seed.label"},
                    )
                    with gr.Column(min_width=130, scale=1, elem_classes="hl-go"):
                        generate = words.build(
                            gr.Button, variant="primary", elem_id="generate", say={"value": "generate"}
                        )
                        stop = words.build(gr.Button, variant="stop", elem_id="stop", say={"value": "stop"})
                with words.build(gr.Accordion, open=False, say={"label": "settings.title"}):
                    negative, steps, cfg, controls = _settings(services, words, first)
                    token = words.build(
                        gr.Textbox,
                        type="password",
                        visible=any("token" in method.needs for method in services.catalogue.values()),
                        say={"label": "token.label", "info": "token.help"},
                    )
            form = Form(
                catalogue=services.catalogue,
                prompt=prompt,
                negative=negative,
                editor=editor,
                seed=seed,
                steps=steps,
                cfg=cfg,
                methods=methods,
                params=controls.inputs,
            )
            handlers = CompareHandlers(services, form)
            visitor = Session()
            handlers.ship(visitor, first)
            status_html, *cards_html = handlers.board(visitor)
            with gr.Row(elem_classes="hl-viewbar"):
                layer, word, zoom, link = _view_bar(words)
            status = Fragment(status_html, elem_id="status")
            with gr.Row(elem_classes="hl-board", elem_id="board", equal_height=False):
                cards = [Fragment(html, elem_classes="hl-slot") for html in cards_html]
            shelf = Fragment(elem_id="shelf")
            left, right = _pair_panel(words, handlers, session)
            _series_panel(words, handlers, form, status, session)
            source = _imagic_panel(services, words, handlers, form, status, session)

    choices = [word, left, right, source]
    page = ComparePage(form, handlers, picker, [status, *cards], choices, shelf, session, memory)
    inputs = [session, *form.inputs]

    for trigger in (generate.click, prompt.submit):
        page.settle(trigger(handlers.generate, inputs, page.board, **ENGINE))
    generate.click(None, js=_SHOW_BOARD)
    token.change(handlers.set_token, [session, token], None, **SILENT)
    stop.click(Session.stop, session, None, **SILENT)

    picker.pick(handlers.pick, [session, editor], editor, **QUICK)
    suggested.act(handlers.pick, [session, editor], editor, **QUICK)
    # An emptied photo changes too. One file can bring two changes: the handler reads it once.
    photo.change(handlers.from_photo, [session, photo], [editor, pad], **QUICK)
    pad.apply(handlers.from_keypoints, [session, editor], editor, **QUICK)
    prompt.change(handlers.suggest, [session, prompt], suggested, **LATEST)
    methods.change(controls.visibility, methods, list(controls.groups.values()), **SILENT)
    gr.on([layer.input, word.input], handlers.look, [session, layer, word], page.board, **LATEST)
    zoom.input(None, zoom, zoom, js=_ZOOM)
    link_text = gr.Textbox(visible=False)
    link.click(handlers.link, inputs, link_text, **QUICK).then(None, link_text, link_text, js=_COPY_LINK)
    for card in cards:
        card.act(handlers.act, session, [shelf, *cards], **QUICK)
    shelf.act(handlers.act, session, [shelf, *cards], **QUICK)

    for edited in (editor.commit, *map(_edited, [c for c in form.inputs if c is not editor])):
        edited(handlers.remember, inputs, memory, **SILENT, trigger_mode="always_last")
    return page


def _edited(component: gr.components.Component) -> Any:
    """The event of a visitor's own change, which a handler's update does not fire; a text's is its end."""
    return component.blur if isinstance(component, gr.Textbox) else component.input


def _methods_info(services: Services):
    def info(t: Text) -> str | None:
        missing = not all(services.is_available(name) for name in services.catalogue)
        return t("methods.info") if missing else None

    return info


def _settings(
    services: Services, words: Translated, first: Any
) -> tuple[gr.Textbox, gr.Slider, gr.Slider, MethodControls]:
    negative = words.build(gr.Textbox, first.negative, max_lines=2, say={"label": "negative.label"})
    with gr.Row():
        steps = words.build(gr.Slider, 1, MAX_STEPS, first.steps, step=1, say={"label": "steps.label"})
        cfg = words.build(
            gr.Slider, 0, _MOST_CFG, first.cfg, step=0.5, say={"label": "cfg.label", "info": "cfg.help"}
        )
    with gr.Row(elem_classes="hl-params"):
        controls = MethodControls(services.catalogue, words, first.methods)
    return negative, steps, cfg, controls


def _view_bar(words: Translated) -> tuple[gr.Radio, gr.Dropdown, gr.Checkbox, gr.Button]:
    layer = words.build(
        gr.Radio,
        value="image",
        show_label=False,
        container=False,
        elem_classes="hl-segments",
        elem_id="layer",
        say={
            "label": "view.label",
            "choices": lambda t: [(t(f"view.{name}"), name) for name in ("image", "heat", "hand")],
        },
    )
    word = words.build(
        gr.Dropdown,
        value=HAND_WORDS,
        show_label=False,
        container=False,
        min_width=150,
        elem_id="word",
        say={"label": "view.word", "choices": lambda t: [(t("view.hand_words"), HAND_WORDS)]},
    )
    zoom = words.build(
        gr.Checkbox, container=False, elem_id="zoom", min_width=130, say={"label": "view.zoom"}
    )
    link = words.build(gr.Button, size="sm", min_width=110, elem_id="link", scale=0, say={"value": "link"})
    return layer, word, zoom, link


def _pair_panel(
    words: Translated, handlers: CompareHandlers, session: gr.State
) -> tuple[gr.Dropdown, gr.Dropdown]:
    with words.build(gr.Accordion, open=False, elem_id="pair", say={"label": "pair.title"}) as panel:
        with gr.Row():
            left = words.build(gr.Dropdown, say={"label": "pair.left"})
            right = words.build(gr.Dropdown, say={"label": "pair.right"})
        slider = gr.ImageSlider(show_label=False, interactive=False, max_height=512, buttons=["fullscreen"])
    gr.on(
        [left.change, right.change, panel.expand],
        handlers.pair,
        [session, left, right],
        slider,
        **LATEST,
    )
    return left, right


def _series_panel(
    words: Translated, handlers: CompareHandlers, form: Form, status: Fragment, session: gr.State
) -> None:
    with words.build(gr.Accordion, open=False, elem_id="series", say={"label": "series.title"}):
        with gr.Row():
            axis = words.build(
                gr.Dropdown, value="seed", say={"label": "series.axis", "choices": handlers.axes}
            )
            count = words.build(gr.Slider, 2, MOST_IN_SERIES, 4, step=1, say={"label": "series.count"})
            make = words.build(gr.Button, scale=0, min_width=180, say={"value": "series.make"})
        picture = words.build(
            gr.Image,
            interactive=False,
            show_label=False,
            buttons=["download", "fullscreen"],
            say={"label": "series.title"},
        )
    make.click(handlers.series, [session, axis, count, *form.inputs], [status, picture], **ENGINE)


def _imagic_panel(
    services: Services,
    words: Translated,
    handlers: CompareHandlers,
    form: Form,
    status: Fragment,
    session: gr.State,
) -> gr.Dropdown:
    """Imagic's job on a picture of the board or a photo; the choice of the board's pictures."""
    names = [name for name in handlers.imagic_methods if name in services.catalogue]
    with words.build(
        gr.Accordion,
        open=False,
        elem_id="imagic",
        visible=bool(names) and services.engine is not None and services.may_tune,
        say={"label": "imagic.title"},
    ):
        words.build(gr.Markdown, elem_classes="hl-fine", say={"value": "imagic.help"})
        with gr.Row():
            source = words.build(gr.Dropdown, say={"label": "imagic.source"})
            photo = words.build(Photo, show_label=False, height=180, say={"placeholder": "photo.placeholder"})
        with gr.Row():
            method = words.build(
                gr.Radio,
                value=names[0] if names else None,
                say={
                    "label": "imagic.method",
                    "choices": lambda t: [(services.titles(t)[name], name) for name in names],
                },
            )
            share = words.build(
                gr.Slider, 1, 100, 20, step=1, say={"label": "imagic.share", "info": "imagic.share.help"}
            )
            start = words.build(
                gr.Button, variant="primary", scale=0, min_width=140, say={"value": "imagic.start"}
            )
    inputs = [session, source, photo, method, share, *form.inputs]
    start.click(handlers.tune, inputs, [status, form.methods], **ENGINE)
    return source
