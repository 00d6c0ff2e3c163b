"""The OpenAI surface for tests: a real server on loopback over a separate context."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import uvicorn
from starlette.applications import Starlette

from tests.support import tiny_models
from trainer.context import open_context
from trainer.runs.background import BackgroundReconciler
from trainer.server.app import PrefixDispatcher
from trainer.server.auth import RateLimiter
from trainer.server.context import ServerContext, ServerSettings, open_server_context
from trainer.server.openai.app import openai_app
from trainer.storage.access_tokens import Role

BASELINE_MODEL = "tfidf-logreg"
"""The TF-IDF baseline: its jobs take seconds and do not load torch."""


@dataclass
class OpenAIHarness:
    """A server, and the server context behind it."""

    url: str
    server: ServerContext
    driver: BackgroundReconciler
    folder: Path
    secrets: dict[tuple[str, Role], str] = field(default_factory=dict)
    clients: list[openai.OpenAI] = field(default_factory=list)
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60, trust_env=False))

    def token(self, owner: str = "ann", role: Role = "spend") -> str:
        """Return the token of an owner and role."""
        if (owner, role) not in self.secrets:
            self.secrets[(owner, role)] = self.server.tokens.make(owner, role)[1]
        return self.secrets[(owner, role)]

    def sdk(self, owner: str = "ann", role: Role = "spend") -> openai.OpenAI:
        """Return a client of the official SDK that validates responses strictly."""
        made = openai.OpenAI(base_url=self.url, api_key=self.token(owner, role), max_retries=0,
                             _strict_response_validation=True)  # fmt: skip
        self.clients.append(made)
        return made

    def call(self, method: str, path: str, owner: str = "ann", role: Role = "spend",
             **more: Any) -> httpx2.Response:  # fmt: skip
        """Send a request as an owner and role, without the SDK."""
        headers = {"Authorization": f"Bearer {self.token(owner, role)}", **more.pop("headers", {})}
        return self.http.request(method, f"{self.url}{path}", headers=headers, **more)

    def rows(self, rows: list[dict[str, Any]] | None = None, owner: str = "ann") -> str:
        """Upload rows; return the id of the file."""
        given = tiny_models.task_rows(40) if rows is None else rows
        text = "".join(json.dumps(row) + "\n" for row in given)
        sent = self.sdk(owner).files.create(file=("rows.jsonl", text.encode()), purpose="fine-tune")
        return sent.id

    def until(self, is_so: Callable[[], bool], seconds: float = 90.0) -> None:
        """Wait until a condition is true."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)


@contextmanager
def serve_openai_api(folder: Path, drives: bool = True, **settings: Any) -> Iterator[OpenAIHarness]:
    """Serve the surface; the background reconciler runs only if *drives*."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNE_OR_NOT_HOME", str(folder / "home"))
        patch.setenv("TUNE_OR_NOT_POLL_SECONDS", "0.2")
        patch.setenv("TUNE_OR_NOT_THREADS", "1")
        context = open_context()
        server = open_server_context(context, ServerSettings(**settings))
        driver = BackgroundReconciler(context)
        app = PrefixDispatcher(Starlette(), openai_app(server, RateLimiter(100_000)))
        listening = socket.create_server(("127.0.0.1", 0))
        http_server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=http_server.run, kwargs={"sockets": [listening]})
        thread.start()
        if drives:
            driver.start()
        port = listening.getsockname()[1]
        made = OpenAIHarness(f"http://127.0.0.1:{port}/v1", server, driver, folder)
        try:
            yield made
        finally:
            for client in (made.http, *made.clients):
                client.close()
            http_server.should_exit = True
            thread.join()
            listening.close()
            driver.stop()
            server.model_pool.close()
            context.store.engine.dispose()


def expect_error(
    surface: OpenAIHarness, status: int, method: str, path: str, **more: Any
) -> dict[str, Any]:
    """Send a request that fails; return the error."""
    found = surface.call(method, path, **more)
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return dict(error)


def job_body(surface: OpenAIHarness, **more: Any) -> dict[str, Any]:
    """Return the body of a job that trains the baseline on uploaded rows."""
    return {"model": BASELINE_MODEL, "training_file": surface.rows(), **more}
