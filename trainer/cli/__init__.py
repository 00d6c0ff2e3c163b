"""The command line of `trainer`: flags in, one call, print; a refusal says why and exits with 3."""

from __future__ import annotations

import sys

from advisor.errors import AdvisorError

EXIT_BAD_INPUT = 2


def main() -> None:
    """Run `trainer`; what is wrong is said in one message, without a traceback or a secret."""
    import trainer.cli.door_commands
    import trainer.cli.elsewhere_commands
    import trainer.cli.pilot_commands
    import trainer.cli.version_commands  # noqa: F401 - they add their commands
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
        raise SystemExit(0) from None  # the reader of our output has gone
    finally:
        context = sys.modules.get("trainer.context")  # most help pages never open a database
        if context is not None:
            context.close_contexts()
