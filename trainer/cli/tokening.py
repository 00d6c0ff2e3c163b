"""`trainer token`: make, list and end the tokens that the working API asks for."""

from __future__ import annotations

import sys
from typing import cast

from advisor.cli.console import console, plain_table
from trainer.clock import moment
from trainer.desk import open_office
from trainer.tokens import Role, Tokens


def make(owner: str, role: str, days: float | None) -> None:
    """Make a token and write its secret, this once."""
    token, secret = _tokens().make(owner, cast("Role", role), days)
    sys.stderr.write(f"token {token.token_id} of {token.owner}, role {token.role}; it is not shown "
                     "again:\n")  # fmt: skip
    sys.stdout.write(secret + "\n")


def show() -> None:
    """List every token."""
    rows = [
        (token.token_id, token.owner, token.role, _day(token.made_at), _day(token.expires_at),
         _day(token.revoked_at))
        for token in _tokens().listed()
    ]  # fmt: skip
    if not rows:
        return console().print("No token yet. `trainer token make OWNER` makes one.")
    head = ("token", "owner", "role", "made", "ends", "ended")
    console().print(plain_table(head, rows, set()))
    return None


def revoke(token_id: str) -> None:
    """End a token now."""
    token = _tokens().revoke(token_id)
    console().print(f"token {token.token_id} of {token.owner} has ended.")


def _tokens() -> Tokens:
    office = open_office()
    return Tokens(office.store.engine, office.clock)


def _day(at: float | None) -> str:
    return "" if at is None else moment(at).strftime("%Y-%m-%d %H:%M")
