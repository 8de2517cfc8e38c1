"""The look: gradio's base theme with our colours and its bundled fonts, and the style sheet."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

WEB = Path(__file__).with_name("web")
STYLE = WEB / "style.css"
_WEIGHTS = (400, 700)  # gradio's files of these are whole; its semi-bold ones lack most letters


def head() -> str:
    """The page's own script, and what a phone's browser wants to know."""
    script = (WEB / "page.js").read_text(encoding="utf-8")
    return (
        '<meta name="theme-color" content="#f6f7f9" media="(prefers-color-scheme: light)">'
        '<meta name="theme-color" content="#0d1017" media="(prefers-color-scheme: dark)">'
        f"<script>{script}</script>"
    )


def theme() -> gr.themes.Base:
    """Quiet greys, one accent, IBM Plex from gradio's own files; Chinese from the visitor's system."""
    accent = colors.Color(
        name="hl-accent",
        c50="#eef2ff", c100="#e0e7ff", c200="#c7d2fe", c300="#a5b4fc", c400="#818cf8", c500="#6366f1",
        c600="#4f46e5", c700="#4338ca", c800="#3730a3", c900="#312e81", c950="#1e1b4b",
    )  # fmt: skip
    chinese = ("PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei")
    base = gr.themes.Base(
        primary_hue=accent,
        secondary_hue=accent,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md,
        text_size=sizes.text_md,
        font=(
            fonts.LocalFont("IBM Plex Sans", _WEIGHTS),
            "ui-sans-serif",
            "system-ui",
            *chinese,
            "sans-serif",
        ),
        font_mono=(fonts.LocalFont("IBM Plex Mono", _WEIGHTS), "ui-monospace", "monospace"),
    )
    return base.set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#0d1017",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#151a23",
        background_fill_secondary="#f6f7f9",
        background_fill_secondary_dark="#0d1017",
        body_text_color="#1b2430",
        body_text_color_dark="#e6eaf0",
        body_text_color_subdued="#5b6675",
        body_text_color_subdued_dark="#97a3b4",
        border_color_primary="#e2e6ec",
        border_color_primary_dark="#262e3b",
        block_background_fill="#ffffff",
        block_background_fill_dark="#151a23",
        block_border_width="1px",
        block_border_color="#e2e6ec",
        block_border_color_dark="#262e3b",
        block_shadow="none",
        block_radius="12px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="#5b6675",
        block_label_text_color_dark="#97a3b4",
        block_title_text_weight="600",
        block_title_text_size="13px",
        block_title_text_color="#5b6675",
        block_title_text_color_dark="#97a3b4",
        block_info_text_color="#5b6675",
        block_info_text_color_dark="#97a3b4",
        input_background_fill="#ffffff",
        input_background_fill_dark="#10151d",
        input_border_color="#d5dbe3",
        input_border_color_dark="#2c3645",
        input_border_color_focus="#6366f1",
        input_border_color_focus_dark="#818cf8",
        input_radius="9px",
        button_large_radius="10px",
        button_small_radius="8px",
        button_primary_background_fill="#4f46e5",
        button_primary_background_fill_dark="#4f46e5",
        button_primary_background_fill_hover="#4338ca",
        button_primary_background_fill_hover_dark="#5b54ea",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1b222d",
        button_secondary_background_fill_hover="#f0f2f6",
        button_secondary_background_fill_hover_dark="#242d3a",
        button_secondary_border_color="#d5dbe3",
        button_secondary_border_color_dark="#2c3645",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#10151d",
        checkbox_label_background_fill_selected="#eef2ff",
        checkbox_label_background_fill_selected_dark="#1f2547",
        checkbox_label_text_color_selected="#3730a3",
        checkbox_label_text_color_selected_dark="#c7d2fe",
        checkbox_label_border_color="#d5dbe3",
        checkbox_label_border_color_dark="#2c3645",
        checkbox_label_border_color_selected="#a5b4fc",
        checkbox_label_border_color_selected_dark="#4f46e5",
        checkbox_background_color_selected="#4f46e5",
        checkbox_background_color_selected_dark="#6366f1",
        slider_color="#6366f1",
        link_text_color="#4338ca",
        link_text_color_dark="#a5b4fc",
    )
