"""Answers typed in, read from lines or from a file -> an interview, and where it leads.

One part of a question and what is typed -> its answer, or the wish to go back.
"""

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


class GoBack(Exception):
    """What was asked before is to be asked again."""


class EndOfInput(Exception):
    """Input has ended."""


def read_answer(
    sheet: Questionnaire, question: QuestionView, part: PartView, texts: InterviewTexts
) -> AnswerValue:
    """Ask one part until what is typed can be used.

    Raises:
        Back: the question before is to be asked again.
        NoMoreLines: input has ended.
    """
    out = console()
    out.print(f"\n{part.asks}", markup=False, soft_wrap=True)
    for label, choice in zip(choice_labels(part), part.choices, strict=False):
        out.print(f"  {label}) {choice.says} [{choice.code}]", markup=False, soft_wrap=True)
    out.print(f"  {_hints(part, texts)}", markup=False, soft_wrap=True, style="dim")
    while True:
        line = _line()
        if line.lower() in (BACK, texts.at("words.back").lower()):
            raise GoBack
        if line == WHY:
            for says in (question.why, question.because, question.finding_out_says):
                out.print(f"  {says}", markup=False, soft_wrap=True)
            continue
        try:
            given = parse_line(sheet, part, line)
        except UsageError as error:
            out.print(f"  {error.found} {error.remedy}", markup=False, soft_wrap=True)
            continue
        if isinstance(given, float):
            out.print(f"  = {given:,.10g} {part.unit}", markup=False, soft_wrap=True)
        return given


def choice_labels(part: PartView) -> tuple[str, ...]:
    """Name the choices: letters where a number can be typed, else numbers; "do not know" has none.

    >>> from advisor.interview.view import ChoiceView
    >>> two = tuple(ChoiceView(code=code, says=code) for code in ("x", "y", "dont_know"))
    >>> part = PartView(code="c", kind="share", asks="", unit="", low=0, high=1, several=False,
    ...                 unless={}, choices=two)
    >>> choice_labels(part)
    ('a', 'b')
    """
    count = len(part.choices) - 1
    if part.kind in TYPED_KINDS:
        return tuple(ascii_lowercase[:count])
    return tuple(str(number) for number in range(1, count + 1))


def parse_line(sheet: Questionnaire, part: PartView, line: str) -> AnswerValue:
    """Read a line: a label, a code, a number; nothing means that one does not know.

    Raises:
        UsageError: it is none of these.
    """
    if not line:
        return DONT_KNOW
    codes = dict(zip(choice_labels(part), (choice.code for choice in part.choices), strict=False))
    asked = sheet.parts[part.code]
    if not part.several:
        return check_answer(asked, codes.get(line.lower(), line))
    if line == NOTHING:
        return ()
    if line == DONT_KNOW:
        return DONT_KNOW
    return check_answer(
        asked, [codes.get(word, word) for word in re.split(r"[,;\s]+", line) if word]
    )


def _hints(part: PartView, texts: InterviewTexts) -> str:
    found = [f"Enter = {texts.at('words.dont_know')}"]
    if part.unit is not None:
        found.insert(0, texts.says("words.or_number", unit=part.unit))
    if part.several:
        found.insert(0, f"{texts.at('words.several')}; {NOTHING} = {texts.at('words.nothing')}")
    return "; ".join((*found, f"? = {texts.at('words.why')}", f"{BACK} = {texts.at('words.back')}"))


