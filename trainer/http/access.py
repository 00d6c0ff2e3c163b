"""A request -> its caller: the bearer token, the role it has, and how often it may ask."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool

from advisor.api.refusals import RequestRefused
from trainer.errors import TrainerError
from trainer.http.front import front_of
from trainer.tokens import Caller, NotKnown, Role

FAILURES_PER_MINUTE = parse("20/minute")
bearer = HTTPBearer(auto_error=False, description="A token of `trainer token make`.")


class TooManyRequests(TrainerError):
    """More requests than the server takes from one caller."""

    code = "too-many-requests"
    http_status = 429


class Rates:
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
            raise TooManyRequests(f"this token sent more than {self.most.amount} requests in a "
                                  "minute. Wait a minute.")  # fmt: skip

    def failed(self, address: str) -> None:
        """Count a token that is not known.

        Raises:
            TooManyRequests: there were too many from this address.
        """
        if not self.limiter.hit(FAILURES_PER_MINUTE, "failed", address):
            raise TooManyRequests("too many tokens that are not known came from this address. "
                                  "Wait a minute.")  # fmt: skip


def needs(role: Role) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """Make the dependency of routes that need a role."""

    async def caller(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Caller:
        if any("\0" in text for text in (request.url.path, *request.query_params.values())):
            raise RequestRefused("path", "found the character zero.", "Leave it out.")
        rates: Rates = request.app.state.rates
        address = request.client.host if request.client else ""
        if given is None:
            raise NotKnown("no token was given. Send the header 'Authorization: Bearer TOKEN'; "
                           "`trainer token make OWNER` makes one.")  # fmt: skip
        try:
            found = await run_in_threadpool(front_of(request).tokens.caller, given.credentials)
        except NotKnown:
            rates.failed(address)
            raise
        rates.take(found.token_id)
        found.need(role)
        request.state.caller = found
        return found

    return caller


Viewer = Annotated[Caller, Depends(needs("view"))]
Proposer = Annotated[Caller, Depends(needs("propose"))]
Spender = Annotated[Caller, Depends(needs("spend"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
