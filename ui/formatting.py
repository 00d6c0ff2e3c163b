"""Figures, days and words -> what the reader sees: formats of the locale, colours, small blocks.

Small pieces that several pages draw: a quiet line, a table of facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Final

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent

DEFAULT_LOCALE: Final = "en_US"
ACCENT: Final = {"light": "#0b6e5f", "dark": "#4fc4ae"}
INK: Final = {"light": "#1d2421", "dark": "#e8ece9"}
MUTED: Final = {"light": "#59625d", "dark": "#a3aea8"}
PAPER: Final = {"light": "#fcfbf8", "dark": "#121614"}
RAISED: Final = {"light": "#ffffff", "dark": "#1c2220"}
RULE: Final = {"light": "#dfdad0", "dark": "#343c38"}

APPROACH_COLOURS: Final = {
    "prompt": ("#0072b2", "#5fb0e6"),
    "few_shot": ("#56b4e9", "#9bd3f5"),
    "long_context": ("#7a8fa6", "#9fb2c6"),
    "rag": ("#cc79a7", "#e2a3c6"),
    "ft_api": ("#d55e00", "#f08a4b"),
    "managed_lora": ("#b8860b", "#e8c25a"),
    "lora": ("#e69f00", "#f5bb45"),
    "qlora": ("#a0522d", "#cf8a68"),
    "full_ft": ("#8b2f4b", "#d47a94"),
    "dpo": ("#6a4c93", "#a58bd0"),
    "encoder": ("#009e73", "#3fcf9f"),
    "distill": ("#7a9a01", "#b3d23c"),
    "combo": ("#5d3a9b", "#a48ad6"),
    "not_yet": ("#9a958b", "#77726a"),
    "current": ("#4a4f4c", "#c9cfcb"),
}
"""One colour for each approach, light and dark; told apart by the colour-blind, never alone."""
KIND_COLOURS: Final = {
    "Input": ("#0072b2", "#5fb0e6"),
    "Output": ("#56b4e9", "#a9dcf8"),
    "Machines by the hour": ("#e69f00", "#f5bb45"),
    "Training": ("#009e73", "#3fcf9f"),
    "Knowledge store": ("#cc79a7", "#e2a3c6"),
    "Work and the rest": ("#7b7f7c", "#a8ada9"),
}
"""One colour for each kind of cost."""
APPROACH_LABELS: Final = {
    "prompt": "Prompt",
    "few_shot": "Few-shot prompt",
    "long_context": "Long context",
    "rag": "Retrieval",
    "ft_api": "Hosted fine-tune",
    "managed_lora": "Managed LoRA",
    "lora": "LoRA",
    "qlora": "QLoRA",
    "full_ft": "Full fine-tune",
    "dpo": "Preference tuning",
    "encoder": "Small classifier",
    "distill": "Distil",
    "combo": "Retrieval + tuned",
    "not_yet": "Not yet",
    "current": "Today",
}
"""What each approach is called on the page."""


def theme() -> str:
    """Return light or dark, as the reader has it."""
    return "dark" if st.context.theme.type == "dark" else "light"


def locale_of(tag: str | None) -> str:
    """Return a locale for a language tag of a browser; English of the US where it is unknown.

    >>> locale_of("de-DE"), locale_of(None), locale_of("xx-YY")
    ('de_DE', 'en_US', 'en_US')
    """
    if not tag:
        return DEFAULT_LOCALE
    try:
        return str(Locale.parse(tag.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        return DEFAULT_LOCALE


def reader_locale() -> str:
    """Return the locale of the reader."""
    return locale_of(st.context.locale)


def money_text(amount: str | float, locale: str, cents: bool | None = None) -> str:
    r"""Write an amount of USD; cents are left out from a thousand on, unless asked for.

    >>> money_text("72532.98", "en_US"), money_text("292.01", "de_DE").replace("\xa0", " ")
    ('$72,533', '292,01 $')
    """
    value = float(amount)
    whole = abs(value) >= 1000 if cents is None else not cents
    pattern = Locale.parse(locale).currency_formats["standard"].pattern
    short = pattern.replace(".00", "") if whole else pattern
    return format_currency(value, "USD", short, locale=locale, currency_digits=False)


def number_text(value: float, locale: str, digits: int = 0) -> str:
    """Write a number with the separators of the locale.

    >>> number_text(1234567, "de_DE"), number_text(0.25, "en_US", 2)
    ('1.234.567', '0.25')
    """
    pattern = "#,##0" + ("." + "#" * digits if digits else "")
    return format_decimal(value, pattern, locale=locale)


def short_number_text(value: float, locale: str) -> str:
    """Write a large number in short.

    >>> short_number_text(30_000_000, "en_US")
    '30M'
    """
    return format_compact_decimal(value, locale=locale, fraction_digits=1)


def share_text(value: str | float, locale: str) -> str:
    """Write a share as percent.

    >>> share_text("0.74", "en_US")
    '74%'
    """
    return format_percent(float(value), "#,##0%", locale=locale)


def day_text(value: date | None, locale: str) -> str:
    """Write a day; nothing where there is none.

    >>> day_text(date(2026, 11, 20), "en_US"), day_text(date(2026, 11, 20), "de_DE")
    ('Nov 20, 2026', '20.11.2026')
    """
    return "" if value is None else format_date(value, "medium", locale=locale)


def vega_locale(locale: str) -> dict[str, object]:
    """Return separators and currency as charts take them."""
    symbols = Locale.parse(locale).number_symbols["latn"]
    before = money_text(1, locale).startswith("$")
    currency = ["$", ""] if before else ["", "\u00a0$"]
    return {
        "decimal": symbols["decimal"],
        "thousands": symbols["group"],
        "grouping": [3],
        "currency": currency,
    }


def approach_label(option_id: str, approach: str | None = None) -> str:
    """Name the way of an option.

    >>> approach_label("current"), approach_label("lora:runpod:Llama:A100")
    ('Today', 'LoRA')
    """
    key = option_id if option_id in APPROACH_LABELS else (approach or option_id.split(":")[0])
    return APPROACH_LABELS.get(key, key.replace("_", " "))


def option_name(option_id: str) -> str:
    """Write an option in words: way, model, where.

    >>> option_name("encoder:hf_jobs:FacebookAI/roberta-base:T4")
    'Small classifier, roberta-base on T4 at hf_jobs'
    """
    parts = option_id.split(":")
    if len(parts) < 3 or parts[1] == "*":
        return approach_label(option_id)
    gpu = f" on {parts[3]}" if len(parts) > 3 else ""
    return f"{approach_label(option_id)}, {parts[2].rsplit('/', 1)[-1]}{gpu} at {parts[1]}"


def figure_tile(label: str, value: str, note: str = "", hint: str = "") -> str:
    """Return one figure with its label above and a note below, as HTML."""
    title = f' title="{escape(hint)}"' if hint else ""
    below = f'<div class="ton-note">{escape(note)}</div>' if note else ""
    return (
        f'<div class="ton-tile"{title}><div class="ton-label">{escape(label)}</div>'
        f'<div class="ton-figure">{escape(value)}</div>{below}</div>'
    )


def source_link(source: str) -> str:
    """Return a source as HTML: a link where it is an address."""
    if source.startswith("https://"):
        host = source.removeprefix("https://").split("/")[0]
        return f'<a href="{escape(source)}" target="_blank" rel="noopener">{escape(host)}</a>'
    return escape(source)


def apply_style() -> None:
    """Put the page's style sheet in place, with the colours of the reader's theme."""
    now = theme()
    names = {"ink": INK, "muted": MUTED, "accent": ACCENT, "rule": RULE, "raised": RAISED}
    colours = "".join(f"--ton-{name}:{found[now]};" for name, found in names.items())
    sheet = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    st.html(f"<style>:root{{{colours}}}\n{sheet}</style>")


@dataclass(frozen=True)
class PlanFact:
    """One line of a plan."""

    what: str
    says: str


def muted_text(text: str) -> None:
    """Write a line of less weight, dark enough to be read by everyone."""
    st.html(f'<p class="ton-says">{escape(text)}</p>')


def facts_table(facts: Sequence[PlanFact]) -> str:
    """Write lines of a plan as an HTML table."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding:4px 24px 4px 0;'
        f'font-weight:600;white-space:nowrap">{escape(one.what)}</th>'
        f'<td style="padding:4px 0;overflow-wrap:anywhere">{escape(one.says)}</td></tr>'
        for one in facts
    )
    return f'<table style="border-collapse:collapse;font-size:.95rem">{rows}</table>'
