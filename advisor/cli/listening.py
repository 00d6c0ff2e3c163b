"""One part of a question and what is typed -> its answer, or the wish to go back."""

from __future__ import annotations

import re
import sys
from string import ascii_lowercase

from advisor.asking import ShownPart, ShownQuestion
from advisor.cli.console import console
from advisor.errors import UsageError
from advisor.questions import DONT_KNOW, TYPED, Given, Sheet, check
from advisor.wording import Texts

BACK, WHY, NOTHING = "back", "?", "0"


class Back(Exception):
    """What was asked before is to be asked again."""


class NoMoreLines(Exception):
    """Input has ended."""


def listen(sheet: Sheet, question: ShownQuestion, part: ShownPart, texts: Texts) -> Given:
    """Ask one part until what is typed can be used.

    Raises:
        Back: the question before is to be asked again.
        NoMoreLines: input has ended.
    """
    out = console()
    out.print(f"\n{part.asks}", markup=False, soft_wrap=True)
    for label, choice in zip(labels(part), part.choices, strict=False):
        out.print(f"  {label}) {choice.says} [{choice.code}]", markup=False, soft_wrap=True)
    out.print(f"  {_hints(part, texts)}", markup=False, soft_wrap=True, style="dim")
    while True:
        line = _line()
        if line.lower() in (BACK, texts.at("words.back").lower()):
            raise Back
        if line == WHY:
            for says in (question.why, question.because, question.finding_out_says):
                out.print(f"  {says}", markup=False, soft_wrap=True)
            continue
        try:
            given = understood(sheet, part, line)
        except UsageError as error:
            out.print(f"  {error.found} {error.remedy}", markup=False, soft_wrap=True)
            continue
        if isinstance(given, float):
            out.print(f"  = {given:,.10g} {part.unit}", markup=False, soft_wrap=True)
        return given


def labels(part: ShownPart) -> tuple[str, ...]:
    """Name the choices: letters where a number can be typed, else numbers; "do not know" has none.

    >>> from advisor.asking import ShownChoice
    >>> two = tuple(ShownChoice(code=code, says=code) for code in ("x", "y", "dont_know"))
    >>> labels(ShownPart(code="c", kind="share", asks="", unit="", low=0, high=1, several=False,
    ...                  unless={}, choices=two))
    ('a', 'b')
    """
    count = len(part.choices) - 1
    if part.kind in TYPED:
        return tuple(ascii_lowercase[:count])
    return tuple(str(number) for number in range(1, count + 1))


def understood(sheet: Sheet, part: ShownPart, line: str) -> Given:
    """Read a line: a label, a code, a number; nothing means that one does not know.

    Raises:
        UsageError: it is none of these.
    """
    if not line:
        return DONT_KNOW
    codes = dict(zip(labels(part), (choice.code for choice in part.choices), strict=False))
    asked = sheet.parts[part.code]
    if not part.several:
        return check(asked, codes.get(line.lower(), line))
    if line == NOTHING:
        return ()
    if line == DONT_KNOW:
        return DONT_KNOW
    return check(asked, [codes.get(word, word) for word in re.split(r"[,;\s]+", line) if word])


def _hints(part: ShownPart, texts: Texts) -> str:
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
        raise NoMoreLines
    if not sys.stdin.isatty():
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n")
    return line.strip()
