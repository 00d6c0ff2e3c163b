"""Idempotency keys: the first response to a request is stored and returned to its repetitions."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, select, update
from sqlalchemy.exc import IntegrityError

from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.storage.database import execute, write_transaction
from trainer.storage.lease_owner import is_process_gone, own_lease_owner
from trainer.storage.schema import answered

RETENTION_SECONDS = 86_400.0
"""How long a key is remembered, as Stripe does. Source: https://docs.stripe.com/api/idempotent_requests"""
MAX_KEY_CHARACTERS = 255
UNCLAIMED = "nobody"
"""Stored as the owner of a key whose request failed after its plan was recorded."""


class IdempotencyKeyReused(TrainerError):
    """The key was used for another request, or is not valid."""

    code = "idempotency-key"
    http_status = 400


class RequestInProgress(TrainerError):
    """The first request with this key is still in progress."""

    code = "in-progress"
    http_status = 409


@dataclass(frozen=True)
class StoredResponse:
    """The response to the first request with a key, as far as it got."""

    plan_id: str | None
    status: int | None
    body: str | None


class IdempotencyStore:
    """Reads and writes the table of stored responses."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.holder = own_lease_owner()

    def begin(self, owner: str, key: str, request_sha256: str) -> StoredResponse:
        """Claim a key for a request, or return what is stored under it.

        Returns:
            An empty response for a new key; a plan if the first request failed after it
            created one; status and body if the first request was completed.

        Raises:
            IdempotencyKeyReused: the key is not valid, or belongs to another request.
            RequestInProgress: the first request is still in progress.
        """
        if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
            raise IdempotencyKeyReused(
                f"Idempotency-Key: found {len(key)} characters. Use 1 to {MAX_KEY_CHARACTERS} "
                "printable characters, such as a UUID."
            )
        if self._is_new(owner, key, request_sha256):
            return StoredResponse(None, None, None)
        with write_transaction(self.engine) as connection:
            query = select(answered).where(_is_entry(owner, key)).with_for_update()
            row = connection.execute(query).one()
            if row.request_sha256 != request_sha256:
                raise IdempotencyKeyReused(
                    "Idempotency-Key: already used for another request. Use a new key for a "
                    "new request."
                )
            if row.status is None:
                if row.holder != UNCLAIMED and not is_process_gone(row.holder):
                    raise RequestInProgress(
                        "the first request with this Idempotency-Key is still in progress. "
                        "Retry in a second."
                    )
                claim = update(answered).where(_is_entry(owner, key))
                connection.execute(claim.values(holder=self.holder))
        return StoredResponse(row.plan_id, row.status, row.body)

    def _is_new(self, owner: str, key: str, request_sha256: str) -> bool:
        """Insert a key, after the expired ones are deleted; return whether it was free."""
        now = self.clock.now()
        entry = answered.insert().values(
            owner=owner, key=key, request_sha256=request_sha256, holder=self.holder, made_at=now
        )
        is_expired = answered.c.made_at < now - RETENTION_SECONDS
        try:
            execute(self.engine, delete(answered).where(is_expired), entry)
        except IntegrityError:
            return False
        return True

    def record_plan(self, owner: str, key: str, plan_id: str) -> None:
        """Record the plan before it is launched, so that a retry launches the same plan."""
        self._update(owner, key, plan_id=plan_id)

    def answer(self, owner: str, key: str, status: int, body: str) -> None:
        """Store the response."""
        self._update(owner, key, status=status, body=body)

    def release_key(self, owner: str, key: str) -> None:
        """Release the key of a failed request, so that a retry continues with its plan."""
        self._update(owner, key, holder=UNCLAIMED)

    def forget(self, owner: str, key: str) -> None:
        """Delete a key under which nothing was done."""
        execute(self.engine, delete(answered).where(_is_entry(owner, key)))

    def _update(self, owner: str, key: str, **values: object) -> None:
        execute(self.engine, update(answered).where(_is_entry(owner, key)).values(**values))


def _is_entry(owner: str, key: str) -> ColumnElement[bool]:
    return and_(answered.c.owner == owner, answered.c.key == key)
