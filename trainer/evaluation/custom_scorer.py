"""A command of the user's -> scores: it reads a JSON line a row, and writes one back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from advisor.errors import UsageError

MAX_ERROR_CHARACTERS = 300  # characters of the scorer's own last words that are shown
EXPECTED_OUTPUT = (
    'For each line on standard input write one line such as {"score": 0.5}, in the same order.'
)


@dataclass(frozen=True)
class AnsweredRow:
    """A row with an answer to be scored."""

    prompt: str
    expected: str
    answer: str


def run_scorer(
    command: Sequence[str], rows: Iterable[AnsweredRow], timeout_seconds: float = 600.0
) -> list[float]:
    r"""Start a command once, give it every row, and read a score for each [0..1].

    No shell is used: the command is a program and its arguments. When the time is up, it and
    whatever it started in its own process group are ended.

    Args:
        command: Program and arguments.
        rows: What to score; each goes as {"prompt", "expected", "answer"} on a line of its own.
        timeout_seconds: For all rows together [s].

    Raises:
        UsageError: the command cannot be started, fails, takes too long, gives a line too many or
            too few, or one that is no score; with the number of the row, the first being 1.

    >>> import sys
    >>> code = 'import sys\nfor line in sys.stdin: print(\'{"score": 1}\')'
    >>> run_scorer([sys.executable, "-c", code], [AnsweredRow("2 + 2?", "4", "4")])
    [1.0]
    """
    lines = [json.dumps(asdict(row)) for row in rows]
    if not lines:
        return []
    said = _scorer_output(command, lines, timeout_seconds)
    if len(said) != len(lines):
        row = min(len(said), len(lines)) + 1
        found = "has none" if len(said) < len(lines) else "is more than was asked for"
        raise UsageError(
            "scorer",
            f"{len(said)} lines for {len(lines)} rows: line {row} {found}.",
            EXPECTED_OUTPUT,
        )
    return [_score(number, line) for number, line in enumerate(said, start=1)]


def _scorer_output(
    command: Sequence[str], lines: Sequence[str], timeout_seconds: float
) -> list[str]:
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(
            "scorer",
            f"{' '.join(command) or 'an empty command'} cannot be started: {error}.",
            "Give a program that is there, and its arguments.",
        ) from error
    try:
        out, err = process.communicate(("\n".join(lines) + "\n").encode(), timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        scored = len(_lines(process.communicate()[0]))
        raise UsageError(
            "scorer",
            f"it was not done after {timeout_seconds:g} seconds; "
            f"{scored} of {len(lines)} rows were scored, row {scored + 1} was not.",
            "Make it faster, let it flush each line, or allow it more time.",
        ) from None
    finally:
        _end(process)
    said = _lines(out)
    if process.returncode != 0:
        words = err.decode(errors="replace").strip()[-MAX_ERROR_CHARACTERS:]
        row = min(len(said) + 1, len(lines))
        raise UsageError(
            "scorer",
            f"it ended with code {process.returncode} at row {row} of {len(lines)}"
            f"{': ' + words if words else ''}.",
            "Run it by hand on that row and mend it.",
        )
    return said


def _lines(out: bytes) -> list[str]:
    return [line for line in out.decode(errors="replace").split("\n") if line.strip()]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _score(row: int, line: str) -> float:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    score = said.get("score") if isinstance(said, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise UsageError(
            "scorer", f"row {row} got no score but {line.strip()[:80]!r}.", EXPECTED_OUTPUT
        )
    if not 0 <= score <= 1:
        raise UsageError("scorer", f"row {row} got {score}.", "Give scores from 0 to 1.")
    return float(score)
