"""Answer -> Markdown, and the rows of the one table that text, Markdown and page show.

An answer -> the figures that pictures and reports show beside its own: saved, spread, spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine, OptionBill
from advisor.units import Money

TRACE_COLUMNS = ("rule", "result", "what it read")
COLUMNS = ("way", "model", "once", "a month", "range a month", "quality", "start")


def best_per_approach(answer: Answer) -> tuple[OptionBill, ...]:
    """Keep the best option of each approach, and what is done today; best first."""
    seen: dict[str, OptionBill] = {}
    for option in answer.options:
        key = option.id if option.id == "current" else option.approach
        seen.setdefault(key, option)
    recommended = [o for o in seen.values() if o.id == answer.decision.recommended]
    return (*recommended, *(o for o in seen.values() if o not in recommended))


def table_rows(options: Iterable[OptionBill]) -> list[tuple[str, ...]]:
    """Write one row per option: the columns are `COLUMNS`."""
    return [
        (
            "today" if option.id == "current" else option.approach.replace("_", " "),
            model_name(option),
            usd_text(option.one_off.likely),
            usd_text(option.per_month.likely),
            range_text(option.per_month),
            quality_text(option),
            option.launch.replace("_", " "),
        )
        for option in options
    ]


def model_name(option: OptionBill) -> str:
    """Write a model with where it runs.

    Names of makers are left out: the id, which `advisor estimate` shows, has them.
    """
    gpu = f", {option.gpu}" if option.gpu else ""
    return f"{option.model.rsplit('/', 1)[-1]}{gpu} at {option.provider}"


def usd_text(amount: str) -> str:
    """Write an amount with separators.

    >>> usd_text("1234.50")
    '1,234.50'
    """
    return f"{float(amount):,.2f}"


def range_text(money: Money) -> str:
    """Write a range."""
    if money.low == money.high:
        return "exact"
    return f"{usd_text(money.low)} to {usd_text(money.high)}"


def quality_text(option: OptionBill) -> str:
    """Write the expected quality; a mark tells what does not reach the target."""
    mark = "" if option.quality.reaches_target else " (too low)"
    return f"{float(option.quality.likely):.0%}{mark}"


def verdict_lines(answer: Answer) -> list[str]:
    """Say the verdict, how sure it is, and the runner-up."""
    decision = answer.decision
    lines = [decision.verdict]
    lines.append(f"It wins in {float(decision.win_share):.0%} of the draws of what is uncertain.")
    if decision.runner_up:
        lines.append(f"Runner-up: {decision.runner_up}.")
    if decision.break_even:
        lines.append(break_even_line(answer))
    return lines


def break_even_line(answer: Answer) -> str:
    """Say from how much use on training is no dearer."""
    found = answer.decision.break_even
    if found is None:
        return ""
    pair = f"{found.option} against {found.against}"
    if found.requests is None:
        return f"Break-even: {pair} never pays, however many requests."
    slow = found.months and float(found.months) >= 0.1
    months = f", {found.months} months at this traffic" if slow else ""
    return (
        f"Break-even: {pair} pays from {found.requests:,} requests in all "
        f"({found.requests_per_month:,} a month{months})."
    )


def sensitivity_lines(answer: Answer) -> list[str]:
    """Say what would change the answer."""
    if not answer.decision.flips:
        return ["Nothing within 100 times flips it, and no switch does."]
    return [
        f"--set {flip.path}={flip.after} (now {flip.before}): {flip.becomes}"
        for flip in answer.decision.flips
    ]


def answer_markdown(answer: Answer, told: Sequence[str] = ()) -> str:
    """Write the whole answer as Markdown that can be read aloud.

    Args:
        answer: What was answered.
        told: The decision in sentences, to stand first.
    """
    verdict, *more = verdict_lines(answer)
    parts = [f"# {answer.question.name}", f"**{verdict}**", " ".join(told), *more]
    parts.append(_table(COLUMNS, table_rows(best_per_approach(answer))))
    parts += ["## Why", _list(reason.says for reason in answer.decision.reasons)]
    parts += ["## What would flip it", _list(sensitivity_lines(answer))]
    parts += ["## Measure next", _list(answer.decision.measure_next)]
    parts += ["## Assumed", _list(f"{a.path} = {a.value}: {a.says}" for a in answer.assumptions)]
    parts += ["## Ruled out", _list(ruled_out_lines(answer))]
    parts.append(footer(answer))
    return "\n\n".join(part for part in parts if part) + "\n"


def ruled_out_lines(answer: Answer) -> list[str]:
    """Say what is ruled out, one line for each rule and sentence."""
    grouped: dict[str, list[str]] = {}
    for one in answer.ruled_out:
        grouped.setdefault(f"{one.says} [{one.rule}; {one.source}]", []).append(one.id)
    lines = []
    for says, ids in grouped.items():
        names = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
        lines.append(f"{names}: {says}")
    return lines


def footer(answer: Answer) -> str:
    """Say which day, prices and engine the figures come from."""
    return (
        f"Prices of {answer.question.asked_on}, price book {answer.prices_sha256[:12]}, "
        f"question {answer.question_sha256[:12]}, engine {answer.engine_version}. US dollars, "
        "without tax; a month is 730 hours."
    )


def bill_markdown(option: OptionBill) -> str:
    """Write the bill of one option, line by line."""
    head = ("what", "when", "quantity", "price", "USD", "since", "source")
    rows = [
        (
            line.item,
            line.cadence,
            f"{float(line.quantity):,.6g} {line.unit}",
            f"{line.price} {line.price_unit}",
            f"{float(line.amount):,.4f}",
            str(line.since or ""),
            f"{line.source}, read {line.read_on}" if line.read_on else line.source,
        )
        for line in option.bill
    ]
    title = (
        f"## {option.id}\n\n{usd_text(option.one_off.likely)} USD once, "
        f"{usd_text(option.monthly.likely)} a month ({range_text(option.monthly)}), "
        f"{usd_text(option.total.likely)} over {option.months} months."
    )
    notes = _list(caveat.says for caveat in option.caveats)
    return "\n\n".join(part for part in (title, _table(head, rows) if rows else "", notes) if part)


def trace_markdown(parts: Iterable[tuple[str, Sequence[tuple[str, ...]]]]) -> str:
    """Write every rule that was tried as sections of Markdown: a title, and its rows."""
    written = ["", "## Every rule that was tried"]
    for title, rows in parts:
        safe = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
        written += [f"### {title}", _table(TRACE_COLUMNS, safe)]
    return "\n\n".join(written) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


Range = tuple[float, float, float]


def saving_usd_per_month(answer: Answer) -> float | None:
    """Return what the recommended option saves a month against today; None without a today.

    saving = today's USD a month - the recommended option's, each with what is paid once spread
    """
    options = {option.id: option for option in answer.options}
    today, chosen = options.get("current"), options.get(answer.decision.recommended)
    if today is None or chosen is None or chosen.id == today.id:
        return None
    return float(today.per_month.likely) - float(chosen.per_month.likely)


def line_usd_per_month(line: BillLine, option: OptionBill) -> float:
    """Return what a line of a bill costs a month; what is paid once is spread over the months."""
    months = float(option.months) if line.cadence == "once" else 1.0
    return float(line.amount) / months


def cumulative_usd(option: OptionBill, months: float) -> Range:
    """Return what an option has cost after some months: low, likely, high.

    spent = once + months x a month
    """
    low, likely, high = (
        float(getattr(option.one_off, end)) + months * float(getattr(option.monthly, end))
        for end in ("low", "likely", "high")
    )
    return low, likely, high
