"""BillDocument: the bill of one option of an answer, month by month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from advisor.decision.answer import Answer, summarize
from advisor.decision.bill import OptionBill
from advisor.decision.bill_months import MonthLine, bill_months
from advisor.decision.evaluate import EvaluatedQuestion
from advisor.errors import UsageError, did_you_mean
from advisor.report.markdown import tax_lines
from advisor.units import US_DOLLARS, Currency, Record, amount_text

MOST = 20
"""Number of options for which the months are computed at most."""


class BillDocument(Record):
    """The bill of one option, also month by month."""

    scenario: str
    """Name of the scenario."""
    asked_on: date
    """Date of the prices."""
    currency: str = "USD"
    """Currency of all amounts of this record."""
    printed_in: Currency = US_DOLLARS
    """Currency of the amounts in a printed document, with its rate."""
    tax: tuple[str, ...] = ()
    """Notes about tax."""
    option: OptionBill
    """The option, with its bill of one month."""
    months: tuple[MonthLine, ...]
    """Every line in every calendar month of use."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """Version of the engine."""


def find_option(answer: Answer, text: str | None, where: str) -> OptionBill:
    """Return the option that a text names: its id, or a part that only one id contains.

    Without a text it is the recommended option.

    Raises:
        UsageError: no id contains the text, or more than one.
    """
    bills = {option.id: option for option in answer.options}
    text = answer.decision.recommended if text is None else text
    matching = [name for name in bills if text in name]
    if text in bills or len(matching) == 1:
        return bills[text if text in bills else matching[0]]
    if not matching:
        raise UsageError(
            f"{where} {text}",
            "no allowed option has this in its id.",
            did_you_mean(text, bills).strip(),
        )
    found = f"{len(matching)} options have this in their id: {', '.join(matching[:4])}."
    raise UsageError(f"{where} {text}", found, "Give more of the id.")


def answer_with_bill(evaluated: EvaluatedQuestion, text: str | None) -> Answer:
    """Return the answer with the months of the bills whose id contains the text.

    Without a text, of the compared options only: the recommended one is among them.
    """
    ids = [entry.option.id for entry in evaluated.options]
    return summarize(evaluated, [name for name in ids if text is not None and text in name][:MOST])


def bill_document(answer: Answer, bill: OptionBill, starts_on: date | None = None) -> BillDocument:
    """Return the bill of an option by month, from a day on; by default from the answer's date.

    Raises:
        UsageError: a price changes within the horizon, and the bill does not state by month how
            much is bought at which price; only the bills of compared options do.
    """
    asked_on = answer.question.asked_on
    for line in bill.bill:
        if line.since and line.since > asked_on and not line.by_month:
            found = f"{line.price_item} changes on {line.since}, and the answer has no months."
            raise UsageError(bill.id, found, "Give the scenario instead of the saved answer.")
    return BillDocument(
        scenario=answer.question.name,
        asked_on=asked_on,
        printed_in=answer.currency,
        tax=tuple(tax_lines(answer, bill)),
        option=bill,
        months=bill_months(bill, starts_on or asked_on),
        prices_sha256=answer.prices_sha256,
        engine_version=answer.engine_version,
    )


def month_totals(months: Iterable[MonthLine]) -> list[tuple[date, Decimal, Decimal, Decimal]]:
    """Return first day, cost, low and high of each month."""
    totals: dict[date, list[Decimal]] = {}
    for line in months:
        amounts = (line.billed_usd, line.low_usd, line.high_usd)
        before = totals.get(line.starts_on, [Decimal(0)] * 3)
        totals[line.starts_on] = [a + b for a, b in zip(before, amounts, strict=True)]
    return [(day, usd, low, high) for day, (usd, low, high) in totals.items()]


def month_columns(document: BillDocument) -> tuple[str, str, str]:
    """Return the headings of `month_rows`."""
    return "month", document.printed_in.code, "90% range"


def month_rows(document: BillDocument) -> list[tuple[str, ...]]:
    """Return one row per month: month, cost and range in the currency of the document."""
    found: list[tuple[str, ...]] = []
    for day, *amounts in month_totals(document.months):
        usd, low, high = (amount_text(amount, document.printed_in) for amount in amounts)
        is_exact = amounts[1] == amounts[2]
        found.append((f"{day:%Y-%m}", usd, "exact" if is_exact else f"{low} to {high}"))
    return found


def document_note(document: BillDocument) -> str:
    """Return what the amounts of a document are in, and what is noted about tax."""
    note = f"{document.printed_in.note}, without tax. Low and high: the 90% range of the option, "
    return " ".join([note + "in proportion.", *document.tax])
