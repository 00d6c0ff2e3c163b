"""Scores from the user's own command: it reads and writes one JSON line per row."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from advisor.errors import UsageError

MAX_ERROR_CHARACTERS = 300  # end of the scorer's standard error that is shown
EXPECTED_OUTPUT = (
    'For each line on standard input, write one line such as {"score": 0.5}, in the same order.'
)


@dataclass(frozen=True)
class AnsweredRow:
    """A row with the answer to score."""

    prompt: str
    expected: str
    answer: str


def run_scorer(
    command: Sequence[str], rows: Iterable[AnsweredRow], timeout_seconds: float = 600.0
) -> list[float]:
    r"""Run a command once over all rows and return one score per row [0..1].

    No shell is used: the command is a program and its arguments. At the timeout, the process and
    its process group are killed.

    Args:
        command: Program and arguments.
        rows: Rows to score; each is sent as one line {"prompt", "expected", "answer"}.
        timeout_seconds: Limit for all rows together [s].

    Raises:
        UsageError: the command cannot be started, fails, times out, writes too many or too few
            lines, or a line without a score; rows are numbered from 1.

    >>> import sys
    >>> code = 'import sys\nfor line in sys.stdin: print(\'{"score": 1}\')'
    >>> run_scorer([sys.executable, "-c", code], [AnsweredRow("2 + 2?", "4", "4")])
    [1.0]
    """
    lines = [json.dumps(asdict(row)) for row in rows]
    if not lines:
        return []
    output = _scorer_output(command, lines, timeout_seconds)
    if len(output) != len(lines):
        row = min(len(output), len(lines)) + 1
        found = "is missing" if len(output) < len(lines) else "has no row"
        raise UsageError(
            "scorer",
            f"{len(output)} lines for {len(lines)} rows: line {row} {found}.",
            EXPECTED_OUTPUT,
        )
    return [_score(number, line) for number, line in enumerate(output, start=1)]


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
            "Give an existing program and its arguments.",
        ) from error
    try:
        out, err = process.communicate(("\n".join(lines) + "\n").encode(), timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        scored = len(_lines(process.communicate()[0]))
        raise UsageError(
            "scorer",
            f"not finished after {timeout_seconds:g} seconds; "
            f"{scored} of {len(lines)} rows were scored, row {scored + 1} was not.",
            "Make it faster, flush each line, or allow more time.",
        ) from None
    finally:
        _end(process)
    output = _lines(out)
    if process.returncode != 0:
        words = err.decode(errors="replace").strip()[-MAX_ERROR_CHARACTERS:]
        row = min(len(output) + 1, len(lines))
        raise UsageError(
            "scorer",
            f"exit code {process.returncode} at row {row} of {len(lines)}"
            f"{': ' + words if words else ''}.",
            "Run it by hand on that row and fix it.",
        )
    return output


def _lines(out: bytes) -> list[str]:
    return [line for line in out.decode(errors="replace").split("\n") if line.strip()]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _score(row: int, line: str) -> float:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        body = None
    score = body.get("score") if isinstance(body, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise UsageError(
            "scorer", f"row {row}: expected a score, found {line.strip()[:80]!r}.", EXPECTED_OUTPUT
        )
    if not 0 <= score <= 1:
        raise UsageError(
            "scorer", f"row {row}: found the score {score}.", "Return scores from 0 to 1."
        )
    return float(score)
