"""The page's own look, in light and dark: warm paper and ink, one teal, system fonts, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

TEAL = gr.themes.Color(
    name="teal", c50="#effaf8", c100="#d3f1ec", c200="#a9e2da", c300="#74ccc1", c400="#45b0a5", c500="#26948b",
    c600="#17766f", c700="#155e5a", c800="#154b49", c900="#153f3d", c950="#062424",
)  # fmt: skip
PAPER = gr.themes.Color(
    name="paper", c50="#fbf9f6", c100="#f4f1ec", c200="#e7e2da", c300="#d3ccc1", c400="#a49c90", c500="#776f65",
    c600="#5a544c", c700="#403c37", c800="#282725", c900="#1b1c1c", c950="#121414",
)  # fmt: skip
CSS = [Path(__file__).with_name(name) for name in ("theme.css", "new_avatar.css")]
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=TEAL,
        secondary_hue=TEAL,
        neutral_hue=PAPER,
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        checkbox_background_color_selected="*primary_600",
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_600",
    )