def _line() -> str:
    """Read a line; what comes from no terminal is shown, so that the talk can be read later."""
    sys.stdout.write("> ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stdout.write("\n")
        raise EndOfInput
    if not sys.stdin.isatty():
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n")
    return line.strip()


METADATA_KEYS = ("name", "note")
"""Keys of an answers file beside the codes; a note is kept, and never read."""


@dataclass(frozen=True)
class AskFlags:
    """Settings of `advisor ask`."""

    dataset: Annotated[
        Path | None, typer.Argument(help="File of examples.", show_default=False)
    ] = None
    answers: Annotated[
        Path | None, typer.Option(help="YAML of answers, code: value; others are asked.")
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
    """Parts answered here, question by question: what `back` takes away."""
    told: set[str] = field(default_factory=set)
    """Contradictions that were pointed out."""


def ask(wanted: AskFlags) -> None:
    """Ask until no answer can change the verdict, and write where that leads.

    Raises:
        AdvisorError: a file cannot be read, or an answer in it cannot be used.
    """
    if wanted.out and wanted.out.exists():
        raise UsageError(f"--out {wanted.out}", "this file is there already.", "Give another name.")
    texts = texts_for(wanted.language)
    given = read_mapping(wanted.answers) if wanted.answers else {}
    sheet = load_questionnaire()
    answers = check_answers(
        sheet, {key: value for key, value in given.items() if key not in METADATA_KEYS}
    )
    name = wanted.dataset.name if wanted.dataset else "questions"
    with reading_bar(name) as progress:
        question = make_question(
            _base(wanted, given),
            "advisor ask",
            dataset=wanted.dataset,
            book=load_prices(overlay=wanted.prices),
            today=today(),
            progress=progress,
        )
    ended = run_session(InterviewSession(Interview(sheet, question), texts, answers))
    told = scenario_from(ended.scenario, "advisor ask")
    console().print()
    more = AnswerFlags(explain=texts.tag if texts.tag in load_sentences() else None)
    show_answer(replace(question, scenario=told), "text", more)
    console().print(f"\n[bold]{ended.says}[/bold]", soft_wrap=True)
    _write_scenario(ended.scenario, wanted.out)


def texts_for(language: str) -> InterviewTexts:
    """Return the words of a shipped language, or of a file.

    Raises:
        UsageError: there is no such language, or words of the file are missing.
    """
    path = Path(language)
    return read_texts(path) if path.suffix in (".yaml", ".yml") else load_texts(language)


def _base(wanted: AskFlags, given: Mapping[str, Any]) -> dict[str, Any]:
    """Say what is known without asking: name, note and the dataset, seen from where it is kept."""
    base: dict[str, Any] = {
        key: str(given[key]) for key in METADATA_KEYS if given.get(key) is not None
    }
    if wanted.note is not None:
        base["note"] = wanted.note
    if wanted.dataset:
        beside = wanted.out.parent if wanted.out else Path()
        base["dataset"] = {"path": os.path.relpath(wanted.dataset, beside)}
    return base


def run_session(now: InterviewSession) -> InterviewState:
    """Ask one question after the other; return where the interview stands at its end."""
    while True:
        stands = interview_state(now.interview, now.answers, now.texts)
        _show_state(now, stands)
        if stands.next is None:
            return stands
        try:
            _ask_question(now, stands.next)
        except GoBack:
            for code in now.turns.pop() if now.turns else ():
                del now.answers[code]
        except EndOfInput:
            console().print(now.texts.at("words.input_ended"), soft_wrap=True)
            return stands


def _show_state(now: InterviewSession, stands: InterviewState) -> None:
    """Show the verdict so far, what does not fit the file, and the next question."""
    out = console()
    for one in stands.contradictions:
        if one.code not in now.told:
            says = now.texts.says("words.contradiction", says=one.says)
            out.print(f"\n{says}", markup=False, soft_wrap=True, style="yellow")
    now.told = {one.code for one in stands.contradictions}
    if stands.next is None:
        return
    asked, count = stands.next, {"count": stands.next.count, "most": stands.next.most}
    out.print(f"\n{stands.says}", markup=False, soft_wrap=True, style="green")
    out.print(asked.because, markup=False, soft_wrap=True, style="dim")
    out.print(
        f"\n[bold]{now.texts.says('words.count', **count)} {asked.asks}[/bold]", soft_wrap=True
    )
    out.print(asked.finding_out_says, markup=False, soft_wrap=True, style="dim")


def _ask_question(now: InterviewSession, question: QuestionView) -> None:
    """Ask every part that is worth asking.

    Raises:
        Back: the question before is to be asked again; nothing of this one is kept.
        NoMoreLines: input has ended.
    """
    sheet, given = now.interview.sheet, dict[str, AnswerValue]()
    for part in question.parts:
        if not sheet.parts[part.code].is_irrelevant({**now.answers, **given}):
            try:
                given[part.code] = read_answer(sheet, question, part, now.texts)
            except GoBack:
                if not given:
                    raise
                return  # it is asked again from its first part
    now.answers |= given
    now.turns.append(tuple(given))


def _write_scenario(scenario: Mapping[str, Any], out: Path | None) -> None:
    """Write the scenario to its file, or show what would stand there."""
    text = yaml.safe_dump(dict(scenario), sort_keys=False, allow_unicode=True)
    if out is None:
        console().print("\nscenario.yaml:", markup=False)
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    console().print(f"{out}", markup=False, soft_wrap=True)
