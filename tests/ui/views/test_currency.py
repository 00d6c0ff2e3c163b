"""The page in another currency: verdict, tables, charts and the report."""

from __future__ import annotations

from decimal import Decimal

import pytest

from advisor.decision.answer import Answer, recommend
from advisor.loading import example_question, make_question
from advisor.prices.loader import load_prices
from tests.support.paths import ROOT
from ui.charts.base import ChartStyle
from ui.charts.cumulative_cost import cumulative_cost_chart
from ui.charts.monthly_cost import monthly_cost_chart
from ui.formatting import vega_locale
from ui.whatif import tables
from ui.whatif.share_menu import report_html
from ui.whatif.verdict import recommended_option, verdict_html

RATE = "EUR, at 1.16 USD for 1 EUR on 2026-11-27"


@pytest.fixture(scope="module")
def answer() -> Answer:
    question = example_question("policy-faq")
    mapping = question.scenario.model_dump(mode="json", exclude_unset=True) | {"currency": "EUR"}
    return recommend(
        make_question(mapping, book=load_prices(overlay=ROOT / "docs" / "contract.yaml"))
    )


def euro(usd: str) -> float:
    return float(Decimal(usd) / Decimal("1.16"))


def test_the_verdict_has_the_currency_and_the_day_of_its_rate(answer: Answer) -> None:
    shown = verdict_html(answer, "en_US")

    assert RATE in shown
    assert "\u20ac" in shown
    assert "$" not in shown


def test_tables_and_report_are_in_the_currency(answer: Answer) -> None:
    chosen = recommended_option(answer)
    assert chosen
    spread = f"\u20ac{euro(chosen.per_month.likely):,.2f}"

    assert spread in tables.options_table([chosen], chosen.id, "en_US", answer.currency)
    assert "$" not in tables.bill_table(chosen, "en_US", answer.currency)
    assert "19% VAT is added" in tables.bill_notes_list(answer, chosen)
    assert spread in report_html(answer, "en_US").decode()


def test_charts_are_drawn_in_the_currency(answer: Answer) -> None:
    chosen, style = recommended_option(answer), ChartStyle("light", "de_DE", answer.currency)
    assert chosen

    months = [row for row in cumulative_cost_chart(answer, style).rows if row["layer"] == "line"]
    ends = [row["likely"] for row in months if row["month"] == float(chosen.months)]
    bars = [row for row in monthly_cost_chart(answer, style).rows if row["layer"] == "line"]

    assert any(end == pytest.approx(euro(chosen.total.likely), rel=1e-3) for end in ends)
    assert all("\u20ac" in row["figure"] for row in [*months, *bars])
    assert vega_locale("de_DE", answer.currency)["currency"] == ["", "\u00a0\u20ac"]
