"""Audit log: who requested which action over HTTP, and for how much; entries never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, select

from trainer.clock import Clock
from trainer.storage.access_tokens import Caller
from trainer.storage.database import execute, fetch_all
from trainer.storage.schema import audit

Action = Literal[
    "launch",
    "cancel",
    "pause",
    "resume",
    "promote",
    "rollback",
    "retire",
    "stop_deployment",
    "set_budget",
    "make_token",
    "revoke_token",
    "delete_file",
]


@dataclass(frozen=True)
class AuditEntry:
    """One action of a caller."""

    seq: int
    at: float
    owner: str
    token_id: str
    action: Action
    subject: str
    usd: str | None
    body: Mapping[str, Any]


class AuditLog:
    """Reads and writes the audit log."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def write(
        self, who: Caller, action: Action, subject: str, usd: str | None = None, **body: Any
    ) -> None:
        """Record an action before it is done; the entry is on disk when this returns."""
        caller = {"at": self.clock.now(), "owner": who.owner, "token_id": who.token_id}
        described = {"action": action, "subject": subject, "usd": usd, "body": body}
        execute(self.engine, audit.insert().values(**caller, **described))

    def lines(self, after: int = 0, most: int = 1000) -> tuple[AuditEntry, ...]:
        """Return the entries after a sequence number, in order."""
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(most)
        return tuple(AuditEntry(*row) for row in fetch_all(self.engine, query))
