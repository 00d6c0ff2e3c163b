"""Numbers, dates and names in the reader's locale, colours, and small HTML blocks of the page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from html import escape
from pathlib import Path
from typing import Final

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_symbol,
)

from advisor.prices.display_names import APPROACH_NAMES
from advisor.units import US_DOLLARS, Currency, in_currency

DEFAULT_LOCALE: Final = "en_US"
ACCENT: Final = ("#0b6e5f", "#4fc4ae")
INK: Final = ("#1d2421", "#e8ece9")
MUTED: Final = ("#59625d", "#a3aea8")
PAPER: Final = ("#fcfbf8", "#121614")
RAISED: Final = ("#ffffff", "#1c2220")
RULE: Final = ("#dfdad0", "#343c38")

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
"""A light and a dark color per approach, distinct for color-blind readers."""
KIND_COLOURS: Final = {
    "Input": ("#0072b2", "#5fb0e6"),
    "Output": ("#56b4e9", "#a9dcf8"),
    "Machine hours": ("#e69f00", "#f5bb45"),
    "Training": ("#009e73", "#3fcf9f"),
    "Retrieval": ("#cc79a7", "#e2a3c6"),
    "Labor and other": ("#7b7f7c", "#a8ada9"),
}
"""A light and a dark color per kind of cost."""


def theme() -> str:
    """Return the reader's theme: light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


def locale_of(tag: str | None) -> str:
    """Return the locale for a browser's language tag; US English if it is unknown.

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


def money_text(
    amount_usd: str | float,
    locale: str,
    cents: bool | None = None,
    currency: Currency = US_DOLLARS,
) -> str:
    r"""Format an amount of USD in a currency; cents are dropped from 1,000 on, or by `cents`.

    >>> money_text("72532.98", "en_US"), money_text("292.01", "de_DE").replace("\xa0", " ")
    ('$72,533', '292,01 $')
    """
    value = float(in_currency(amount_usd, currency))
    whole = abs(value) >= 1000 if cents is None else not cents
    pattern = Locale.parse(locale).currency_formats["standard"].pattern
    short = pattern.replace(".00", "") if whole else pattern
    return format_currency(value, currency.code, short, locale=locale, currency_digits=False)


def number_text(value: float, locale: str, digits: int = 0) -> str:
    """Format a number with the separators of the locale.

    >>> number_text(1234567, "de_DE"), number_text(0.25, "en_US", 2)
    ('1.234.567', '0.25')
    """
    pattern = "#,##0" + ("." + "#" * digits if digits else "")
    return format_decimal(value, pattern, locale=locale)


def short_number_text(value: float, locale: str) -> str:
    """Format a large number in short form.

    >>> short_number_text(30_000_000, "en_US"), short_number_text(120_298, "de_DE")
    ('30M', '120.298')
    """
    short = str(format_compact_decimal(value, locale=locale, fraction_digits=1))
    return number_text(value, locale) if short.isdecimal() else short


def share_text(value: str | float, locale: str) -> str:
    """Format a share as a percentage.

    >>> share_text("0.74", "en_US")
    '74%'
    """
    return format_percent(float(value), "#,##0%", locale=locale)


def day_text(value: date | None, locale: str) -> str:
    """Format a date; empty if there is none.

    >>> day_text(date(2026, 11, 20), "en_US"), day_text(date(2026, 11, 20), "de_DE")
    ('Nov 20, 2026', '20.11.2026')
    """
    return "" if value is None else format_date(value, "medium", locale=locale)


def vega_locale(locale: str, currency: Currency = US_DOLLARS) -> dict[str, object]:
    """Return separators and currency in Vega's number format."""
    symbols = Locale.parse(locale).number_symbols["latn"]
    sign = get_currency_symbol(currency.code, locale=locale)
    is_prefix = money_text(1, locale, currency=currency).startswith(sign)
    return {
        "decimal": symbols["decimal"],
        "thousands": symbols["group"],
        "grouping": [3],
        "currency": [sign, ""] if is_prefix else ["", f"\u00a0{sign}"],
    }


def approach_label(option_id: str) -> str:
    """Return the name of an option's approach.

    >>> approach_label("current"), approach_label("lora:runpod:Llama:A100")
    ('Current solution', 'LoRA')
    """
    approach = option_id.partition(":")[0]
    return APPROACH_NAMES.get(approach, approach)


def figure_tile(label: str, value: str, note: str = "", hint: str = "") -> str:
    """Return one value with its label above and a note below, as HTML."""
    title = f' title="{escape(hint)}"' if hint else ""
    below = f'<div class="ton-note">{escape(note)}</div>' if note else ""
    return (
        f'<div class="ton-tile"{title}><div class="ton-label">{escape(label)}</div>'
        f'<div class="ton-figure">{escape(value)}</div>{below}</div>'
    )


def source_link(source: str) -> str:
    """Return a source as HTML; a URL becomes a link."""
    if source.startswith("https://"):
        host = source.removeprefix("https://").split("/")[0]
        return f'<a href="{escape(source)}" target="_blank" rel="noopener">{escape(host)}</a>'
    return escape(source)


def escape_dollars(text: str) -> str:
    """Escape dollar signs for Markdown, where a pair of them would start a formula."""
    return text.replace("$", "\\$")


def muted_text(text: str) -> None:
    """Draw a line of secondary text, with enough contrast to be readable."""
    st.html(f'<p class="ton-says">{escape(text)}</p>')


def apply_style() -> None:
    """Add the page's style sheet, with the colors of the reader's theme."""
    place = theme() == "dark"
    names = {"ink": INK, "muted": MUTED, "accent": ACCENT, "rule": RULE, "raised": RAISED}
    colours = "".join(f"--ton-{name}:{pair[place]};" for name, pair in names.items())
    sheet = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    st.html(f"<style>:root{{{colours}}}\n{sheet}</style>")


def facts_table(facts: Iterable[tuple[str, str]], classes: str = "ton-facts") -> str:
    """Return facts, each with its label, as an HTML table."""
    rows = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{escape(says)}</td></tr>'
        for what, says in facts
    )
    return f'<table class="{classes}">{rows}</table>'
