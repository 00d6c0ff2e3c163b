"""Webhooks: a provider's signed call that a job changed makes its run due, no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from advisor.api.service import PlanningService
from tests.support.runs import RunHarness, open_run_harness
from trainer.run_states import Run
from trainer.server.app import create_app
from trainer.server.context import ServerSettings, open_server_context
from trainer.storage.database import open_database

SECRET = b"a secret that only the two of us know"
JOB = "ftjob-1"


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Iterator[RunHarness]:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.setenv("OWN_WEBHOOK_SECRET", "whsec_" + base64.b64encode(SECRET).decode())
    engine = open_database()
    yield open_run_harness(tmp_path, engine)
    engine.dispose()


@pytest.fixture
def client(desk: RunHarness) -> TestClient:
    server = open_server_context(desk.context, ServerSettings())
    return TestClient(create_app(server, PlanningService(desk.context.book)))


def _a_run(desk: RunHarness) -> Run:
    """A run whose job is running, and which is due in an hour."""
    run_id, _ = desk.context.store.start(desk.plan())
    lease = desk.context.store.take(run_id)
    for kind in ("validated", "reserved", "uploading"):
        desk.context.store.append(lease, kind)
    desk.context.store.append(lease, "uploaded", training="file-1", validation=None)
    desk.context.store.append(lease, "creating")
    run = desk.context.store.append(lease, "created", job_id=JOB)
    desk.context.store.release(lease, desk.clock.now() + 3600)
    return run


def _call(job: str = JOB, at: float | None = None, secret: bytes = SECRET) -> dict[str, object]:
    body = json.dumps({"type": "fine_tuning.job.succeeded", "data": {"id": job}})
    sent = str(int(at or time.time()))
    mark = hmac.new(secret, f"call-1.{sent}.{body}".encode(), hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mark).decode()
    headers = {"webhook-id": "call-1", "webhook-timestamp": sent, "webhook-signature": signature}
    return {"content": body, "headers": headers}


def _next_at(desk: RunHarness) -> float:
    return desk.context.store.listed()[0].next_at


def test_a_signed_call_makes_the_run_due_and_says_nothing_of_its_state(desk, client):
    run = _a_run(desk)

    said = client.post("/api/v1/webhooks/own", **_call())

    assert (said.status_code, said.json()) == (202, {"run_id": run.run_id})
    assert _next_at(desk) == 0.0
    assert desk.context.store.run(run.run_id).state == "created"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(_call(secret=b"somebody else"), id="wrong secret"),
        pytest.param(_call(at=time.time() - 600), id="ten minutes old"),
        pytest.param({**_call(), "content": '{"data": {"id": "ftjob-2"}}'}, id="other body"),
        pytest.param({"content": _call()["content"]}, id="not signed"),
        pytest.param({**_call(), "content": b"x" * 70_000}, id="too long"),
    ],
)
def test_a_call_that_is_not_signed_does_nothing(desk, client, call):
    _a_run(desk)
    before = _next_at(desk)

    said = client.post("/api/v1/webhooks/own", **call)

    assert (said.status_code, said.json()["code"]) == (401, "not-verified")
    assert _next_at(desk) == before > 0


def test_without_a_secret_no_call_is_believed(desk, client, monkeypatch):
    monkeypatch.delenv("OWN_WEBHOOK_SECRET")

    said = client.post("/api/v1/webhooks/own", **_call())

    assert (said.status_code, said.json()["code"]) == (409, "no-secret")


def test_a_job_of_another_provider_is_not_ours(desk, client, monkeypatch):
    _a_run(desk)
    monkeypatch.setenv("OTHER_WEBHOOK_SECRET", "whsec_" + base64.b64encode(SECRET).decode())

    said = client.post("/api/v1/webhooks/other", **_call())

    assert (said.status_code, said.json()) == (202, {"run_id": None})
    assert _next_at(desk) > 0
