"""The command line of `advisor`; every error is one message and exit code 2."""

from __future__ import annotations

import sys

from advisor.errors import AdvisorError

EXIT_BAD_INPUT = 2


def main() -> None:
    """Run `advisor`; an error in the input is one message, without a traceback."""
    from advisor.cli.commands import app

    try:
        app()
    except AdvisorError as error:
        _exit_with(str(error))
    except ArithmeticError:
        _exit_with("the numbers are too large to compute. Use numbers of realistic size.")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # whatever read our output has closed the pipe


def _exit_with(message: str) -> None:
    sys.stderr.write(f"advisor: {message}\n")
    raise SystemExit(EXIT_BAD_INPUT) from None
