"""A scenario and flags -> a question, and its answer as text, Markdown or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from advisor.cli.flags import DatasetFlag, Format, FormatFlag, PricesFlag, SetFlag
from advisor.console import console, plain_table, reading_bar, today, write_bytes
from advisor.decision.answer import Answer, Question, canonical_json
from advisor.decision.answer import recommend as answer_question
from advisor.decision.bill import OptionBill
from advisor.decision.trace import AnswerWithExtras, Trace, trace, trace_rows
from advisor.errors import UsageError
from advisor.loading import (
    apply_set_flags,
    example_question,
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


@dataclass(frozen=True)
class ScenarioFlags:
    """Flags that make up a question."""

    scenario: Annotated[
        Path | None, typer.Argument(help="Scenario as YAML or JSON.", show_default=False)
    ] = None
    dataset: DatasetFlag = None
    set_: SetFlag = field(default_factory=list)
    prices: PricesFlag = None

    def question(self) -> Question:
        """Read the files and return the question.

        Raises:
            AdvisorError: a file or a flag is invalid.
        """
        if self.scenario is None and self.dataset is None and not self.set_:
            raise UsageError(
                "advisor recommend",
                "nothing was asked.",
                "Give a scenario file, --dataset FILE or --set KEY=VALUE, or try 'advisor demo'.",
            )
        mapping = apply_set_flags(read_mapping(self.scenario) if self.scenario else {}, self.set_)
        with reading_bar((self.dataset or self.scenario or Path("scenario")).name) as progress:
            return make_question(
                mapping,
                str(self.scenario or "--set"),
                dataset=self.dataset,
                book=load_prices(overlay=self.prices),
                today=today(),
                progress=progress,
            )


@dataclass(frozen=True)
class QuestionFlags(ScenarioFlags):
    """Flags that make up a question with a team's rules."""

    rules: Annotated[Path | None, typer.Option("--rules", help="Your team's rules.")] = None

    def question(self) -> Question:
        """Read the files and return the question."""
        question = super().question()
        return replace(question, rules=read_team_rules(self.rules)) if self.rules else question


@dataclass(frozen=True)
class AnswerFlags:
    """Additions to an answer."""

    trace: Annotated[bool, typer.Option("--trace", help="Show every rule tried.")] = False
    explain: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="Explain the decision in sentences: en or de."),
    ] = None


def recommend(
    question: QuestionFlags, more: AnswerFlags, format_: FormatFlag = Format.text
) -> None:
    """Answer a question and print the answer."""
    show_answer(question.question(), format_, more)


def demo(
    name: Annotated[str, typer.Argument(help="Name of a bundled example.")] = "email-triage",
    format_: FormatFlag = Format.text,
) -> None:
    """Answer a bundled example."""
    show_answer(example_question(name), format_)


def show_answer(question: Question, format_: str, more: AnswerFlags | None = None) -> None:
    """Answer a question and write it, with what is wanted beside it.

    Raises:
        UsageError: nobody wrote the sentences of the language that is wanted.
    """
    more = more or AnswerFlags()
    words = sentences_for(more.explain) if more.explain else None
    found = answer_question(question)
    text = decision_sentences(found, words) if words else None
    tried = trace(question, found) if more.trace else None
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


def estimate(
    question: QuestionFlags,
    option: Annotated[str | None, typer.Option(help="Only options whose id contains this.")] = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Print the bill of every option.

    Raises:
        UsageError: no option id matches.
    """
    answer = answer_question(question.question())
    bills = [bill for bill in answer.options if (option or "") in bill.id]
    if not bills:
        ids = ", ".join(sorted({bill.approach for bill in answer.options}))
        raise UsageError(
            f"--option {option}",
            "no option that is allowed has this in its id.",
            f"Approaches there: {ids}.",
        )
    out = console()
    if format_ == "json":
        records = [bill.model_dump(mode="json") for bill in bills]
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
    elif format_ == "markdown":
        for bill in bills:
            out.print(bill_markdown(bill) + "\n", markup=False, soft_wrap=True)
    else:
        for bill in bills:
            _print_bill(out, bill)
        if option is None:
            _section(out, "Ruled out", ruled_out_lines(answer))


def _print_bill(out: Console, bill: OptionBill) -> None:
    out.print(
        f"[bold]{bill.id}[/bold]  {usd_text(bill.one_off.likely)} once, "
        f"{usd_text(bill.monthly.likely)} a month ({range_text(bill.monthly)}), "
        f"{usd_text(bill.total.likely)} over {bill.months} months"
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
        for line in bill.bill
    ]
    head = ("what", "when", "quantity", "price", "USD", "read on")
    out.print(plain_table(head, rows, RIGHT_ALIGNED))
    for caveat in bill.caveats:
        out.print(f"  mind: {caveat.says}", markup=False, style="dim")
    out.print()
