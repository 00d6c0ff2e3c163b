"""`advisor ask`: the interview at a terminal, from piped lines, or from a file of answers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Any

import typer
import yaml

from advisor.cli.flags import PricesFlag
from advisor.cli.recommend import AnswerFlags, show_answer
from advisor.console import console, reading_bar, today
from advisor.errors import UsageError
from advisor.interview.next_question import Interview
from advisor.interview.questions import (
    DONT_KNOW,
    TYPED_KINDS,
    AnswerValue,
    Questionnaire,
    check_answer,
    check_answers,
)
from advisor.interview.texts import InterviewTexts
from advisor.interview.view import InterviewState, PartView, QuestionView, interview_state
from advisor.loading import (
    load_questionnaire,
    load_sentences,
    load_texts,
    make_question,
    read_mapping,
    read_texts,
)
from advisor.prices.loader import load_prices
from advisor.scenario.scenario import scenario_from

BACK, WHY, NOTHING = "back", "?", "0"
METADATA_KEYS = ("name", "note")
"""Keys of an answers file that are not codes; a note is stored but never interpreted."""


class GoBack(Exception):
    """The user wants to answer the previous question again."""


class EndOfInput(Exception):
    """Standard input has ended."""


@dataclass(frozen=True)
class AskFlags:
    """Settings of `advisor ask`."""

    dataset: Annotated[
        Path | None, typer.Argument(help="File of examples.", show_default=False)
    ] = None
    answers: Annotated[
        Path | None, typer.Option(help="YAML file of answers by code; other questions are asked.")
    ] = None
    language: Annotated[str, typer.Option(help="en, de, or a file of texts.")] = "en"
    out: Annotated[Path | None, typer.Option(help="File for the scenario.")] = None
    note: Annotated[
        str | None, typer.Option(help="Note stored in the scenario; never interpreted.")
    ] = None
    prices: PricesFlag = None


@dataclass
class InterviewSession:
    """One interview at a terminal."""

    interview: Interview
    texts: InterviewTexts
    answers: dict[str, AnswerValue]
    turns: list[tuple[str, ...]] = field(default_factory=list)
    """Parts answered in this session by question; `back` removes the last ones."""
    shown_contradictions: set[str] = field(default_factory=set)


def ask(flags: AskFlags) -> None:
    """Ask until no answer can change the verdict, then print answer and scenario."""
    if flags.out and flags.out.exists():
        raise UsageError(f"--out {flags.out}", "file exists.", "Use another name.")
    is_file = Path(flags.language).suffix in (".yaml", ".yml")
    texts = read_texts(Path(flags.language)) if is_file else load_texts(flags.language)
    given = read_mapping(flags.answers) if flags.answers else {}
    sheet = load_questionnaire()
    answers = check_answers(
        sheet, {key: value for key, value in given.items() if key not in METADATA_KEYS}
    )
    with reading_bar(flags.dataset.name if flags.dataset else "questions") as progress:
        question = make_question(
            _base_scenario(flags, given),
            "advisor ask",
            dataset=flags.dataset,
            book=load_prices(overlay=flags.prices),
            today=today(),
            progress=progress,
        )
    end = run_session(InterviewSession(Interview(sheet, question), texts, answers))
    scenario = scenario_from(end.scenario, "advisor ask")
    console().print()
    explain = texts.tag if texts.tag in load_sentences() else None
    show_answer(replace(question, scenario=scenario), "text", AnswerFlags(explain=explain))
    console().print(f"\n[bold]{end.says}[/bold]", soft_wrap=True)
    _write_scenario(end.scenario, flags.out)


def _base_scenario(flags: AskFlags, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scenario to start from: name, note, and the dataset relative to the output."""
    base: dict[str, Any] = {
        key: str(given[key]) for key in METADATA_KEYS if given.get(key) is not None
    }
    if flags.note is not None:
        base["note"] = flags.note
    if flags.dataset:
        folder = flags.out.parent if flags.out else Path()
        base["dataset"] = {"path": os.path.relpath(flags.dataset, folder)}
    return base


def run_session(session: InterviewSession) -> InterviewState:
    """Ask one question after the other; return the state at the end."""
    while True:
        state = interview_state(session.interview, session.answers, session.texts)
        _show_state(session, state)
        if state.next is None:
            return state
        try:
            _ask_question(session, state.next)
        except GoBack:
            for code in session.turns.pop() if session.turns else ():
                del session.answers[code]
        except EndOfInput:
            console().print(session.texts.at("words.input_ended"), soft_wrap=True)
            return state


