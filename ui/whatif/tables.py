"""Parts of an answer as HTML tables and lists, for the page and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.sensitivity import NearestChange
from advisor.prices.display_names import option_name
from advisor.report.markdown import bill_notes, line_name, tax_lines
from advisor.units import US_DOLLARS, Currency
from ui import formatting


def html_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int], best: int = -1
) -> str:
    """Return a table of HTML cells; columns in *numbers* are right-aligned, row *best* is bold."""

    def line(tag: str, row: Sequence[str], mark: str = "") -> str:
        kinds = (' class="num"' if index in numbers else "" for index in range(len(row)))
        cells = (f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True))
        return f"<tr{mark}>{''.join(cells)}</tr>"

    lines = [line("th", head)]
    lines += [
        line("td", row, ' class="best"' if index == best else "") for index, row in enumerate(rows)
    ]
    return f'<div class="ton-scroll"><table class="ton-table">{"".join(lines)}</table></div>'


def options_table(
    options: Sequence[OptionBill], recommended: str, locale: str, currency: Currency = US_DOLLARS
) -> str:
    """Return one row per option."""

    def money(amount: str) -> str:
        return formatting.money_text(amount, locale, currency=currency)

    rows, best = [], -1
    for index, option in enumerate(options):
        best = index if option.id == recommended else best
        low, high = money(option.per_month.low), money(option.per_month.high)
        below = "" if option.quality.reaches_target else " (below target)"
        rows.append(
            (
                escape(option_name(option.id)),
                money(option.one_off.likely),
                money(option.per_month.likely),
                "exact" if low == high else f"{low} \u2013 {high}",
                formatting.share_text(option.quality.likely, locale) + below,
                escape(option.launch.replace("_", " ")),
            )
        )
    head = ("option", "one-off", "per month", "90% range", "expected quality", "launch")
    return html_table(head, rows, {1, 2, 3, 4}, best)


def bill_table(option: OptionBill, locale: str, currency: Currency = US_DOLLARS) -> str:
    """Return the bill of an option, one row per line, each with its price and source."""
    rows = []
    for line in option.bill:
        read = f", read {formatting.day_text(line.read_on, locale)}" if line.read_on else ""
        since = f"since {formatting.day_text(line.since, locale)}, " if line.since else ""
        digits = 2 if abs(float(line.quantity)) < 100 else 0
        rows.append(
            (
                escape(line_name(line)),
                "one-off" if line.cadence == "once" else "monthly",
                f"{formatting.number_text(float(line.quantity), locale, digits)} "
                f"{escape(line.unit)}",
                f"{escape(line.price)} {escape(line.price_unit)}",
                formatting.money_text(line.amount, locale, True, currency),
                f"{since}{formatting.source_link(line.source)}{read}",
            )
        )
    head = ("item", "cadence", "quantity", "price", "amount", "price since, source")
    return html_table(head, rows, {2, 3, 4})


def bill_notes_list(answer: Answer, option: OptionBill) -> str:
    """Return currency, contract and tax of a bill as a list; nothing if there are none."""
    notes = (*bill_notes(option, answer.currency), *tax_lines(answer, option))
    return text_list(notes) if notes else ""


def reasons_list(answer: Answer) -> str:
    """Return each reason with its numbers and its source."""
    items = []
    for reason in answer.decision.reasons:
        numbers = "; ".join(f"{escape(name)} = {escape(value)}" for name, value in reason.numbers)
        items.append(
            f'{escape(reason.says)}<span class="ton-source">{numbers} \u00b7 '
            f"{formatting.source_link(reason.source)}</span>"
        )
    return _html_list(items)


def changes_table(changes: Sequence[NearestChange]) -> str:
    """Return the changes that would change the recommended approach, nearest first."""
    if not changes:
        return (
            "<p>No single change of a value changes the recommended approach, "
            "even by a factor of 100.</p>"
        )
    rows = (
        (change.path, change.after, change.before, option_name(change.becomes))
        for change in changes
    )
    head = ("input", "changed to", "now", "recommendation becomes")
    return html_table(head, [tuple(map(escape, row)) for row in rows], set())


def assumptions_table(answer: Answer) -> str:
    """Return the assumed values with their reasons."""
    rows = [(escape(a.path), escape(a.value), escape(a.says)) for a in answer.assumptions]
    return html_table(("input", "assumed value", "reason"), rows, {1})


def ruled_out_table(answer: Answer) -> str:
    """Return the options that are ruled out, one row per rule and explanation."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for option in answer.ruled_out:
        grouped.setdefault((option.says, option.rule, option.source), []).append(option.id)
    rows = []
    for (says, rule, source), ids in grouped.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        name = escape(option_name(ids[0]))
        rows.append((f"{name}{more}", escape(says), escape(rule), formatting.source_link(source)))
    return html_table(("option", "reason", "rule", "source"), rows, set())


def text_list(lines: Iterable[str]) -> str:
    """Return lines of text as a list."""
    return _html_list([escape(line) for line in lines])


def _html_list(items: Sequence[str]) -> str:
    if not items:
        return "<p>None.</p>"
    return '<ul class="ton-reasons">' + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
