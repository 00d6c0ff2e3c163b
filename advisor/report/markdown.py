"""An answer as Markdown, and the table rows that CLI, Markdown and page share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine, OptionBill
from advisor.prices.display_names import at_provider, machine_text, model_name, option_name
from advisor.prices.series import Caveat
from advisor.report.sentences import (
    approach_name,
    option_of,
    sensitivity_sentences,
    verdict_sentences,
)
from advisor.units import US_DOLLARS, Currency, Money, amount_text, money_text, small_money_text

TRACE_COLUMNS = ("rule", "result", "values read")
COLUMNS = ("option", "model", "one-off", "per month", "90% range", "quality", "launch")


def best_per_approach(answer: Answer) -> tuple[OptionBill, ...]:
    """Return the best option of each approach and the current solution, best first."""
    best: dict[str, OptionBill] = {}
    for option in answer.options:
        key = option.id if option.id == "current" else option.approach
        best.setdefault(key, option)
    recommended = [o for o in best.values() if o.id == answer.decision.recommended]
    return (*recommended, *(o for o in best.values() if o not in recommended))


def table_note(answer: Answer) -> str:
    """Return what the amounts of the table are in, and what they contain."""
    currency = answer.currency.note
    note = f"{currency}. Per month includes one-off costs, spread over the months of use."
    return " ".join([note, *tax_lines(answer, option_of(answer, answer.decision.recommended))])


def tax_lines(answer: Answer, option: OptionBill | None = None) -> list[str]:
    """Return the note about tax, and the tax on an option if a rate is given.

    Compared costs are without tax.
    """
    tax = answer.tax
    if tax is None:
        return []
    lines = [tax.says if tax.says.endswith(".") else f"{tax.says}."]
    if tax.rate_share is not None and option is not None:
        once, monthly = (
            money_text(float(amount.likely) * float(tax.rate_share), answer.currency)
            for amount in (option.one_off, option.monthly)
        )
        rate = f"{float(tax.rate_share) * 100:g}%"
        lines.append(f"Tax of {rate}, not in the amounts: {once} one-off, {monthly} per month.")
    return lines


def table_rows(
    options: Iterable[OptionBill], currency: Currency = US_DOLLARS
) -> list[tuple[str, ...]]:
    """Return one row per option, with the columns `COLUMNS`."""
    return [
        (
            approach_name(option),
            f"{model_name(option.model)}{machine_text(option.id)} {at_provider(option.provider)}",
            amount_text(option.one_off.likely, currency),
            amount_text(option.per_month.likely, currency),
            _range(option.per_month, currency),
            f"{float(option.quality.likely):.0%}"
            f"{'' if option.quality.reaches_target else ' (too low)'}",
            option.launch.replace("_", " "),
        )
        for option in options
    ]


def answer_sections(answer: Answer, with_sensitivity: bool = False) -> dict[str, list[str]]:
    """Return the lists below the table of options, by heading; empty ones are left out."""
    decision = answer.decision
    shows_changes = with_sensitivity or decision.flips
    sections = {
        "Reasons": [reason.says for reason in decision.reasons],
        "Nearest changes": sensitivity_sentences(answer) if shows_changes else [],
        "Next steps": list(decision.measure_next),
        "Assumptions": [f"{a.path} = {a.value}: {a.says}" for a in answer.assumptions],
        "Caveats": [caveat.says for caveat in answer_caveats(answer)],
    }
    return {heading: lines for heading, lines in sections.items() if lines}


def answer_caveats(answer: Answer) -> tuple[Caveat, ...]:
    """Return the caveats of an answer and of its recommended option."""
    recommended = option_of(answer, answer.decision.recommended)
    return (*answer.caveats, *(recommended.caveats if recommended else ()))


def answer_markdown(
    answer: Answer, explanation: Sequence[str] = (), with_sensitivity: bool = False
) -> str:
    """Return an answer as Markdown."""
    verdict, *more = verdict_sentences(answer)
    parts = [f"# {answer.question.name}", f"**{verdict}**", " ".join(explanation), *more]
    rows = table_rows(best_per_approach(answer), answer.currency)
    parts += [markdown_table(COLUMNS, rows), table_note(answer)]
    sections = answer_sections(answer, with_sensitivity) | {"Ruled out": ruled_out_lines(answer)}
    for heading, lines in sections.items():
        parts += [f"## {heading}", _list(lines)]
    parts.append(footer(answer))
    return "\n\n".join(part for part in parts if part) + "\n"


def ruled_out_lines(answer: Answer) -> list[str]:
    """Return what is ruled out, one line per rule and message."""
    by_reason: dict[str, list[str]] = {}
    for option in answer.ruled_out:
        reason = f"{option.says} [{option.rule}; {option.source}]"
        by_reason.setdefault(reason, []).append(option.id)
    lines = []
    for reason, ids in by_reason.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        lines.append(f"{option_name(ids[0])}{more}: {reason}")
    return lines


def footer(answer: Answer) -> str:
    """Return the date, price book and engine behind the figures."""
    return (
        f"{prices_text(answer)}, price book {answer.prices_sha256[:12]}, "
        f"question {answer.question_sha256[:12]}, engine {answer.engine_version}. "
        f"{answer.currency.note}, without tax; a month is 730 hours."
    )


def prices_text(answer: Answer) -> str:
    """Return the date of the prices, and when those of the recommended option were last read.

    Prices that were read long before the date are never called prices of that date.
    """
    day = answer.question.asked_on
    chosen = option_of(answer, answer.decision.recommended)
    days = [line.read_on for line in (chosen.bill if chosen else ()) if line.read_on]
    if not days:
        return f"Prices for {day}"
    read = f"{min(days)}" if min(days) == max(days) else f"{min(days)} to {max(days)}"
    return f"Prices for {day}, as last read on {read}"


def quantity_text(quantity: float) -> str:
    """Write a quantity for people: whole from 100 on, else three significant digits.

    >>> quantity_text(4380.2), quantity_text(0.13149), quantity_text(2.0)
    ('4,380', '0.131', '2')
    """
    return f"{quantity:,.0f}" if abs(quantity) >= 100 else f"{quantity:.3g}"


def bill_summary(option: OptionBill, currency: Currency = US_DOLLARS) -> str:
    """Return the totals of a bill in one line."""
    once, monthly, total = (
        money_text(amount.likely, currency)
        for amount in (option.one_off, option.monthly, option.total)
    )
    return (
        f"{once} one-off, {monthly} per month ({_range(option.monthly, currency)}), "
        f"{total} over {option.months} months{_per_correct_text(option, currency)}"
    )


def _per_correct_text(option: OptionBill, currency: Currency) -> str:
    if option.cost_per_correct is None:
        return ""
    usd = 1000 * float(option.cost_per_correct.likely)
    return f", {small_money_text(usd, currency)} per 1,000 correct answers"


def line_name(line: BillLine) -> str:
    """Return the name of a line with the machines it pays for."""
    return f"{line.item} ({line.machines})" if line.machines else line.item


def contract_lines(option: OptionBill, currency: Currency = US_DOLLARS) -> list[str]:
    """Return what an option costs at list and contracted prices, and the terms behind it."""
    lines = []
    for name, cost in (
        ("At list prices", option.list_cost),
        ("At contracted prices, before free tiers and commitments", option.contracted_cost),
    ):
        if cost:
            once, monthly, total = (
                money_text(amount, currency) for amount in (cost.one_off, cost.monthly, cost.total)
            )
            lines.append(f"{name}: {once} one-off, {monthly} per month, {total} in total.")
    return lines + [f"Contract: {says}." for says in option.contract]


def bill_notes(option: OptionBill, currency: Currency = US_DOLLARS) -> list[str]:
    """Return the currency, if it is not USD, and what a contract makes of list prices."""
    rate = [] if currency == US_DOLLARS else [f"Amounts in {currency.note}; prices in USD."]
    return rate + contract_lines(option, currency)


def bill_markdown(
    option: OptionBill, currency: Currency = US_DOLLARS, notes: Sequence[str] = ()
) -> str:
    """Return the bill of one option, line by line, with notes below the totals."""
    head = ("item", "cadence", "quantity", "price", currency.code, "since", "source")
    rows = [
        (
            line_name(line),
            line.cadence,
            f"{float(line.quantity):,.6g} {line.unit}",
            f"{line.price} {line.price_unit}",
            amount_text(line.amount, currency, 4),
            str(line.since or ""),
            f"{line.source}, read {line.read_on}" if line.read_on else line.source,
        )
        for line in option.bill
    ]
    title = f"## {option.id}\n\n{bill_summary(option, currency)}."
    notes = (*bill_notes(option, currency), *notes)
    caveats = _list([*notes, *(caveat.says for caveat in option.caveats)])
    parts = (title, markdown_table(head, rows) if rows else "", caveats)
    return "\n\n".join(part for part in parts if part)


def trace_markdown(sections: Iterable[tuple[str, Sequence[tuple[str, ...]]]]) -> str:
    """Return every rule that was tried, in sections of a title and rows."""
    parts = ["", "## Rules tried"]
    for title, rows in sections:
        escaped = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
        parts += [f"### {title}", markdown_table(TRACE_COLUMNS, escaped)]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _range(money: Money, currency: Currency = US_DOLLARS) -> str:
    if money.low == money.high:
        return "exact"
    return f"{amount_text(money.low, currency)} to {amount_text(money.high, currency)}"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def line_usd_per_month(line: BillLine, option: OptionBill) -> float:
    """Return the cost of a bill line per month; one-off costs are spread over the months."""
    months = float(option.months) if line.cadence == "once" else 1.0
    return float(line.amount) / months


def cumulative_usd(option: OptionBill, months: float) -> tuple[float, float, float]:
    """Return the cost of an option after some months: low, likely, high.

    cost = one-off + sum of the months, each at its prices and traffic; the range in proportion
    """
    known = usd_by_month(option)
    shares = [min(max(months - month, 0.0), 1.0) for month in range(len(known))]
    likely = sum(usd * share for usd, share in zip(known, shares, strict=True))
    mean = float(option.monthly.likely)
    low, high = (
        likely * float(end) / mean if mean else months * float(end)
        for end in (option.monthly.low, option.monthly.high)
    )
    once = option.one_off
    return float(once.low) + low, float(once.likely) + likely, float(once.high) + high


def usd_by_month(option: OptionBill) -> list[float]:
    """Return the most likely USD of each month of use, the last one for a whole month."""
    months = float(option.months)
    found = [0.0] * max(math.ceil(months - 1e-9), 1)
    for line in option.bill:
        if line.cadence == "once":
            continue
        usd_per_unit = float(line.amount) / float(line.quantity)
        for month in range(len(found)):
            if not line.by_month:
                found[month] += float(line.amount)
            else:
                share = min(months - month, 1.0)
                found[month] += float(line.by_month[month]) * usd_per_unit / share
    return found
