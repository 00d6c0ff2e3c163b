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
from advisor.units import Money, dollars

TRACE_COLUMNS = ("rule", "result", "values read")
COLUMNS = ("option", "model", "one-off", "per month", "90% range", "quality", "launch")
TABLE_NOTE = "US dollars. Per month includes one-off costs, spread over the months of use."


def best_per_approach(answer: Answer) -> tuple[OptionBill, ...]:
    """Return the best option of each approach and the current solution, best first."""
    best: dict[str, OptionBill] = {}
    for option in answer.options:
        key = option.id if option.id == "current" else option.approach
        best.setdefault(key, option)
    recommended = [o for o in best.values() if o.id == answer.decision.recommended]
    return (*recommended, *(o for o in best.values() if o not in recommended))


def table_rows(options: Iterable[OptionBill]) -> list[tuple[str, ...]]:
    """Return one row per option, with the columns `COLUMNS`."""
    return [
        (
            approach_name(option),
            f"{model_name(option.model)}{machine_text(option.id)} {at_provider(option.provider)}",
            f"{float(option.one_off.likely):,.2f}",
            f"{float(option.per_month.likely):,.2f}",
            _range(option.per_month),
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
    parts += [markdown_table(COLUMNS, table_rows(best_per_approach(answer))), TABLE_NOTE]
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
        f"question {answer.question_sha256[:12]}, engine {answer.engine_version}. US dollars, "
        "without tax; a month is 730 hours."
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


def bill_summary(option: OptionBill) -> str:
    """Return the totals of a bill in one line."""
    return (
        f"{dollars(option.one_off.likely)} one-off, {dollars(option.monthly.likely)} per month "
        f"({_range(option.monthly)}), {dollars(option.total.likely)} over {option.months} months"
        f"{_per_correct_text(option)}"
    )


def _per_correct_text(option: OptionBill) -> str:
    if option.cost_per_correct is None:
        return ""
    usd = 1000 * float(option.cost_per_correct.likely)
    return f", {dollars(usd) if usd >= 1 else f'${usd:.2g}'} per 1,000 correct answers"


def line_name(line: BillLine) -> str:
    """Return the name of a line with the machines it pays for."""
    return f"{line.item} ({line.machines})" if line.machines else line.item


def bill_markdown(option: OptionBill) -> str:
    """Return the bill of one option, line by line."""
    head = ("item", "cadence", "quantity", "price", "USD", "since", "source")
    rows = [
        (
            line_name(line),
            line.cadence,
            f"{float(line.quantity):,.6g} {line.unit}",
            f"{line.price} {line.price_unit}",
            f"{float(line.amount):,.4f}",
            str(line.since or ""),
            f"{line.source}, read {line.read_on}" if line.read_on else line.source,
        )
        for line in option.bill
    ]
    title = f"## {option.id}\n\n{bill_summary(option)}."
    caveats = _list(caveat.says for caveat in option.caveats)
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


def _range(money: Money) -> str:
    if money.low == money.high:
        return "exact"
    return f"{float(money.low):,.2f} to {float(money.high):,.2f}"


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
