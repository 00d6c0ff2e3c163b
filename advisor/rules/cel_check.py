"""Checks of CEL conditions before use: names, functions, loops, types, null values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.errors import did_you_mean
from advisor.rules.cel import (
    CLOSING,
    LOOPS,
    OPENING,
    CelToken,
    ConditionError,
    cel_tokens,
    compile_program,
    evaluate_program,
    loop_variables,
    split_operands,
    strip_brackets,
    token_text,
    top_level_tokens,
    type_name,
)

if TYPE_CHECKING:
    from cel import Program

FUNCTIONS = frozenset({"size", "contains", "startsWith", "endsWith", "double", "int", "string"})
"""Functions that are allowed: each takes time proportional to its input."""
MAX_LOOP_DEPTH = 2
KEYWORDS = frozenset({"true", "false", "null", "in"})
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})

FieldPath = tuple[str, ...]


@dataclass(frozen=True)
class FieldType:
    """Type of a name: a sample value, its fields, its choices, and whether it may be null."""

    sample: Any
    fields: Mapping[str, FieldType] | None = None
    choices: tuple[str, ...] = ()
    may_be_null: bool = False


@dataclass(frozen=True)
class Condition:
    """A checked condition."""

    program: Program
    reads: frozenset[FieldPath]
    """Paths that it reads, such as (scenario, task)."""

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Whether the condition holds.

        Raises:
            ValueError: it reads a value that is not given, or is not true or false.
        """
        found = evaluate_program(self.program, context)
        if not isinstance(found, bool):
            raise ValueError(f"found {type_name(found)} instead of true or false.")  # noqa: TRY004
        return found


def compile_condition(text: str, shapes: Mapping[str, FieldType]) -> Condition:
    """Compile and check a condition: names, functions, loops and comparisons.

    Raises:
        ConditionError: with line and column.
    """
    program = compile_program(text)
    checks = _ConditionChecker(text, shapes)
    checks.names()
    checks.parts(checks.tokens)
    return Condition(program, frozenset(path for path, _ in checks.paths(checks.tokens)))