def _show_state(session: InterviewSession, state: InterviewState) -> None:
    """Print the verdict so far, new contradictions, and the next question."""
    out, texts = console(), session.texts
    for item in state.contradictions:
        if item.code not in session.shown_contradictions:
            message = texts.says("words.contradiction", says=item.says)
            out.print(f"\n{message}", markup=False, soft_wrap=True, style="yellow")
    session.shown_contradictions = {item.code for item in state.contradictions}
    if state.next is None:
        return
    question = state.next
    count = texts.says("words.count", count=question.count, most=question.most)
    out.print(f"\n{state.says}", markup=False, soft_wrap=True, style="green")
    out.print(question.because, markup=False, soft_wrap=True, style="dim")
    out.print(f"\n[bold]{count} {question.asks}[/bold]", soft_wrap=True)
    out.print(question.finding_out_says, markup=False, soft_wrap=True, style="dim")


def _ask_question(session: InterviewSession, question: QuestionView) -> None:
    """Ask every relevant part of a question."""
    sheet, given = session.interview.sheet, dict[str, AnswerValue]()
    for part in question.parts:
        if not sheet.parts[part.code].is_irrelevant({**session.answers, **given}):
            try:
                given[part.code] = read_answer(sheet, question, part, session.texts)
            except GoBack:
                if not given:
                    raise
                return  # ask this question again from its first part
    session.answers |= given
    session.turns.append(tuple(given))


def read_answer(
    sheet: Questionnaire, question: QuestionView, part: PartView, texts: InterviewTexts
) -> AnswerValue:
    """Ask one part until a line is a valid answer.

    Raises:
        GoBack: the user wants the previous question.
        EndOfInput: standard input has ended.
    """
    out = console()
    out.print(f"\n{part.asks}", markup=False, soft_wrap=True)
    for label, choice in zip(choice_labels(part), part.choices, strict=False):
        out.print(f"  {label}) {choice.says} [{choice.code}]", markup=False, soft_wrap=True)
    out.print(f"  {_hints(part, texts)}", markup=False, soft_wrap=True, style="dim")
    while True:
        line = _read_line()
        if line.lower() in (BACK, texts.at("words.back").lower()):
            raise GoBack
        if line == WHY:
            for text in (question.why, question.because, question.finding_out_says):
                out.print(f"  {text}", markup=False, soft_wrap=True)
            continue
        try:
            answer = parse_line(sheet, part, line)
        except UsageError as error:
            out.print(f"  {error.found} {error.remedy}", markup=False, soft_wrap=True)
            continue
        if isinstance(answer, float):
            out.print(f"  = {answer:,.10g} {part.unit}", markup=False, soft_wrap=True)
        return answer


def choice_labels(part: PartView) -> tuple[str, ...]:
    """Return labels of the choices: letters if numbers are answers, else numbers.

    >>> from advisor.interview.view import ChoiceView
    >>> choices = tuple(ChoiceView(code=code, says=code) for code in ("x", "y", "dont_know"))
    >>> part = PartView(code="c", kind="share", asks="", unit="", low=0, high=1, several=False,
    ...                 unless={}, choices=choices)
    >>> choice_labels(part)
    ('a', 'b')
    """
    count = len(part.choices) - 1  # "do not know" has no label
    if part.kind in TYPED_KINDS:
        return tuple(ascii_lowercase[:count])
    return tuple(str(number) for number in range(1, count + 1))


def parse_line(sheet: Questionnaire, part: PartView, line: str) -> AnswerValue:
    """Parse a line as a label, a code or a number; an empty line means "do not know".

    Raises:
        UsageError: it is none of these.
    """
    if not line:
        return DONT_KNOW
    codes = dict(zip(choice_labels(part), (choice.code for choice in part.choices), strict=False))
    definition = sheet.parts[part.code]
    if not part.several:
        return check_answer(definition, codes.get(line.lower(), line))
    if line == NOTHING:
        return ()
    if line == DONT_KNOW:
        return DONT_KNOW
    words = [word for word in re.split(r"[,;\s]+", line) if word]
    return check_answer(definition, [codes.get(word, word) for word in words])


def _hints(part: PartView, texts: InterviewTexts) -> str:
    hints = [f"Enter = {texts.at('words.dont_know')}"]
    if part.unit is not None:
        hints.insert(0, texts.says("words.or_number", unit=part.unit))
    if part.several:
        hints.insert(0, f"{texts.at('words.several')}; {NOTHING} = {texts.at('words.nothing')}")
    return "; ".join((*hints, f"? = {texts.at('words.why')}", f"{BACK} = {texts.at('words.back')}"))


def _read_line() -> str:
    """Read a line; piped input is echoed, so that the output is a readable transcript."""
    sys.stdout.write("> ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stdout.write("\n")
        raise EndOfInput
    if not sys.stdin.isatty():
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n")
    return line.strip()


def _write_scenario(scenario: Mapping[str, Any], out: Path | None) -> None:
    """Write the scenario to its file, or print it."""
    text = yaml.safe_dump(dict(scenario), sort_keys=False, allow_unicode=True)
    if out is None:
        console().print("\nscenario.yaml:", markup=False)
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    console().print(f"{out}", markup=False, soft_wrap=True)
