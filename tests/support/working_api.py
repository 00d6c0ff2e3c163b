"""A working API for tests: its app over a separate context, with tokens of several owners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from advisor.api.service import PlanningService
from tests.support.runs import RunHarness, open_run_harness
from trainer.server.app import create_app
from trainer.server.context import ServerContext, ServerSettings, open_server_context
from trainer.storage.access_tokens import Role

SPENDER: tuple[str, Role] = ("a", "spend")


@dataclass
class ApiHarness:
    """A client of the app, and the server context behind it."""

    client: TestClient
    server: ServerContext
    desk: RunHarness
    secrets: dict[tuple[str, Role], str] = field(default_factory=dict)

    def bearer(self, who: tuple[str, Role]) -> dict[str, str]:
        """Return the header with the token of an owner and role."""
        if who not in self.secrets:
            self.secrets[who] = self.server.tokens.make(*who)[1]
        return {"Authorization": f"Bearer {self.secrets[who]}"}

    def call(
        self, method: str, path: str, who: tuple[str, Role] = SPENDER, **more: Any
    ) -> Response:
        """Send a request as an owner and role."""
        headers = {**self.bearer(who), **more.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    def plan(self, owner: str | None = "a", **more: Any) -> str:
        """Store a plan of an owner; return its id."""
        made = self.desk.plan(owner=owner, **more)
        self.desk.context.store.keep_plan(made)
        return made.plan_id

    def launch(self, plan_id: str, key: str = "key-1", usd: str = "2.00", **more: Any) -> Response:
        """Launch a plan under a key."""
        return self.call("POST", f"/plans/{plan_id}/launch", json={"at_most_usd": usd},
                         headers={"Idempotency-Key": key}, **more)  # fmt: skip


@contextmanager
def open_api(
    folder: Path, settings: ServerSettings | None = None, drives: bool = False
) -> Iterator[ApiHarness]:
    """Open the app; the background reconciler runs only if *drives*."""
    desk = open_run_harness(folder)
    server = open_server_context(desk.context, settings or ServerSettings())
    client = TestClient(
        create_app(server, PlanningService(desk.context.book)), raise_server_exceptions=False
    )
    try:
        if drives:
            with client:
                yield ApiHarness(client, server, desk)
        else:
            yield ApiHarness(client, server, desk)
    finally:
        server.model_pool.close()
        desk.context.store.engine.dispose()
