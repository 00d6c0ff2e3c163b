"""Faults of a fake provider: kinds, frequencies, and the server process that has them."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

from tests.support.fakes.fireworks import ACCOUNT
from tests.support.fakes.http_server import FakeProvider, Fault, Request
from tests.support.fakes.openai import error_reply

LATE_SECONDS = 0.4


FAULT_DECK = (
    ["lost"] * 4
    + ["dropped"] * 6
    + ["error_after"] * 3
    + ["error"] * 2
    + ["limited"] * 2
    + ["late"] * 3
    + [None] * 30
)
"""Of 50 create requests: 8 % request lost, 12 % response lost, 6 % created with status 500, 4 %
500, 4 % 429, 6 % late by up to 0.4 s. Source: own choice, far worse than any provider."""


UPLOAD_DECK = ["cut"] * 2 + ["dropped"] * 2 + ["error"] * 2 + [None] * 49


CREATE_PATHS = (
    "/v1/fine_tuning/jobs",
    "/v1/fine-tunes",
    f"/v1/accounts/{ACCOUNT}/supervisedFineTuningJobs",
)


def deal_faults(seed: int) -> Callable[[Request], Fault | None]:
    """Return faults from shuffled decks, so that each kind has its exact share."""
    draw = random.Random(seed)
    decks: dict[str, list[str | None]] = {"create": [], "upload": []}

    def decide(request: Request) -> Fault | None:
        kind = _kind(request)
        if kind is None:
            return None
        if not decks[kind]:
            decks[kind] = draw.sample(
                FAULT_DECK if kind == "create" else UPLOAD_DECK,
                len(FAULT_DECK if kind == "create" else UPLOAD_DECK),
            )
        name = decks[kind].pop()
        if name is None:
            return None
        reply = (
            error_reply(429, "rate_limit_exceeded", "slow", "0.05") if name == "limited" else None
        )
        return Fault(name, share=draw.random(), seconds=draw.uniform(0, LATE_SECONDS), reply=reply)

    return decide


def _kind(request: Request) -> str | None:
    if request.method == "POST" and request.path in CREATE_PATHS:
        return "create"
    is_file = request.path == "/v1/files" or request.path.endswith(":upload")
    if (is_file and request.method == "POST") or request.path.startswith("/store/"):
        return "upload"
    return None


def serve_fake(make: Callable[[], FakeProvider], seed: int | None) -> tuple[int, str]:
    """Run a fake provider in its own process; without a seed it has no faults."""
    fake = make()
    if seed is not None:
        fake.fault = deal_faults(seed)
    pid = os.fork()
    if pid == 0:
        fake.serve()
        os._exit(0)
    fake._server.socket.close()
    return pid, fake.url


def stop_fake(pid: int) -> None:
    """Stop a fake provider."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def set_provider_url(provider: str, url: str) -> None:
    """Set URL and key of a provider in the environment."""
    os.environ[f"{provider.upper()}_BASE_URL"] = url
    os.environ[f"{provider.upper()}_API_KEY"] = "key-0123456789"
    os.environ["FIREWORKS_ACCOUNT_ID"] = ACCOUNT
