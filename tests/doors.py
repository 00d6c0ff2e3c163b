"""A working API for tests: its app over an office of its own, and tokens of several owners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from advisor.api.planner import Planner
from tests.runs import Desk, a_desk
from trainer.http.app import working_app
from trainer.http.front import Front, Settings, open_front
from trainer.tokens import Role

SPENDER: tuple[str, Role] = ("a", "spend")


@dataclass
class Door:
    """A client of the app, and what is behind it."""

    client: TestClient
    front: Front
    desk: Desk
    secrets: dict[tuple[str, Role], str] = field(default_factory=dict)

    def bearer(self, who: tuple[str, Role]) -> dict[str, str]:
        """Return the header of somebody's token."""
        if who not in self.secrets:
            self.secrets[who] = self.front.tokens.make(*who)[1]
        return {"Authorization": f"Bearer {self.secrets[who]}"}

    def call(
        self, method: str, path: str, who: tuple[str, Role] = SPENDER, **more: Any
    ) -> Response:
        """Send a request as somebody."""
        headers = {**self.bearer(who), **more.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    def plan(self, owner: str | None = "a", **more: Any) -> str:
        """Keep a plan of an owner; return its name."""
        made = self.desk.plan(owner=owner, **more)
        self.desk.office.store.keep_plan(made)
        return made.plan_id

    def launch(self, plan_id: str, key: str = "key-1", usd: str = "2.00", **more: Any) -> Response:
        """Launch a plan under a key."""
        return self.call("POST", f"/plans/{plan_id}/launch", json={"at_most_usd": usd},
                         headers={"Idempotency-Key": key}, **more)  # fmt: skip


@contextmanager
def a_door(folder: Path, settings: Settings | None = None, drives: bool = False) -> Iterator[Door]:
    """Open the app; its driver works only where a test wants that."""
    desk = a_desk(folder)
    front = open_front(desk.office, settings or Settings())
    client = TestClient(
        working_app(front, Planner(desk.office.book)), raise_server_exceptions=False
    )
    try:
        if drives:
            with client:
                yield Door(client, front, desk)
        else:
            yield Door(client, front, desk)
    finally:
        front.talkers.close()
        desk.office.store.engine.dispose()
