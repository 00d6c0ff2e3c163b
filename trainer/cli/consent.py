"""Consent by a typed answer or by flags: an amount, and a provider that receives rows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import typer

from advisor.errors import UsageError
from trainer.cli.flags import usd_option
from trainer.errors import NoConsent, Refused


@dataclass(frozen=True)
class PaymentConsent:
    """Consent to an amount by flags."""

    yes: Annotated[bool, typer.Option("--yes", help="Do not prompt; needs --max-usd.")] = False
    max_usd: Annotated[
        Decimal | None, usd_option("--max-usd", "Maximum that may be spent [USD].")
    ] = None


@dataclass(frozen=True)
class Consent(PaymentConsent):
    """Consent to an amount and to sending rows by flags."""

    allow_egress: Annotated[
        str | None, typer.Option(help="Provider that may receive the data.")
    ] = None


def agree_to_pay(most: Decimal, consent: PaymentConsent) -> None:
    """Prompt for the worst case, unless the flags accept it.

    Raises:
        UsageError: --yes without an amount.
        Refused: the amount is too small, or another one was typed.
    """
    if consent.yes:
        if consent.max_usd is None:
            raise UsageError("--yes", "missing the accepted amount.", "Add --max-usd N.")
        if consent.max_usd < most:
            raise Refused(f"--max-usd {consent.max_usd}: it may cost up to ${most}.")
        return
    typed = typed_line(f"\nType {most} to spend up to ${most}: ")
    if typed != str(most):
        raise Refused(f"you typed '{typed}', not {most}: nothing was started.")


def agree_to_send(provider: str, consent: Consent) -> None:
    """Prompt for the name of the provider, unless --allow-egress names it; --yes is not enough.

    Raises:
        UsageError: the flag names another provider.
        NoConsent: consent was not given.
    """
    if consent.allow_egress not in (None, provider):
        raise UsageError(
            f"--allow-egress {consent.allow_egress}",
            f"rows would go to {provider}.",
            f"Give --allow-egress {provider}.",
        )
    if consent.allow_egress is None:
        if consent.yes:
            raise NoConsent(
                "--yes does not cover data that leaves this machine. "
                f"Add --allow-egress {provider}."
            )
        typed = typed_line(f"Type {provider} to send them: ")
        if typed != provider:
            raise NoConsent(f"you typed '{typed}', not {provider}: nothing was sent.")


def typed_line(prompt: str) -> str:
    """Print a prompt, and return the line the user types."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return sys.stdin.readline().strip()
