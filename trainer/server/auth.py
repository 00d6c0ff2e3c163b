"""A request -> its caller: the bearer token, the role it has, and how often it may ask.

A name in a request -> the thing it names, if this caller may see it; else it is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
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
    """More requests than the server takes from one caller."""

    code = "too-many-requests"
    http_status = 429


class RateLimiter:
    """Counts the requests of each caller over the last minute, in this process."""

    def __init__(self, requests_per_minute: int) -> None:
        self.limiter = MovingWindowRateLimiter(MemoryStorage())
        self.most = parse(f"{requests_per_minute}/minute")

    def take(self, token_id: str) -> None:
        """Count a request.

        Raises:
            TooManyRequests: there were too many of this token.
        """
        if not self.limiter.hit(self.most, "token", token_id):
            raise TooManyRequests(
                f"this token sent more than {self.most.amount} requests in a minute. Wait a minute."
            )

    def failed(self, address: str) -> None:
        """Count a token that is not known.

        Raises:
            TooManyRequests: there were too many from this address.
        """
        if not self.limiter.hit(FAILURES_PER_MINUTE, "failed", address):
            raise TooManyRequests(
                "too many tokens that are not known came from this address. Wait a minute."
            )


def require_role(role: Role) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """Make the dependency of routes that need a role."""

    async def caller(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Caller:
        if any("\0" in text for text in (request.url.path, *request.query_params.values())):
            raise RequestRefused("path", "found the character zero.", "Leave it out.")
        rates: RateLimiter = request.app.state.rates
        address = request.client.host if request.client else ""
        if given is None:
            raise UnknownToken(
                "no token was given. Send the header 'Authorization: Bearer TOKEN'; "
                "`trainer token make OWNER` makes one."
            )
        try:
            found = await run_in_threadpool(server_of(request).tokens.caller, given.credentials)
        except UnknownToken:
            rates.failed(address)
            raise
        rates.take(found.token_id)
        found.need(role)
        request.state.caller = found
        return found

    return caller


Viewer = Annotated[Caller, Depends(require_role("view"))]
Proposer = Annotated[Caller, Depends(require_role("propose"))]
Spender = Annotated[Caller, Depends(require_role("spend"))]
Admin = Annotated[Caller, Depends(require_role("admin"))]


class ResourceNotFound(TrainerError):
    """Nothing of this name is there for this caller."""

    code = "not-there"
    http_status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"{kind} '{name}': none of this name is there for you. "
            f"List what is there with GET /api/v1/{kind}s."
        )


def own_plan(server: ServerContext, plan_id: str, caller: Caller) -> TrainingPlan:
    """Find a plan.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    try:
        plan = server.context.store.plan(plan_id)
    except UsageError:
        raise ResourceNotFound("plan", plan_id) from None
    if plan.plan_id != plan_id or caller.owner_filter not in (None, plan.owner):
        raise ResourceNotFound("plan", plan_id)
    return plan


def own_run(server: ServerContext, run_id: str, caller: Caller) -> Run:
    """Find a run.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    try:
        run = server.context.store.run(run_id)
    except UsageError:
        raise ResourceNotFound("run", run_id) from None
    if run.run_id != run_id or caller.owner_filter not in (None, owner_of(server, run)):
        raise ResourceNotFound("run", run_id)
    return run


def owner_of(server: ServerContext, run: Run) -> str | None:
    """Return whose run it is; nobody's where it was started on the command line."""
    return server.context.store.plan(run.plan_id).owner


def own_versions(
    server: ServerContext, caller: Caller, name: str | None = None
) -> tuple[ModelVersion, ...]:
    """List the versions that this caller's runs made, or all for an admin."""
    listed = server.context.registry.listed(name)
    if caller.owner_filter is None:
        return listed
    mine = {run.run_id for run in server.context.store.listed(owner=caller.owner_filter)}
    return tuple(version for version in listed if version.run_id in mine)


def own_version(server: ServerContext, version_id: str, caller: Caller) -> ModelVersion:
    """Find a version.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    for version in own_versions(server, caller):
        if version.version_id == version_id:
            return version
    raise ResourceNotFound("version", version_id)
