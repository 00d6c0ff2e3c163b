"""Forecast against actuals as tables and sentences."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from advisor.actuals.compare import ComparedLine
from advisor.actuals.comparison import Comparison
from advisor.report.markdown import markdown_table
from advisor.units import dollars

LINE_COLUMNS = ("month", "item", "quantity", "actual", "price", "actual price", "USD", "actual USD")
LINE_NUMBERS = {*LINE_COLUMNS[2:]}
EFFECTS = (
    "quantities",
    "prices",
    "items not in the forecast",
    "items without actuals",
    "amounts without quantities",
)
COLUMNS_NOTE = "Forecast first, actual second. Prices in the unit of the price book; US dollars."


def line_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return one row per item and month, with the columns `LINE_COLUMNS`, and totals by month."""
    rows: list[tuple[str, ...]] = []
    for total in comparison.totals:
        month = f"{total.starts_on:%Y-%m}"
        rows += [_row(line) for line in comparison.lines if line.starts_on == total.starts_on]
        if total.unexpected_usd:
            others = (*("",) * 5, _money(total.unexpected_usd))
            rows.append((month, "not in the forecast", *others))
        note = "total, incomplete" if total.starts_on in comparison.incomplete else "total"
        paid = _money(total.actual_usd)
        rows.append((month, note, *("",) * 4, _money(total.forecast_usd), paid))
    return rows


def _row(line: ComparedLine) -> tuple[str, ...]:
    return (
        f"{line.starts_on:%Y-%m}",
        line.sku,
        _quantity(line.forecast_quantity),
        _quantity(line.actual_quantity),
        _price(line.forecast_price),
        _price(line.actual_price),
        _money(line.forecast_usd),
        _money(line.actual_usd),
    )


def comparison_sections(comparison: Comparison) -> dict[str, list[str]]:
    """Return the lists below the table, by heading; empty ones are left out."""
    sections = {
        "Where the difference comes from": [
            f"{name}: {dollars(round(usd, 2))}" for name, usd in effects(comparison).items()
        ],
        "Systematic differences": [drift.says for drift in comparison.drifts],
        "Not in the forecast": [
            f"{line.sku}: {_months(line.months)}"
            f"{f', {dollars(round(line.usd, 2))}' if line.usd is not None else ''}"
            f"{f', {line.quantity:,.0f} {line.unit}' if line.quantity else ''}"
            f" (first in {line.first_line})"
            for line in comparison.unexpected
        ],
        "No actuals": [
            *comparison.missing,
            *(f"{item}: on no provider's bill" for item in comparison.own),
            *_month_notes("in no row of the exports", comparison.without_actuals),
        ],
        "Incomplete months": [*_month_notes("not counted above", comparison.incomplete)],
        "Not used": list(comparison.not_used),
    }
    return {heading: lines for heading, lines in sections.items() if lines}


def comparison_markdown(comparison: Comparison, offered: str) -> str:
    """Return a comparison as Markdown, with the lines for calibration.yaml."""
    parts = [f"# {comparison.scenario}: {comparison.option}"]
    parts += [markdown_table(LINE_COLUMNS, line_rows(comparison)), COLUMNS_NOTE]
    for heading, lines in comparison_sections(comparison).items():
        parts += [f"## {heading}", "\n".join(f"- {line}" for line in lines)]
    if offered:
        parts += ["## Lines for calibration.yaml", f"```yaml\n{offered.rstrip()}\n```"]
    return "\n\n".join(parts)


def effects(comparison: Comparison) -> dict[str, Decimal]:
    """Return the parts of actual minus forecast; they add up to the difference of the totals."""
    parts = dict.fromkeys(EFFECTS, Decimal(0))
    for line in comparison.lines:
        forecast = line.forecast_usd or Decimal(0)
        if line.actual_usd is None and line.actual_quantity is None:
            parts["items without actuals"] -= forecast
        elif line.price_effect_usd is not None and line.quantity_effect_usd is not None:
            parts["prices"] += line.price_effect_usd
            parts["quantities"] += line.quantity_effect_usd
        elif line.actual_usd is not None:
            parts["amounts without quantities"] += line.actual_usd - forecast
    parts["items not in the forecast"] = sum(
        (total.unexpected_usd for total in comparison.totals), Decimal(0)
    )
    return {name: usd for name, usd in parts.items() if usd}


def _month_notes(what: str, months: tuple[date, ...]) -> tuple[str, ...]:
    return (f"{_months(months)}: {what}",) if months else ()


def _months(months: tuple[date, ...]) -> str:
    """Write months as a range where they follow each other.

    >>> _months((date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)))
    '2026-11 to 2027-01'
    """
    if len(months) < 3:
        return ", ".join(f"{month:%Y-%m}" for month in months)
    return f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}"


def _quantity(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _price(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _money(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.2f}"
