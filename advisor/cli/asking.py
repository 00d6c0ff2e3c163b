"""Answers typed in, read from lines or from a file -> an interview, and where it leads."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from advisor.asking import ShownQuestion, Standing, standing
from advisor.book_file import load_book
from advisor.cli.answering import More, show_answer
from advisor.cli.console import console, reading_bar, today
from advisor.cli.listening import Back, NoMoreLines, listen
from advisor.errors import UsageError
from advisor.files import ask, load_words, read_mapping
from advisor.interview import Interview
from advisor.question_files import load_sheet, load_texts, texts_of
from advisor.questions import Given, checked
from advisor.scenario import scenario_from
from advisor.wording import Texts

KEPT = ("name", "note")
"""Keys of an answers file beside the codes; a note is kept, and never read."""


@dataclass(frozen=True)
class Wanted:
    """What the flags of `advisor ask` say."""

    dataset: Path | None
    answers: Path | None
    language: str
    out: Path | None
    note: str | None
    prices: Path | None


@dataclass
class Talk:
    """One interview at a terminal."""

    interview: Interview
    texts: Texts
    answers: dict[str, Given]
    turns: list[tuple[str, ...]] = field(default_factory=list)
    """Parts answered here, question by question: what `back` takes away."""
    told: set[str] = field(default_factory=set)
    """Contradictions that were pointed out."""


def interview(wanted: Wanted) -> None:
    """Ask until no answer can change the verdict, and write where that leads.

    Raises:
        AdvisorError: a file cannot be read, or an answer in it cannot be used.
    """
    if wanted.out and wanted.out.exists():
        raise UsageError(f"--out {wanted.out}", "this file is there already.",
                         "Give another name.")  # fmt: skip
    texts = texts_wanted(wanted.language)
    given = read_mapping(wanted.answers) if wanted.answers else {}
    sheet = load_sheet()
    answers = checked(sheet, {key: value for key, value in given.items() if key not in KEPT})
    name = wanted.dataset.name if wanted.dataset else "questions"
    with reading_bar(name) as progress:
        question = ask(_base(wanted, given), "advisor ask", dataset=wanted.dataset,
                       book=load_book(overlay=wanted.prices), today=today(),
                       progress=progress)  # fmt: skip
    ended = talk(Talk(Interview(sheet, question), texts, answers))
    told = scenario_from(ended.scenario, "advisor ask")
    console().print()
    more = More(explain=texts.tag if texts.tag in load_words() else None)
    show_answer(replace(question, scenario=told), "text", more)
    console().print(f"\n[bold]{ended.says}[/bold]", soft_wrap=True)
    _keep(ended.scenario, wanted.out)


def texts_wanted(language: str) -> Texts:
    """Return the words of a shipped language, or of a file.

    Raises:
        UsageError: there is no such language, or words of the file are missing.
    """
    path = Path(language)
    return texts_of(path) if path.suffix in (".yaml", ".yml") else load_texts(language)


def _base(wanted: Wanted, given: Mapping[str, Any]) -> dict[str, Any]:
    """Say what is known without asking: name, note and the dataset, seen from where it is kept."""
    base: dict[str, Any] = {key: str(given[key]) for key in KEPT if given.get(key) is not None}
    if wanted.note is not None:
        base["note"] = wanted.note
    if wanted.dataset:
        beside = wanted.out.parent if wanted.out else Path()
        base["dataset"] = {"path": os.path.relpath(wanted.dataset, beside)}
    return base


def talk(now: Talk) -> Standing:
    """Ask one question after the other; return where the interview stands at its end."""
    while True:
        stands = standing(now.interview, now.answers, now.texts)
        _tell(now, stands)
        if stands.next is None:
            return stands
        try:
            _ask(now, stands.next)
        except Back:
            for code in now.turns.pop() if now.turns else ():
                del now.answers[code]
        except NoMoreLines:
            console().print(now.texts.at("words.input_ended"), soft_wrap=True)
            return stands


def _tell(now: Talk, stands: Standing) -> None:
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
    out.print(f"\n[bold]{now.texts.says('words.count', **count)} {asked.asks}[/bold]",
              soft_wrap=True)  # fmt: skip
    out.print(asked.finding_out_says, markup=False, soft_wrap=True, style="dim")


def _ask(now: Talk, question: ShownQuestion) -> None:
    """Ask every part that is worth asking.

    Raises:
        Back: the question before is to be asked again; nothing of this one is kept.
        NoMoreLines: input has ended.
    """
    sheet, given = now.interview.sheet, dict[str, Given]()
    for part in question.parts:
        if not sheet.parts[part.code].is_idle({**now.answers, **given}):
            try:
                given[part.code] = listen(sheet, question, part, now.texts)
            except Back:
                if not given:
                    raise
                return  # it is asked again from its first part
    now.answers |= given
    now.turns.append(tuple(given))


def _keep(scenario: Mapping[str, Any], out: Path | None) -> None:
    """Write the scenario to its file, or show what would stand there."""
    text = yaml.safe_dump(dict(scenario), sort_keys=False, allow_unicode=True)
    if out is None:
        console().print("\nscenario.yaml:", markup=False)
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    console().print(f"{out}", markup=False, soft_wrap=True)
