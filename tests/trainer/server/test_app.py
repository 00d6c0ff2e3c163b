"""The working API as an app: readiness, its OpenAPI document, the background reconciler."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.working_api import ApiHarness, open_api


def test_it_says_that_it_is_ready_and_what_it_offers(door: ApiHarness) -> None:
    ready = door.client.get("/readyz")
    document = door.client.get("/api/v1/openapi.json").json()

    assert (ready.status_code, ready.json()["schema_version"]) == (200, "0003")
    assert {"/api/v1/recommend", "/api/v1/plans/{plan_id}/launch", "/api/v1/runs/{run_id}/events",
            "/healthz"} <= set(document["paths"])  # fmt: skip
    assert not any(path.startswith("/v1") for path in document["paths"])


def test_a_database_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    with open_api(tmp_path) as door:
        door.server.context.store.engine.dispose()
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        (tmp_path / "state.db").mkdir()

        found = door.client.get("/readyz")

    assert (found.status_code, found.json()["code"]) == (503, "not-ready")
    assert "free the database" in found.json()["detail"]


def test_every_field_of_the_document_says_what_it_is_with_an_example(door: ApiHarness) -> None:
    schemas = door.client.get("/api/v1/openapi.json").json()["components"]["schemas"]
    fields = {(name, key): field for name, schema in schemas.items()
              for key, field in schema.get("properties", {}).items()}  # fmt: skip

    bare = [where for where, field in fields.items() if "description" not in field]
    without = [where for where, field in fields.items()
               if not {"example", "examples", "$ref", "const"} & field.keys()]  # fmt: skip
    assert len(fields) > 250
    assert bare == []
    assert without == []


def test_the_driver_brings_a_launched_run_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_API_KEY", "no-key-at-all")
    with open_api(tmp_path, drives=True) as door:
        run_id = door.launch(door.plan()).json()["run_id"]
        until = time.monotonic() + 30
        kinds: list[str] = []
        while "reserved" not in kinds and time.monotonic() < until:
            time.sleep(0.1)
            found = door.call("GET", f"/runs/{run_id}/events").json()
            kinds = [one["kind"] for one in found]

    assert "reserved" in kinds
