"""Who asked over HTTP for what, and for how much: written once, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Engine, select

from trainer.clock import Clock
from trainer.security.redact import redact
from trainer.storage.access_tokens import Caller
from trainer.storage.database import read_connection, write_transaction
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
    """One line: who did what."""

    seq: int
    at: float
    owner: str
    token_id: str
    action: Action
    subject: str
    usd: str | None
    body: Mapping[str, Any]


class AuditLog:
    """The only door to the audit log."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def write(
        self, who: Caller, action: Action, subject: str, usd: str | None = None, **body: Any
    ) -> None:
        """Write down what somebody is about to do; it is on disk when this returns."""
        text = redact(orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str).decode())
        with write_transaction(self.engine) as connection:
            connection.execute(
                audit.insert().values(
                    at=self.clock.now(),
                    owner=who.owner,
                    token_id=who.token_id,
                    action=action,
                    subject=subject,
                    usd=usd,
                    body=text,
                )
            )

    def lines(self, after: int = 0, most: int = 1000) -> tuple[AuditEntry, ...]:
        """Return what was done after a number, in order."""
        asked = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(most)
        with read_connection(self.engine) as connection:
            return tuple(
                AuditEntry(
                    r.seq,
                    r.at,
                    r.owner,
                    r.token_id,
                    r.action,
                    r.subject,
                    r.usd,
                    orjson.loads(r.body),
                )
                for r in connection.execute(asked)
            )
