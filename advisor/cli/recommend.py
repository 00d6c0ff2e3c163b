"""A scenario and flags -> a question, and its answer as text, Markdown or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console

from advisor.console import console, plain_table, reading_bar, today, write_bytes
from advisor.decision.answer import (
    Answer,
    Question,
    canonical_json,
    evaluate,
    recommend,
    summarize,
)
from advisor.decision.trace import AnswerWithExtras, Trace, trace, trace_rows
from advisor.errors import UsageError
from advisor.loading import (
    apply_set_flags,
    make_question,
    read_mapping,
    read_team_rules,
    sentences_for,
)
from advisor.prices.loader import load_prices
from advisor.report.markdown import (
    COLUMNS,
    TRACE_COLUMNS,
    answer_markdown,
    best_per_approach,
    bill_markdown,
    footer,
    range_text,
    ruled_out_lines,
    sensitivity_lines,
    table_rows,
    trace_markdown,
    usd_text,
    verdict_lines,
)
from advisor.report.sentences import decision_sentences

RIGHT_ALIGNED = {"once", "a month", "range a month", "quality", "quantity", "USD"}


class AnswerFlags(NamedTuple):
    """What is wanted beside the answer."""

    trace: bool = False
    """Every rule that was tried."""
    explain: str | None = None
    """Language in which to tell the decision in sentences."""


def question_from_flags(
    scenario: Path | None,
    dataset: Path | None,
    sets: list[str],
    prices: Path | None,
    rules: Path | None = None,
) -> Question:
    """Make the question that flags and files ask.

    Raises:
        AdvisorError: any of them cannot be read or understood.
    """
    if scenario is None and dataset is None and not sets:
        raise UsageError(
            "advisor recommend",
            "nothing was asked.",
            "Give a scenario file, --dataset FILE or --set KEY=VALUE, or try 'advisor demo'.",
        )
    mapping = apply_set_flags(read_mapping(scenario) if scenario else {}, sets)
    where = str(scenario) if scenario else "--set"
    name = (dataset or scenario or Path("scenario")).name
    with reading_bar(name) as progress:
        question = make_question(
            mapping,
            where,
            dataset=dataset,
            book=load_prices(overlay=prices),
            today=today(),
            progress=progress,
        )
    return replace(question, rules=read_team_rules(rules)) if rules else question


def show_answer(question: Question, format_: str, more: AnswerFlags | None = None) -> None:
    """Answer a question and write it, with what is wanted beside it.

    Raises:
        UsageError: nobody wrote the sentences of the language that is wanted.
    """
    more = more or AnswerFlags()
    words = sentences_for(more.explain) if more.explain else None
    evaluated = evaluate(replace(question, with_sensitivity=True))
    found = summarize(evaluated)
    text = decision_sentences(found, words) if words else None
    tried = trace(evaluated, found) if more.trace else None
    if format_ == "json":
        beside = text or tried
        write_bytes(
            canonical_json(
                AnswerWithExtras(answer=found, trace=tried, text=text) if beside else found
            )
        )
    elif format_ == "markdown":
        shown = answer_markdown(found, text or ()) + (
            trace_markdown(trace_rows(tried)) if tried else ""
        )
        console().print(shown, markup=False, soft_wrap=True, end="")
    else:
        _show_sentences(text or ())
        _show_text(found)
        _show_trace(tried)


def _show_sentences(sentences: Sequence[str]) -> None:
    if sentences:
        console().print(" ".join(sentences) + "\n", markup=False)


def _show_trace(found: Trace | None) -> None:
    if found is None:
        return
    out = console()
    out.print("\n[bold]Every rule that was tried[/bold]")
    for title, rows in trace_rows(found):
        out.print(f"\n{title}", markup=False)
        out.print(plain_table(TRACE_COLUMNS, rows, set()))


def _show_text(found: Answer) -> None:
    out = console()
    verdict, *more = verdict_lines(found)
    out.print(f"[bold]{found.question.name}[/bold]")
    out.print(f"\n[bold green]{verdict}[/bold green]")
    for line in more:
        out.print(line, markup=False)
    out.print()
    out.print(plain_table(COLUMNS, table_rows(best_per_approach(found)), RIGHT_ALIGNED))
    out.print("\nUS dollars; a month holds what is paid once, spread over the months of use.")
    _section(out, "Why", [reason.says for reason in found.decision.reasons])
    _section(out, "What would flip it", sensitivity_lines(found))
    _section(out, "Measure next", list(found.decision.measure_next))
    _section(out, "Assumed", [f"{a.path} = {a.value}: {a.says}" for a in found.assumptions])
    recommended = next((o for o in found.options if o.id == found.decision.recommended), None)
    caveats = [*found.caveats, *(recommended.caveats if recommended else ())]
    _section(out, "Mind", [caveat.says for caveat in caveats])
    counted = f"{len(found.options)} options costed, {len(found.ruled_out)} ruled out"
    out.print(f"\n{counted}; 'advisor estimate' writes every bill.", markup=False)
    out.print(footer(found), markup=False, style="dim")


def _section(out: Console, title: str, lines: list[str]) -> None:
    if not lines:
        return
    out.print(f"\n[bold]{title}[/bold]")
    for line in lines:
        out.print(
            textwrap.fill(
                line,
                out.width,
                initial_indent="  - ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            ),
            markup=False,
            soft_wrap=True,
        )


def show_bills(question: Question, wanted: str | None, format_: str) -> None:
    """Answer a question and write the bill of every option, or of those that are wanted.

    Raises:
        UsageError: no option's id holds what is wanted.
    """
    found = recommend(question)
    options = [option for option in found.options if (wanted or "") in option.id]
    if not options:
        ids = ", ".join(sorted({o.approach for o in found.options}))
        raise UsageError(
            f"--option {wanted}",
            "no option that is allowed has this in its id.",
            f"Approaches there: {ids}.",
        )
    if format_ == "json":
        write_bytes(
            orjson.dumps(
                [option.model_dump(mode="json") for option in options], option=orjson.OPT_SORT_KEYS
            )
        )
        return
    out = console()
    if format_ == "markdown":
        for option in options:
            out.print(bill_markdown(option) + "\n", markup=False, soft_wrap=True)
        return
    for option in options:
        out.print(
            f"[bold]{option.id}[/bold]  {usd_text(option.one_off.likely)} once, "
            f"{usd_text(option.monthly.likely)} a month ({range_text(option.monthly)}), "
            f"{usd_text(option.total.likely)} over {option.months} months"
        )
        rows = [
            (
                f"  {line.item}",
                line.cadence,
                f"{float(line.quantity):,.0f}",
                f"{line.price} {line.price_unit}",
                f"{float(line.amount):,.2f}",
                str(line.read_on or ""),
            )
            for line in option.bill
        ]
        out.print(
            plain_table(
                ("what", "when", "quantity", "price", "USD", "read on"), rows, RIGHT_ALIGNED
            )
        )
        for caveat in option.caveats:
            out.print(f"  mind: {caveat.says}", markup=False, style="dim")
        out.print()
    if wanted is None:
        _section(out, "Ruled out", ruled_out_lines(found))
