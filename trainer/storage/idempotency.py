"""Requests that carry a key: the first answer is kept, and given again to whoever repeats it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError

from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.storage.database import write_transaction
from trainer.storage.lease_owner import is_process_gone, own_lease_owner
from trainer.storage.schema import answered

RETENTION_SECONDS = 86_400.0
"""How long a key is remembered, as Stripe does. Source: https://docs.stripe.com/api/idempotent_requests"""
MAX_KEY_CHARACTERS = 255
UNCLAIMED = "nobody"
"""Holds the key of a request that failed half-way."""


class IdempotencyKeyReused(TrainerError):
    """The key was used for another request, or cannot be one."""

    code = "idempotency-key"
    http_status = 400


class RequestInProgress(TrainerError):
    """The first request under this key is not answered yet."""

    code = "in-progress"
    http_status = 409


@dataclass(frozen=True)
class StoredResponse:
    """What the first request was answered, or as far as it came."""

    plan_id: str | None
    status: int | None
    body: str | None


class IdempotencyStore:
    """The only door to the table of answers that are kept."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.holder = own_lease_owner()

    def begin(self, owner: str, key: str, request_sha256: str) -> StoredResponse:
        """Take a key for a request, or find what was answered under it.

        Returns:
            Nothing in it for a new key; a plan where a process ended after it laid one down;
            status and body once the request was answered.

        Raises:
            KeyReused: the key cannot be one, or belongs to another request.
            StillAtWork: the first request is still being answered.
        """
        if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
            raise IdempotencyKeyReused(
                f"Idempotency-Key: found {len(key)} characters. Give 1 to {MAX_KEY_CHARACTERS} "
                "that can be printed, such as a UUID."
            )
        now = self.clock.now()
        mine = (answered.c.owner == owner, answered.c.key == key)
        try:
            with write_transaction(self.engine) as connection:
                old = answered.c.made_at < now - RETENTION_SECONDS
                connection.execute(delete(answered).where(old))
                connection.execute(
                    answered.insert().values(
                        owner=owner,
                        key=key,
                        request_sha256=request_sha256,
                        holder=self.holder,
                        made_at=now,
                    )
                )
        except IntegrityError:
            pass  # it is known: see what came of it
        else:
            return StoredResponse(None, None, None)
        with write_transaction(self.engine) as connection:
            row = connection.execute(select(answered).where(*mine).with_for_update()).one()
            if row.request_sha256 != request_sha256:
                raise IdempotencyKeyReused(
                    "Idempotency-Key: it was used for another request. Take a new key "
                    "for a new request."
                )
            if row.status is None:
                if row.holder != UNCLAIMED and not is_process_gone(row.holder):
                    raise RequestInProgress(
                        "the first request under this Idempotency-Key is still being "
                        "answered. Ask again in a second."
                    )
                connection.execute(update(answered).where(*mine).values(holder=self.holder))
        return StoredResponse(row.plan_id, row.status, row.body)

    def record_plan(self, owner: str, key: str, plan_id: str) -> None:
        """Note the plan before it is launched, so that a second try launches no other."""
        self._set(owner, key, plan_id=plan_id)

    def answer(self, owner: str, key: str, status: int, body: str) -> None:
        """Keep the answer."""
        self._set(owner, key, status=status, body=body)

    def release_key(self, owner: str, key: str) -> None:
        """Let another try go on from the plan that was noted: this one failed after it."""
        self._set(owner, key, holder=UNCLAIMED)

    def forget(self, owner: str, key: str) -> None:
        """Give a key free: nothing was done under it."""
        with write_transaction(self.engine) as connection:
            connection.execute(
                delete(answered).where(answered.c.owner == owner, answered.c.key == key)
            )

    def _set(self, owner: str, key: str, **values: object) -> None:
        mine = (answered.c.owner == owner, answered.c.key == key)
        with write_transaction(self.engine) as connection:
            connection.execute(update(answered).where(*mine).values(**values))
