"""Conditions in CEL: tokens, compilation and evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cel import Program

LOOPS = frozenset({"all", "exists", "exists_one", "filter"})
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>0x[0-9a-fA-F]+u?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?u?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL,
)
SYNTAX = re.compile(r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): (?P<says>[^\n]*)")


class ConditionError(ValueError):
    """An error in a condition, with its position."""

    def __init__(self, place: tuple[int, int], found: str, remedy: str) -> None:
        self.place, self.found, self.remedy = place, found, remedy
        super().__init__(found)


class CelToken(NamedTuple):
    """A token of a condition."""

    kind: str
    text: str
    at: int


@lru_cache(maxsize=1024)
def compile_program(text: str) -> Program:
    """Compile a condition.

    Raises:
        ConditionError: it is not valid CEL.
    """
    from cel import compile as compiled  # slow to import, and few questions have team rules

    try:
        return compiled(text)
    except ValueError as error:
        found = SYNTAX.search(str(error))
        if not found:
            raise ConditionError(
                (1, 1), f"not valid CEL: {error}.", "Fix the condition."
            ) from error
        says = found["says"].split(" expecting {")[0]
        place = (int(found["line"]), int(found["column"]))
        raise ConditionError(place, f"{says}.", "Fix the condition there.") from error


def evaluate_program(program: Program, context: Mapping[str, Any]) -> Any:
    """Return the value of a compiled expression.

    Raises:
        ValueError: a name is missing, or types do not match.
    """
    try:
        return program.execute(dict(context))
    except (ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        says = re.split(r" CEL does not| Check ", str(error))[0].rstrip(".")
        if isinstance(error, LookupError):
            says = f"unknown name {says}"
        raise ValueError(f"{says}.") from error


def cel_tokens(text: str) -> Iterator[CelToken]:
    """Split a condition into tokens, without spaces and comments.

    >>> [token.text for token in cel_tokens("option.trains && 1.5 < x // why")]
    ['option', '.', 'trains', '&&', '1.5', '<', 'x']
    """
    for found in TOKEN.finditer(text):
        if found.lastgroup != "space":
            yield CelToken(str(found.lastgroup), found.group(), found.start())


def token_text(tokens: Sequence[CelToken], place: int) -> str:
    """Return the text of a token; empty out of range."""
    return tokens[place].text if 0 <= place < len(tokens) else ""


def loop_variables(tokens: Sequence[CelToken]) -> Iterator[str]:
    """Yield the variables of loops."""
    for place, token in enumerate(tokens):
        if token.text in LOOPS and token_text(tokens, place + 1) == "(":
            yield token_text(tokens, place + 2)


def top_level_tokens(tokens: Sequence[CelToken]) -> Iterator[tuple[int, CelToken]]:
    """Yield the tokens outside of brackets, with their positions."""
    depth = 0
    for place, token in enumerate(tokens):
        depth -= token.text in CLOSING
        if depth == 0:
            yield place, token
        depth += token.text in OPENING


def strip_brackets(tokens: Sequence[CelToken]) -> Sequence[CelToken]:
    """Remove brackets around the complete expression."""
    while tokens[0].text == "(" and [n for n, _ in top_level_tokens(tokens)] == [
        0,
        len(tokens) - 1,
    ]:
        tokens = tokens[1:-1]
    return tokens


def split_operands(tokens: Sequence[CelToken], *signs: str) -> list[Sequence[CelToken]]:
    """Split tokens at operators outside of brackets."""
    cuts = [place for place, token in top_level_tokens(tokens) if token.text in signs]
    edges = zip([-1, *cuts], [*cuts, len(tokens)], strict=True)
    return [tokens[start + 1 : end] for start, end in edges]


def type_name(value: object) -> str:
    """Return the type of a value, for messages.

    >>> type_name(1.5), type_name(True)
    ('a number', 'true or false')
    """
    if value is None:
        return "null"
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }
    return kinds.get(type(value), "a mapping")
