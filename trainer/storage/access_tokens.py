"""Bearer tokens: given out once, kept as a hash, each with an owner and a role."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import Engine, Row, select, update

from advisor.errors import UsageError, did_you_mean
from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.security.redact import register_secret
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.schema import tokens

Role = Literal["view", "propose", "spend", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: look, lay plans, spend money, see and do all."""
OWNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ADMIN_OWNER = "first"
DAY_SECONDS = 86_400.0


class UnknownToken(TrainerError):
    """No token was given, or none that holds."""

    code = "not-known"
    http_status = 401


class RoleTooLow(TrainerError):
    """The token's role does not go so far."""

    code = "role-too-low"
    http_status = 403


@dataclass(frozen=True)
class Caller:
    """Who asks, and how far they may go."""

    token_id: str
    owner: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this role covers another one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def need(self, role: Role) -> None:
        """Stop who may not.

        Raises:
            RoleTooLow: the role does not go so far.
        """
        if not self.may(role):
            raise RoleTooLow(
                f"this token may '{self.role}', and this needs '{role}'. Ask whoever "
                "runs the server: `trainer token make OWNER --role "
                f"{role}`."
            )

    @property
    def owner_filter(self) -> str | None:
        """Whose things this caller sees; nothing means everybody's."""
        return None if self.role == "admin" else self.owner


@dataclass(frozen=True)
class AccessToken:
    """A token as it is listed: never the secret."""

    token_id: str
    owner: str
    role: Role
    made_at: float
    expires_at: float | None
    revoked_at: float | None


class TokenStore:
    """The only door to the table of tokens."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def make(self, owner: str, role: Role, days: float | None = None) -> tuple[AccessToken, str]:
        """Make a token; its secret is returned this once.

        Raises:
            UsageError: owner, role or days cannot be used.
        """
        if not OWNER.fullmatch(owner):
            raise UsageError(
                f"owner '{owner}'",
                "this cannot be the name of an owner.",
                "Use up to 63 of a-z 0-9 . _ - and begin with no sign.",
            )
        if role not in ROLES:
            raise UsageError(
                f"role '{role}'", "there is no such role.", did_you_mean(role, ROLES).strip()
            )
        if days is not None and days <= 0:
            raise UsageError(f"days {days:g}", "a token lives longer than that.", "Give 30.")
        token_id, now = secrets.token_hex(4), self.clock.now()
        secret = f"sk-{token_id}-{secrets.token_urlsafe(32)}"
        register_secret(secret)
        ends = None if days is None else now + days * DAY_SECONDS
        with write_transaction(self.engine) as connection:
            connection.execute(
                tokens.insert().values(
                    token_id=token_id,
                    secret_sha256=_hashed(secret),
                    owner=owner,
                    role=role,
                    made_at=now,
                    expires_at=ends,
                )
            )
        return AccessToken(token_id, owner, role, now, ends, None), secret

    def caller(self, secret: str) -> Caller:
        """Say who a secret belongs to.

        Raises:
            NotKnown: to nobody, or it has ended.
        """
        asked = select(tokens).where(tokens.c.secret_sha256 == _hashed(secret))
        with read_connection(self.engine) as connection:
            row = connection.execute(asked).one_or_none()
        if row is None or not self._holds(row):
            raise UnknownToken(
                "this token is not known, or it has ended. Ask whoever runs the server "
                "for a new one: `trainer token make OWNER`."
            )
        return Caller(row.token_id, row.owner, row.role)

    def _holds(self, row: Row[tuple[object, ...]]) -> bool:
        ends = row.expires_at
        return row.revoked_at is None and (ends is None or ends > self.clock.now())

    def listed(self) -> tuple[AccessToken, ...]:
        """List every token that was ever made, the newest first."""
        with read_connection(self.engine) as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.made_at.desc()))
            return tuple(
                AccessToken(r.token_id, r.owner, r.role, r.made_at, r.expires_at, r.revoked_at)
                for r in rows
            )

    def revoke(self, token_id: str) -> AccessToken:
        """End a token now; a second time changes nothing.

        Raises:
            UsageError: there is no such token.
        """
        mine = tokens.c.token_id == token_id
        with write_transaction(self.engine) as connection:
            connection.execute(
                update(tokens)
                .where(mine, tokens.c.revoked_at.is_(None))
                .values(revoked_at=self.clock.now())
            )
        known = {token.token_id: token for token in self.listed()}
        if token_id not in known:
            raise UsageError(
                f"token {token_id}",
                "there is no such token.",
                did_you_mean(token_id, known).strip(),
            )
        return known[token_id]


def ensure_admin_token(book: TokenStore, home: Path) -> tuple[Path, bool]:
    """Make sure that the home folder holds an admin's token, for who runs the server here.

    Returns:
        The file, readable by its user alone, and whether it is new.
    """
    path = home / "token"
    if path.is_file():
        secret = path.read_text(encoding="ascii").strip()
        register_secret(secret)
        try:
            book.caller(secret)
        except UnknownToken:
            pass  # of another database, or ended: a new one takes its place
        else:
            return path, False
    _, secret = book.make(ADMIN_OWNER, "admin")
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secret + "\n")
    part.replace(path)
    return path, True


def _hashed(secret: str) -> str:
    """Hash a secret of 256 random bits: such a one needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