class _ConditionChecker:
    """Checks one condition."""

    def __init__(self, text: str, shapes: Mapping[str, FieldType]) -> None:
        self.text, self.shapes = text, shapes
        self.tokens = tuple(cel_tokens(text))
        self.sample = {name: shape.sample for name, shape in shapes.items()}
        self.bound = set(loop_variables(self.tokens))
        self.guarded: set[FieldPath] = set()

    def fault(self, token: CelToken, found: str, remedy: str) -> ConditionError:
        before = self.text[: token.at]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        return ConditionError(place, found, remedy)

    def names(self) -> None:
        """Refuse unknown names and functions, and loops that are nested too deeply."""
        depth: list[bool] = []
        for place, token in enumerate(self.tokens):
            if token.text in OPENING:
                loop = place > 1 and self.tokens[place - 1].text in LOOPS
                depth.append(loop and token.text == "(")
                if sum(depth) > MAX_LOOP_DEPTH:
                    raise self.fault(token, "loops are nested more than two deep.", "Simplify it.")
            elif token.text in CLOSING:
                depth.pop()
            elif token.kind == "name":
                self._name(place, token)
        self.guarded = set(_null_checked(self.tokens, self.paths(self.tokens)))

    def _name(self, place: int, token: CelToken) -> None:
        called = token_text(self.tokens, place + 1) == "("
        if called and token.text not in FUNCTIONS | LOOPS:
            raise self.fault(
                token,
                f"unknown function '{token.text}'.",
                did_you_mean(token.text, FUNCTIONS | LOOPS).strip(),
            )
        if called or token.text in KEYWORDS or token_text(self.tokens, place - 1) == ".":
            return
        if token.text in self.bound:
            return
        if token.text not in self.shapes:
            raise self.fault(
                token,
                f"unknown name '{token.text}'.",
                did_you_mean(token.text, self.shapes).strip(),
            )
        if token_text(self.tokens, place + 1) != ".":
            remedy = f"Write {token.text}. and the name of a field."
            raise self.fault(token, f"'{token.text}' is not a value.", remedy)

    def paths(self, tokens: Sequence[CelToken]) -> Iterator[tuple[FieldPath, CelToken]]:
        """Yield the paths that tokens read, each with its first token."""
        for place, token in enumerate(tokens):
            is_known = token.text in self.shapes and token.text not in self.bound
            if token.kind == "name" and is_known and token_text(tokens, place - 1) != ".":
                yield self._path(tokens, place), token

    def _path(self, tokens: Sequence[CelToken], place: int) -> FieldPath:
        shape, path = self.shapes[tokens[place].text], [tokens[place].text]
        while token_text(tokens, place + 1) == "." and shape.fields is not None:
            place += 2
            name = tokens[place].text
            if name not in shape.fields:
                raise self.fault(
                    tokens[place],
                    f"unknown name '{'.'.join((*path, name))}'.",
                    did_you_mean(name, shape.fields).strip(),
                )
            shape = shape.fields[name]
            path.append(name)
        return tuple(path)

    def parts(self, tokens: Sequence[CelToken]) -> None:
        """Evaluate every part of a condition separately, so that an error in one is not hidden."""
        tokens = strip_brackets(tokens)
        for signs in (("?", ":"), ("||",), ("&&",)):
            pieces = split_operands(tokens, *signs)
            if len(pieces) > 1:
                for piece in pieces:
                    self.parts(piece)
                return
        places = [n for n, token in top_level_tokens(tokens) if token.text in COMPARISONS]
        if not places and tokens[0].text == "!":
            self.parts(tokens[1:])
            return
        if places:
            self._comparison(tokens, places[-1])
        found = self._value(tokens, self.sample)
        if not isinstance(found, bool):
            raise self.fault(
                tokens[0],
                f"found {type_name(found)} instead of true or false.",
                "Compare it with a value.",
            )
        self._null_values(tokens)

    def _comparison(self, tokens: Sequence[CelToken], place: int) -> None:
        left, right = tokens[:place], tokens[place + 1 :]
        sign = tokens[place]
        value, other = (self._value(side, self.sample) for side in (left, right))
        self._choices(left, right)
        if sign.text == "in" and not isinstance(other, list):
            raise self.fault(
                sign,
                f"'in' needs a list, found {type_name(other)}.",
                "Write a list such as ['a', 'b'].",
            )
        for member in other if sign.text == "in" else [other]:
            if None not in (member, value) and type_name(value) != type_name(member):
                raise self.fault(
                    sign,
                    f"{type_name(value)} is compared with {type_name(member)}.",
                    "Compare values of the same type.",
                )

    def _choices(self, left: Sequence[CelToken], right: Sequence[CelToken]) -> None:
        """Refuse a text that is not among the choices of a name."""
        for side, others in ((left, right), (right, left)):
            path = next(iter(self.paths(side)), None)
            choices = self._shape(path[0]).choices if path else ()
            if path is None or not choices or len(side) != 2 * len(path[0]) - 1:
                continue
            for token in others:
                if token.kind == "text" and token.text[1:-1] not in choices:
                    raise self.fault(
                        token,
                        f"{'.'.join(path[0])} is never {token.text}.",
                        did_you_mean(token.text[1:-1], choices).strip(),
                    )

    def _null_values(self, tokens: Sequence[CelToken]) -> None:
        """Refuse to read a value that may be null without a check for null."""
        for path, token in self.paths(tokens):
            for length in range(2, len(path) + 1):
                prefix = path[:length]
                if not self._shape(prefix).may_be_null or prefix in self.guarded:
                    continue
                try:
                    self._value(tokens, _without(self.sample, prefix))
                except ConditionError:
                    name = ".".join(prefix)
                    raise self.fault(
                        token,
                        f"{name} is null if it is not given.",
                        f"Write {name} != null && before it.",
                    ) from None

    def _shape(self, path: FieldPath) -> FieldType:
        shape = self.shapes[path[0]]
        for name in path[1:]:
            assert shape.fields is not None
            shape = shape.fields[name]
        return shape

    def _value(self, tokens: Sequence[CelToken], context: Mapping[str, Any]) -> Any:
        start, last = tokens[0].at, tokens[-1]
        try:
            return evaluate_program(
                compile_program(self.text[start : last.at + len(last.text)]), context
            )
        except ValueError as error:
            remedy = "Use known names and one type per comparison; write numbers as 1.0."
            raise self.fault(tokens[0], str(error), remedy) from error


def _null_checked(
    tokens: Sequence[CelToken], paths: Iterator[tuple[FieldPath, CelToken]]
) -> Iterator[FieldPath]:
    """Yield the paths that are compared with null anywhere."""
    where = {token.at: place for place, token in enumerate(tokens)}
    for path, token in paths:
        place = where[token.at]
        after = place + 2 * len(path) - 1
        if token_text(tokens, after) in ("==", "!=") and token_text(tokens, after + 1) == "null":
            yield path


def _without(sample: Mapping[str, Any], path: FieldPath) -> dict[str, Any]:
    """Return a copy of a sample with one path set to null."""
    copy = dict(sample)
    copy[path[0]] = _without(copy[path[0]], path[1:]) if len(path) > 1 else None
    return copy
