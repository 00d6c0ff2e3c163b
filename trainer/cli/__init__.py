"""The command line of `trainer`; every error is one message, and a refusal exits with 3."""

from __future__ import annotations

import sys

from advisor.errors import AdvisorError

EXIT_BAD_INPUT = 2


def main() -> None:
    """Run `trainer`; an error is one message, without a traceback or a secret."""
    from trainer.cli.app import app
    from trainer.security.redact import redact

    try:
        app()
    except AdvisorError as error:
        sys.stderr.write(f"trainer: {redact(str(error))}\n")
        raise SystemExit(getattr(error, "exit_code", EXIT_BAD_INPUT)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # the reader of our output has closed the pipe
    finally:
        context = sys.modules.get("trainer.context")  # most help pages never open a database
        if context is not None:
            context.close_contexts()
