"""An answer -> the figures that pictures and reports show beside its own: saved, spread, spent."""

from __future__ import annotations

from advisor.answer import Answer
from advisor.bill import BillLine, OptionBill

Range = tuple[float, float, float]


def saving_usd(answer: Answer) -> float | None:
    """Return what the recommended option saves a month against today; None without a today.

    saving = today's USD a month - the recommended option's, each with what is paid once spread
    """
    options = {option.id: option for option in answer.options}
    today, chosen = options.get("current"), options.get(answer.decision.recommended)
    if today is None or chosen is None or chosen.id == today.id:
        return None
    return float(today.per_month.likely) - float(chosen.per_month.likely)


def usd_per_month(line: BillLine, option: OptionBill) -> float:
    """Return what a line of a bill costs a month; what is paid once is spread over the months."""
    months = float(option.months) if line.cadence == "once" else 1.0
    return float(line.amount) / months


def spent_usd(option: OptionBill, months: float) -> Range:
    """Return what an option has cost after some months: low, likely, high.

    spent = once + months x a month
    """
    low, likely, high = (
        float(getattr(option.one_off, end)) + months * float(getattr(option.monthly, end))
        for end in ("low", "likely", "high")
    )
    return low, likely, high
