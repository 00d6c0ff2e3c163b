"""`advisor recommend`, `estimate` and `demo`: answers and bills as text, Markdown or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from advisor.cli.calibration import CalibrationFlag, calibrate
from advisor.cli.flags import DatasetFlag, Format, FormatFlag, PricesFlag, SetFlag
from advisor.console import console, plain_table, reading_bar, today, write_bytes
from advisor.decision.answer import Answer, Question, canonical_json, evaluate, summarize
from advisor.decision.bill import OptionBill
from advisor.decision.trace import AnswerWithExtras, trace, trace_rows
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
    answer_sections,
    best_per_approach,
    bill_markdown,
    bill_notes,
    bill_summary,
    footer,
    line_name,
    quantity_text,
    ruled_out_lines,
    table_note,
    table_rows,
    tax_lines,
    trace_markdown,
)
from advisor.report.sentences import decision_sentences, verdict_sentences
from advisor.units import Currency, amount_text

BILL_COLUMNS = ("item", "cadence", "quantity", "price", "USD", "read on")
RIGHT_ALIGNED = {"one-off", "per month", "90% range", "quality", "quantity", "USD"}


@dataclass(frozen=True)
class ScenarioFlags:
    """Flags that make up a question."""

    scenario: Annotated[
        Path | None, typer.Argument(help="Scenario as YAML or JSON.", show_default=False)
    ] = None
    dataset: DatasetFlag = None
    set_: SetFlag = field(default_factory=list)
    prices: PricesFlag = None
    calibration: CalibrationFlag = None

    def question(self, with_calibration: bool = True) -> Question:
        """Read the files and return the question, with inputs corrected by calibration.yaml."""
        question = self._read()
        if not with_calibration:
            return question
        return calibrate(question, self.calibration, self.scenario)

    def _read(self) -> Question:
        if self.scenario is None and self.dataset is None and not self.set_:
            raise UsageError(
                "advisor recommend",
                "no question.",
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

    def _read(self) -> Question:
        question = super()._read()
        return replace(question, rules=read_team_rules(self.rules)) if self.rules else question


SensitivityFlag = Annotated[
    bool,
    typer.Option(
        "--sensitivity", help="Add the nearest changes that would change the recommendation."
    ),
]


@dataclass(frozen=True)
class AnswerFlags:
    """Additions to an answer."""

    trace: Annotated[bool, typer.Option("--trace", help="Show every rule tried.")] = False
    explain: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="Explain the decision in sentences: en or de."),
    ] = None
    sensitivity: SensitivityFlag = False


def recommend(
    question: QuestionFlags, flags: AnswerFlags, format_: FormatFlag = Format.text
) -> None:
    """Answer a question and print the answer."""
    show_answer(question.question(), format_, flags)


def demo(
    name: Annotated[str, typer.Argument(help="Name of a bundled example.")] = "email-triage",
    sensitivity: SensitivityFlag = False,
    format_: FormatFlag = Format.text,
) -> None:
    """Answer a bundled example."""
    show_answer(example_question(name), format_, AnswerFlags(sensitivity=sensitivity))


def show_answer(question: Question, format_: str, flags: AnswerFlags | None = None) -> None:
    """Answer a question and print the answer."""
    flags = flags or AnswerFlags()
    texts = sentences_for(flags.explain) if flags.explain else None
    if flags.sensitivity:
        question = replace(question, with_sensitivity=True)
    evaluated = evaluate(question)
    answer = summarize(evaluated)
    explanation = decision_sentences(answer, texts, flags.sensitivity) if texts else ()
    rules_tried = trace(evaluated, answer) if flags.trace else None
    if format_ == "json":
        extras = AnswerWithExtras(answer=answer, trace=rules_tried, text=explanation or None)
        write_bytes(canonical_json(extras if explanation or rules_tried else answer))
    elif format_ == "markdown":
        text = answer_markdown(answer, explanation, flags.sensitivity)
        text += trace_markdown(trace_rows(rules_tried)) if rules_tried else ""
        console().print(text, markup=False, soft_wrap=True, end="")
    else:
        if explanation:
            console().print(" ".join(explanation) + "\n", markup=False)
        _print_answer(answer, flags.sensitivity)
        out = console()
        if rules_tried:
            out.print("\n[bold]Rules tried[/bold]")
        for title, rows in trace_rows(rules_tried) if rules_tried else ():
            out.print(f"\n{title}", markup=False)
            out.print(plain_table(TRACE_COLUMNS, rows, set()))


def _print_answer(answer: Answer, with_sensitivity: bool) -> None:
    out = console()
    verdict, *more = verdict_sentences(answer)
    out.print(f"[bold]{answer.question.name}[/bold]")
    out.print(f"\n[bold green]{verdict}[/bold green]")
    for line in more:
        out.print(line, markup=False)
    out.print()
    rows = table_rows(best_per_approach(answer), answer.currency)
    out.print(plain_table(COLUMNS, rows, RIGHT_ALIGNED))
    out.print(f"\n{table_note(answer)}", markup=False)
    for heading, lines in answer_sections(answer, with_sensitivity).items():
        _print_section(out, heading, lines)
    counts = f"{len(answer.options)} options considered, {len(answer.ruled_out)} ruled out."
    out.print(f"\n{counts} 'advisor estimate' prints every bill.", markup=False)
    out.print(footer(answer), markup=False, style="dim")


def _print_section(out: Console, heading: str, lines: list[str]) -> None:
    out.print(f"\n[bold]{heading}[/bold]")
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
    """Print the bill of every option."""
    answer = summarize(evaluate(question.question()))
    bills = [bill for bill in answer.options if (option or "") in bill.id]
    if not bills:
        approaches = ", ".join(sorted({bill.approach for bill in answer.options}))
        raise UsageError(
            f"--option {option}",
            "no allowed option has this in its id.",
            f"Approaches: {approaches}.",
        )
    out = console()
    if format_ == "json":
        records = [bill.model_dump(mode="json") for bill in bills]
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
    elif format_ == "markdown":
        for bill in bills:
            text = bill_markdown(bill, answer.currency, tax_lines(answer, bill))
            out.print(text + "\n", markup=False, soft_wrap=True)
    else:
        for bill in bills:
            print_bill(out, bill, answer.currency, tax_lines(answer, bill))
        if option is None and answer.ruled_out:
            _print_section(out, "Ruled out", ruled_out_lines(answer))


def print_bill(
    out: Console, bill: OptionBill, currency: Currency, notes: Sequence[str] = ()
) -> None:
    """Print the lines and caveats of a bill, with notes below the lines."""
    out.print(f"[bold]{bill.id}[/bold]  {bill_summary(bill, currency)}")
    rows = [
        (
            f"  {line_name(line)}",
            line.cadence,
            quantity_text(float(line.quantity)),
            f"{line.price} {line.price_unit}",
            amount_text(line.amount, currency),
            str(line.read_on or ""),
        )
        for line in bill.bill
    ]
    head = tuple(currency.code if name == "USD" else name for name in BILL_COLUMNS)
    out.print(plain_table(head, rows, RIGHT_ALIGNED | {currency.code}))
    for note in (*bill_notes(bill, currency), *notes):
        out.print(f"  {note}", markup=False)
    for caveat in bill.caveats:
        out.print(f"  Caveat: {caveat.says}", markup=False, style="dim")
    out.print()
