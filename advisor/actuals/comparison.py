"""Comparison: the bill of an option next to the exports, with what differs systematically."""

from __future__ import annotations

from datetime import date

from advisor.actuals.compare import (
    ComparedLine,
    MonthTotal,
    UnexpectedLine,
    actuals_by_month,
    compared_lines,
    complete_months,
    forecast_by_month,
    month_totals,
    unexpected_lines,
)
from advisor.actuals.drift import (
    Drift,
    ForecastInputs,
    changed_models,
    find_drifts,
    line_drifts,
)
from advisor.actuals.lines import Actuals
from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.bill_months import OWN, bill_months
from advisor.inputs import number_at
from advisor.units import Record


class Comparison(Record):
    """Forecast and actuals of one option."""

    scenario: str
    """Name of the scenario."""
    option: str
    """Id of the option."""
    months: tuple[date, ...]
    """Months that both have."""
    incomplete: tuple[date, ...]
    """Months that the exports do not cover to their ends; they do not count as a drift."""
    without_actuals: tuple[date, ...]
    """Months of the forecast without any row in the exports."""
    lines: tuple[ComparedLine, ...]
    """Every item of the forecast in every covered month."""
    totals: tuple[MonthTotal, ...]
    """Totals of each covered month."""
    missing: tuple[str, ...]
    """Items of the forecast without a row in any covered month."""
    own: tuple[str, ...]
    """Lines of the forecast that are on no provider's bill."""
    unexpected: tuple[UnexpectedLine, ...]
    """Items of the exports that are not in the forecast."""
    drifts: tuple[Drift, ...]
    """Systematic differences."""
    not_used: tuple[str, ...]
    """Rows and columns of the exports that are not used."""


def compare_actuals(
    answer: Answer, bill: OptionBill, actuals: Actuals, starts_on: date
) -> Comparison:
    """Compare the bill of an option, from a day on, with exports of usage and costs."""
    months = bill_months(bill, starts_on)
    forecast, actual = forecast_by_month(months), actuals_by_month(actuals)
    lines = compared_lines(forecast, actual)
    complete = complete_months(actuals)
    unexpected = unexpected_lines(forecast, actual)
    covered = {month for month, _ in actual} & {line.starts_on for line in months}
    drifts = find_drifts(forecast, actual, lines, forecast_inputs(answer, bill), complete)
    drifts += tuple(line_drifts(unexpected, changed_models(forecast, actual)))
    seen = {line.sku for line in lines if line.actual_quantity or line.actual_usd}
    return Comparison(
        scenario=answer.question.name,
        option=bill.id,
        months=tuple(sorted(covered)),
        incomplete=tuple(sorted(covered - complete)),
        without_actuals=tuple(sorted({line.starts_on for line in months} - covered)),
        lines=lines,
        totals=month_totals(forecast, actual, lines),
        missing=tuple(sorted({line.sku for line in lines} - seen)),
        own=tuple(dict.fromkeys(line.item for line in months if line.provider == OWN)),
        unexpected=unexpected,
        drifts=drifts,
        not_used=actuals.not_used,
    )


def forecast_inputs(answer: Answer, bill: OptionBill) -> ForecastInputs:
    """Return the numbers behind a bill: as given in the scenario, else as assumed."""
    assumed = {assumption.path: assumption.value for assumption in answer.assumptions}

    def value(path: str) -> float:
        given = number_at(answer.question, path)
        return float(assumed.get(path, "0")) if given is None else given

    likely = float(bill.monthly.likely)
    return ForecastInputs(
        requests_per_month=value("traffic.requests_per_month"),
        prefix_tokens=value("traffic.prefix_tokens"),
        user_tokens=value("traffic.user_tokens"),
        has_given_cache_share=number_at(answer.question, "traffic.cache_hit_share") is not None,
        low_ratio=float(bill.monthly.low) / likely if likely else 1.0,
        high_ratio=float(bill.monthly.high) / likely if likely else 1.0,
    )
