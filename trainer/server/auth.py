"""Access control: the bearer token and role of a request, rate limits, and ownership.

A resource that belongs to another owner is reported as not found.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool

from advisor.api.errors import RequestRefused
from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan
from trainer.errors import TrainerError
from trainer.run_states import Run
from trainer.server.context import ServerContext, server_of
from trainer.storage.access_tokens import Caller, Role, UnknownToken
from trainer.storage.model_version import ModelVersion

FAILURES_PER_MINUTE = parse("20/minute")
bearer = HTTPBearer(auto_error=False, description="A token of `trainer token make`.")


class TooManyRequests(TrainerError):
    """More requests than the server accepts from one caller."""

    code = "too-many-requests"
    http_status = 429


class RateLimiter:
    """Counts the requests of each caller over the last minute, in this process."""

    def __init__(self, requests_per_minute: int) -> None:
        self.limiter = MovingWindowRateLimiter(MemoryStorage())
        self.limit = parse(f"{requests_per_minute}/minute")

    def take(self, token_id: str) -> None:
        """Count a request of a token, or raise TooManyRequests."""
        if not self.limiter.hit(self.limit, "token", token_id):
            raise TooManyRequests(
                f"this token sent more than {self.limit.amount} requests in a minute. "
                "Wait a minute."
            )

    def failed(self, address: str) -> None:
        """Count a request with an unknown token from an address, or raise TooManyRequests."""
        if not self.limiter.hit(FAILURES_PER_MINUTE, "failed", address):
            raise TooManyRequests("too many unknown tokens from this address. Wait a minute.")


def require_role(role: Role) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """Return the dependency of routes that need a role."""

    async def caller(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Caller:
        # PostgreSQL cannot store NUL in text, so no query may contain it
        if any("\0" in text for text in (request.url.path, *request.query_params.values())):
            raise RequestRefused("path", "found the NUL character.", "Remove it.")
        rates: RateLimiter = request.app.state.rates
        address = request.client.host if request.client else ""
        if given is None:
            raise UnknownToken(
                "no token. Send the header 'Authorization: Bearer TOKEN'; "
                "`trainer token make OWNER` creates one."
            )
        try:
            known = await run_in_threadpool(server_of(request).tokens.caller, given.credentials)
        except UnknownToken:
            rates.failed(address)
            raise
        rates.take(known.token_id)
        known.need(role)
        request.state.caller = known
        return known

    return caller


Viewer = Annotated[Caller, Depends(require_role("view"))]
Proposer = Annotated[Caller, Depends(require_role("propose"))]
Spender = Annotated[Caller, Depends(require_role("spend"))]
Admin = Annotated[Caller, Depends(require_role("admin"))]


class ResourceNotFound(TrainerError):
    """No such resource for this caller."""

    code = "not-there"
    http_status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} '{name}' not found. List them with GET /api/v1/{kind}s.")


def own_plan(server: ServerContext, plan_id: str, caller: Caller) -> TrainingPlan:
    """Return a plan by its complete id.

    Raises:
        ResourceNotFound: it does not exist, or has another owner.
    """
    with suppress(UsageError):
        plan = server.context.store.plan(plan_id)
        if plan.plan_id == plan_id and caller.owner_filter in (None, plan.owner):
            return plan
    raise ResourceNotFound("plan", plan_id)


def own_run(server: ServerContext, run_id: str, caller: Caller) -> Run:
    """Return a run by its complete id.

    Raises:
        ResourceNotFound: it does not exist, or has another owner.
    """
    with suppress(UsageError):
        run = server.context.store.run(run_id)
        owner = server.context.store.plan(run.plan_id).owner
        if run.run_id == run_id and caller.owner_filter in (None, owner):
            return run
    raise ResourceNotFound("run", run_id)


def own_run_ids(server: ServerContext, owner: str) -> set[str]:
    """Return the ids of the runs of an owner."""
    return {run.run_id for run in server.context.store.listed(owner=owner)}


def own_versions(
    server: ServerContext, caller: Caller, name: str | None = None
) -> tuple[ModelVersion, ...]:
    """List the versions that the caller's runs made, or all for an admin."""
    versions = server.context.registry.listed(name)
    if caller.owner_filter is None:
        return versions
    run_ids = own_run_ids(server, caller.owner_filter)
    return tuple(version for version in versions if version.run_id in run_ids)


def own_version(server: ServerContext, version_id: str, caller: Caller) -> ModelVersion:
    """Return a version by its id.

    Raises:
        ResourceNotFound: it does not exist, or has another owner.
    """
    for version in own_versions(server, caller):
        if version.version_id == version_id:
            return version
    raise ResourceNotFound("version", version_id)
