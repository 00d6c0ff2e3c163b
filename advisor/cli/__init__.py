"""The command line: flags in, one call, print; every error is one message and exit code 2."""

from __future__ import annotations

import sys

from advisor.errors import AdvisorError

EXIT_BAD_INPUT = 2


def main() -> None:
    """Run `advisor`; what is wrong with the input is said in one message, without a traceback."""
    from advisor.cli.app import app

    try:
        app()
    except AdvisorError as error:
        sys.stderr.write(f"advisor: {error}\n")
        raise SystemExit(EXIT_BAD_INPUT) from None
    except ArithmeticError:
        sys.stderr.write(
            "advisor: the numbers are too large to be worked out. Give numbers of the "
            "size that real use has.\n"
        )
        raise SystemExit(EXIT_BAD_INPUT) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # the reader of our output has gone
