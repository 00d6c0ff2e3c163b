"""A forecast next to actuals: matched by id, quantity and price apart, nothing dropped."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from advisor.actuals.comparison import Comparison, compare_actuals
from advisor.actuals.formats import read_actuals
from advisor.actuals.lines import ActualLine, Actuals, merged
from advisor.report.actuals import comparison_markdown, comparison_sections, effects, line_rows
from advisor.report.bill_document import bill_document
from advisor.report.bill_formats import document_bytes
from benchmarks.actuals import PLANTED, STARTS_ON, comparison_of, forecast, planted

D = Decimal


def actual(kind: str, quantity: str | None, usd: str | None, **changes: object) -> ActualLine:
    model = str(changes.pop("model", "gpt-5.4"))
    line = ActualLine(
        provider="openai",
        model=model,
        kind=kind,
        sku=f"openai/{model}/{kind}",
        quantity=None if quantity is None else D(quantity),
        unit="tokens",
        usd=None if usd is None else D(usd),
        starts_on=date(2026, 12, 1),
        ends_on=date(2027, 1, 1),
        source_line="export.csv:2",
    )
    return line.model_copy(update=changes)


def compared(*lines: ActualLine) -> Comparison:
    answer, bill, _ = forecast()
    return compare_actuals(answer, bill, Actuals(lines=lines, not_used=()), STARTS_ON)


def test_our_own_focus_rows_agree_with_the_forecast_to_the_cent() -> None:
    answer, bill, _ = forecast()
    text = document_bytes(bill_document(answer, bill, STARTS_ON), "focus").decode()

    found = compare_actuals(answer, bill, read_actuals(text, "forecast.csv"), STARTS_ON)

    assert len(found.months) == 12
    assert found.drifts == found.unexpected == found.missing == ()
    for line in found.lines:
        assert line.actual_usd == line.forecast_usd
        assert line.actual_quantity == line.forecast_quantity
        assert line.price_effect_usd == line.quantity_effect_usd == 0


def test_quantity_and_price_explain_the_difference_together() -> None:
    # forecast: 150,000,000 output tokens at 15 USD per million = 2,250 USD
    found = compared(actual("output", "200000000", "3600"))

    line = next(line for line in found.lines if line.sku == "openai/gpt-5.4/output")
    assert (line.forecast_quantity, line.forecast_usd) == (D(150_000_000), D(2250))
    assert line.actual_price == 18
    assert line.quantity_effect_usd == 750  # 50 million tokens more at 15
    assert line.price_effect_usd == 600  # 200 million tokens at 3 more
    assert line.actual_usd is not None
    assert line.forecast_usd is not None
    assert line.actual_usd - line.forecast_usd == 750 + 600


def test_lines_without_a_partner_are_listed_on_both_sides() -> None:
    found = compared(actual("output", "1", "1"), actual("input", "7", "2", model="o9"))

    assert found.missing == ("openai/gpt-5.4/cached_input", "openai/gpt-5.4/input")
    assert [line.sku for line in found.unexpected] == ["openai/o9/input"]
    assert found.without_actuals == tuple(date(2027, month, 1) for month in range(1, 12))
    sections = comparison_sections(found)
    assert "openai/gpt-5.4/input" in sections["No actuals"]
    assert sections["Not in the forecast"] == [
        "openai/o9/input: 2026-12, $2.00, 7 tokens (first in export.csv:2)"
    ]


def test_rows_outside_the_months_of_the_forecast_are_listed() -> None:
    early = actual("output", "5", "1", starts_on=date(2026, 10, 3), ends_on=date(2026, 10, 4))

    found = compared(early, actual("output", "1", "1"))

    assert [(line.sku, line.months) for line in found.unexpected] == [
        ("openai/gpt-5.4/output", (date(2026, 10, 1),))
    ]


def test_usage_next_to_costs_does_not_count_quantities_twice() -> None:
    usage, cost = actual("output", "100", None), actual("output", "100", "3")
    without = actual("output", None, "3")

    both = compared(usage, cost)
    costs_only = compared(usage, without)

    for found in (both, costs_only):
        line = next(line for line in found.lines if line.sku == "openai/gpt-5.4/output")
        assert (line.actual_quantity, line.actual_usd) == (D(100), D(3))


def test_a_month_that_the_export_covers_in_part_is_no_drift() -> None:
    rows = [
        actual("input", "1", None, starts_on=date(2026, 12, day), ends_on=date(2026, 12, day + 1))
        for day in range(1, 12)
    ]

    found = compared(*rows)

    assert found.incomplete == (date(2026, 12, 1),)
    assert found.drifts == ()


def test_usage_without_costs_has_no_price() -> None:
    found = compared(actual("output", "150000000", None))

    line = next(line for line in found.lines if line.sku == "openai/gpt-5.4/output")
    assert line.actual_price is None
    assert line.actual_usd is None
    assert line.quantity_effect_usd == 0


def test_costs_without_quantities_are_compared_as_amounts() -> None:
    found = compared(actual("output", None, "2000"))

    line = next(line for line in found.lines if line.sku == "openai/gpt-5.4/output")
    assert (line.actual_quantity, line.actual_usd) == (None, D(2000))
    assert line.quantity_effect_usd is None


def test_a_longer_prompt_is_told_from_more_traffic_by_the_number_of_requests() -> None:
    # 2,400 input tokens per request in the forecast, 3,000 in the exports: 400 -> 1,000 of the user
    rows = []
    for month in range(1, 5):
        first = date(2027, month, 1)
        period = {"starts_on": first, "ends_on": date(2027, month + 1, 1)}
        rows += [
            actual("input", "1400000000", None, **period),
            actual("cached_input", "1600000000", None, **period),
            actual("output", "150000000", None, **period),
            actual("requests", "1000000", None, **period),
        ]

    drifts = {drift.name: drift for drift in compared(*rows).drifts}

    assert drifts.keys() == {"user_tokens", "cache_hit_share"}
    assert drifts["user_tokens"].likely == pytest.approx(2.5)
    assert drifts["cache_hit_share"].likely == pytest.approx(1600 / 3000 / (1600 / 2400), abs=1e-3)


def test_the_report_has_every_month_its_total_and_the_sections() -> None:
    found = comparison_of(planted("traffic", "line"), "OpenAI")

    rows = line_rows(found)
    text = comparison_markdown(found, "a: b")

    assert [row[1] for row in rows].count("total") == 12
    assert len(rows) == 12 * 4 + 3  # web searches in three months
    assert "Requests per month are 1.3" in text
    assert "openai/web-search-tool-calls" in text
    assert "## Lines for calibration.yaml" in text


def test_the_parts_of_the_difference_add_up() -> None:
    found = comparison_of(planted(*PLANTED), "OpenAI")

    paid = sum(total.actual_usd or D(0) for total in found.totals)
    planned = sum(total.forecast_usd for total in found.totals)
    assert sum(effects(found).values()) == pytest.approx(paid - planned, abs=D("0.01"))
    assert effects(found).keys() == {
        "quantities", "prices", "items not in the forecast", "items without actuals",
    }  # fmt: skip


def test_the_sum_of_all_actual_amounts_is_shown() -> None:
    found = merged([Actuals(lines=(actual("output", "1", "1"),), not_used=("x: not read",))])
    answer, bill, _ = forecast()

    comparison = compare_actuals(answer, bill, found, STARTS_ON)

    assert comparison.not_used == ("x: not read",)
    assert line_rows(comparison)[-1][-1] == "1.00"
