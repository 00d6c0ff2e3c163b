"""Access tokens: bearer tokens of the API, stored as hashes, each with an owner and a role."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import Engine, select, update

from advisor.errors import UsageError, did_you_mean
from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.home import DAY_SECONDS
from trainer.security.redact import register_secret
from trainer.storage.database import execute, fetch_all
from trainer.storage.schema import tokens

Role = Literal["view", "propose", "spend", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role includes those before it: read, create plans, spend money, see and do everything."""
OWNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ADMIN_OWNER = "first"


class UnknownToken(TrainerError):
    """The request has no valid access token."""

    code = "not-known"
    http_status = 401


class RoleTooLow(TrainerError):
    """The role of the token does not allow the request."""

    code = "role-too-low"
    http_status = 403


@dataclass(frozen=True)
class Caller:
    """The owner of a request, and the role of its token."""

    token_id: str
    owner: str
    role: Role

    def may(self, role: Role) -> bool:
        """Return whether the caller's role includes another role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def need(self, role: Role) -> None:
        """Require a role.

        Raises:
            RoleTooLow: the caller's role does not include it.
        """
        if not self.may(role):
            raise RoleTooLow(
                f"the token has the role '{self.role}', this request needs '{role}'. Get a "
                f"token from the operator: 'trainer token make OWNER --role {role}'."
            )

    @property
    def owner_filter(self) -> str | None:
        """Owner whose items the caller can see; None means all owners."""
        return None if self.role == "admin" else self.owner


@dataclass(frozen=True)
class AccessToken:
    """A listed token, without its secret."""

    token_id: str
    owner: str
    role: Role
    made_at: float
    expires_at: float | None
    revoked_at: float | None


class TokenStore:
    """Reads and writes the table of access tokens."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def make(self, owner: str, role: Role, days: float | None = None) -> tuple[AccessToken, str]:
        """Create a token; its secret is returned here only.

        Raises:
            UsageError: owner, role or days are invalid.
        """
        if not OWNER.fullmatch(owner):
            raise UsageError(
                f"owner '{owner}'",
                "not a valid owner name.",
                "Use up to 63 of a-z 0-9 . _ - and start with a letter or digit.",
            )
        if role not in ROLES:
            raise UsageError(f"role '{role}'", "role not found.", did_you_mean(role, ROLES).strip())
        if days is not None and days <= 0:
            raise UsageError(
                f"days {days:g}", "expected a number above 0.", "Use a number such as 30."
            )
        token_id, now = secrets.token_hex(4), self.clock.now()
        secret = f"sk-{token_id}-{secrets.token_urlsafe(32)}"
        register_secret(secret)
        expires_at = None if days is None else now + days * DAY_SECONDS
        token = AccessToken(token_id, owner, role, now, expires_at, None)
        execute(self.engine, tokens.insert().values(**vars(token), secret_sha256=_hash(secret)))
        return token, secret

    def caller(self, secret: str) -> Caller:
        """Return the owner and role of a secret.

        Raises:
            UnknownToken: the secret is unknown, expired or revoked.
        """
        query = select(tokens).where(tokens.c.secret_sha256 == _hash(secret))
        for row in fetch_all(self.engine, query):
            is_expired = row.expires_at is not None and row.expires_at <= self.clock.now()
            if row.revoked_at is None and not is_expired:
                return Caller(row.token_id, row.owner, row.role)
        raise UnknownToken(
            "the access token is unknown, expired or revoked. Get a new one from the operator: "
            "'trainer token make OWNER'."
        )

    def listed(self) -> tuple[AccessToken, ...]:
        """List all tokens, newest first."""
        columns = tokens.c["token_id", "owner", "role", "made_at", "expires_at", "revoked_at"]
        rows = fetch_all(self.engine, select(*columns).order_by(tokens.c.made_at.desc()))
        return tuple(AccessToken(*row) for row in rows)

    def revoke(self, token_id: str) -> AccessToken:
        """Revoke a token; a revoked token stays unchanged.

        Raises:
            UsageError: there is no such token.
        """
        is_valid = (tokens.c.token_id == token_id, tokens.c.revoked_at.is_(None))
        execute(self.engine, update(tokens).where(*is_valid).values(revoked_at=self.clock.now()))
        known = {token.token_id: token for token in self.listed()}
        if token_id not in known:
            raise UsageError(
                f"token {token_id}", "token not found.", did_you_mean(token_id, known).strip()
            )
        return known[token_id]


def ensure_admin_token(book: TokenStore, home: Path) -> tuple[Path, bool]:
    """Return the file of the operator's valid admin token, and whether it is new.

    Only its user can read it.
    """
    path = home / "token"
    if path.is_file():
        secret = path.read_text(encoding="ascii").strip()
        register_secret(secret)
        try:
            book.caller(secret)
        except UnknownToken:
            pass  # it belongs to another database, or was revoked: replace it
        else:
            return path, False
    _, secret = book.make(ADMIN_OWNER, "admin")
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secret + "\n")
    part.replace(path)
    return path, True


def _hash(secret: str) -> str:
    """Hash a secret; 256 random bits do not need a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
