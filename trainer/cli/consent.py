"""What a person, or the flags of a machine, agree to: an amount, and who gets the rows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal

from advisor.errors import UsageError
from trainer.errors import NoConsent, Refused


@dataclass(frozen=True)
class Consent:
    """What the flags agree to."""

    yes: bool
    max_usd: Decimal | None
    allow_egress: str | None


def agree_to_pay(most: Decimal, consent: Consent) -> None:
    """Have the upper amount typed, or take the flag for it.

    Raises:
        UsageError: no amount was given with --yes.
        Refused: it is too little, or another amount was typed.
    """
    if consent.yes:
        if consent.max_usd is None:
            raise UsageError("--yes", "no amount was agreed to.", "Give --max-usd N.")
        if consent.max_usd < most:
            raise Refused(f"--max-usd {consent.max_usd}: it may cost up to {most} USD.")
        return
    typed = typed_line(f"\nType {most} to spend up to {most} USD: ")
    if typed != str(most):
        raise Refused(f"you typed '{typed}', not {most}: nothing was started.")


def agree_to_send(provider: str, consent: Consent) -> None:
    """Have the name of who gets the rows typed, or take the flag for it; --yes is not enough.

    Raises:
        UsageError: the flag names somebody else.
        NoConsent: nobody agreed.
    """
    if consent.allow_egress not in (None, provider):
        raise UsageError(
            f"--allow-egress {consent.allow_egress}", f"rows would go to {provider}.", "Name that."
        )
    if consent.allow_egress is None:
        if consent.yes:
            raise NoConsent(
                f"--yes does not cover what leaves the machine. Give --allow-egress {provider} too."
            )
        typed = typed_line(f"Type {provider} to send them: ")
        if typed != provider:
            raise NoConsent(f"you typed '{typed}', not {provider}: nothing was sent.")


def typed_line(question: str) -> str:
    """Ask a person, and return what was typed."""
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip()
