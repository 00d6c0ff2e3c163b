"""Parts of an answer -> tables and lists as HTML, for the page and for the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.sensitivity import NearestChange
from ui import formatting


def html_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int], best: int = -1
) -> str:
    """Return a table; cells are HTML already, and columns of *numbers* stand to the right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = (' class="num"' if at in numbers else "" for at in range(len(row)))
        return "".join(
            f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True)
        )

    lines = [f"<tr>{cells('th', head)}</tr>"]
    for at, row in enumerate(rows):
        mark = ' class="best"' if at == best else ""
        lines.append(f"<tr{mark}>{cells('td', row)}</tr>")
    return f'<div class="ton-scroll"><table class="ton-table">{"".join(lines)}</table></div>'


def options_table(options: Sequence[OptionBill], recommended: str, locale: str) -> str:
    """Return one row per option."""
    rows = []
    for one in options:
        enough = "" if one.quality.reaches_target else " (too low)"
        low, high = (
            formatting.money_text(end, locale) for end in (one.per_month.low, one.per_month.high)
        )
        rows.append(
            (
                escape(formatting.option_name(one.id)),
                formatting.money_text(one.one_off.likely, locale),
                formatting.money_text(one.per_month.likely, locale),
                "exact" if low == high else f"{low} \u2013 {high}",
                formatting.share_text(one.quality.likely, locale) + enough,
                escape(one.launch.replace("_", " ")),
            )
        )
    best = next((at for at, one in enumerate(options) if one.id == recommended), -1)
    return html_table(
        ("way", "once", "a month", "range a month", "right answers", "started by"),
        rows,
        {1, 2, 3, 4},
        best,
    )


def bill_table(option: OptionBill, locale: str) -> str:
    """Return the bill of an option, line by line, each with its price and source."""
    rows = []
    for line in option.bill:
        read = f", read {formatting.day_text(line.read_on, locale)}" if line.read_on else ""
        since = f"since {formatting.day_text(line.since, locale)}, " if line.since else ""
        rows.append(
            (
                escape(line.item),
                "once" if line.cadence == "once" else "a month",
                f"{formatting.number_text(float(line.quantity), locale)} {escape(line.unit)}",
                f"{escape(line.price)} {escape(line.price_unit)}",
                formatting.money_text(line.amount, locale, cents=True),
                f"{since}{formatting.source_link(line.source)}{read}",
            )
        )
    return html_table(
        ("what", "when", "quantity", "price", "amount", "price since, source"), rows, {2, 3, 4}
    )


def reasons_list(answer: Answer) -> str:
    """Return each reason with the numbers it read and its source."""
    items = []
    for one in answer.decision.reasons:
        numbers = "; ".join(f"{escape(name)} = {escape(value)}" for name, value in one.numbers)
        items.append(
            f'{escape(one.says)}<span class="ton-source">{numbers} \u00b7 '
            f"{formatting.source_link(one.source)}</span>"
        )
    return _html_list(items)


def measure_next_list(answer: Answer) -> str:
    """Return what to find out next."""
    return _html_list([escape(line) for line in answer.decision.measure_next])


def changes_table(found: Sequence[NearestChange]) -> str:
    """Return what would change the answer, the nearest first."""
    if not found:
        return "<p>Nothing within 100 times flips it, and no switch does.</p>"
    return html_table(
        ("if", "were", "instead of", "the answer would be"),
        [
            (
                escape(f.path),
                escape(f.after),
                escape(f.before),
                escape(formatting.option_name(f.becomes)),
            )
            for f in found
        ],
        set(),
    )


def assumptions_table(answer: Answer) -> str:
    """Return what was taken where nobody said."""
    return html_table(
        ("what", "taken", "because"),
        [(escape(a.path), escape(a.value), escape(a.says)) for a in answer.assumptions],
        {1},
    )


def ruled_out_table(answer: Answer) -> str:
    """Return what may not be done: one row for each rule and sentence."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in answer.ruled_out:
        grouped.setdefault((one.says, one.rule, one.source), []).append(one.id)
    rows = []
    for (says, rule, source), ids in grouped.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        rows.append(
            (
                f"{escape(formatting.option_name(ids[0]))}{more}",
                escape(says),
                escape(rule),
                formatting.source_link(source),
            )
        )
    return html_table(("option", "why not", "rule", "source"), rows, set())


def caveats_list(answer: Answer, option: OptionBill | None) -> str:
    """Return the doubts about the answer and about its option."""
    found = [*answer.caveats, *(option.caveats if option else ())]
    return _html_list([escape(one.says) for one in found])


def _html_list(items: Sequence[str]) -> str:
    if not items:
        return "<p>None.</p>"
    return '<ul class="ton-reasons">' + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
