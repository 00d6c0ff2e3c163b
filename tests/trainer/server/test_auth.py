"""Access tokens of the working API: roles, guesses, rate limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.working_api import ApiHarness, open_api
from trainer.server.context import ServerSettings
from trainer.storage.access_tokens import Role

GETS = ["/datasets", "/runs", "/versions", "/ledger", "/deployments", "/models", "/prices"]


@pytest.mark.parametrize("path", GETS)
def test_nothing_is_told_without_a_token(door: ApiHarness, path: str) -> None:
    found = door.client.get(f"/api/v1{path}")

    assert found.status_code == 401
    assert found.headers["content-type"] == "application/problem+json"
    assert found.json()["code"] == "not-known"
    assert "trainer token make" in found.json()["detail"]


@pytest.mark.parametrize("path", GETS)
def test_a_viewer_may_look(door: ApiHarness, path: str) -> None:
    assert door.call("GET", path, ("v", "view")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "least"),
    [
        ("POST", "/datasets", None, "propose"),
        ("POST", "/plans", {"question": {}, "dataset_id": "x"}, "propose"),
        ("POST", "/plans/x/launch", {"at_most_usd": "1"}, "spend"),
        ("POST", "/runs/x/cancel", None, "spend"),
        ("POST", "/versions/x/promote", {}, "spend"),
        ("POST", "/deployments/x/stop", None, "spend"),
        ("PUT", "/budget", {"per_day_usd": None, "total_usd": None}, "admin"),
        ("GET", "/tokens", None, "admin"),
        ("POST", "/tokens", {"owner": "x", "role": "view"}, "admin"),
        ("DELETE", "/tokens/x", None, "admin"),
        ("GET", "/audit", None, "admin"),
    ],
)
def test_a_role_goes_as_far_as_it_goes(
    door: ApiHarness, method: str, path: str, body: object, least: Role
) -> None:
    below: dict[Role, Role] = {"propose": "view", "spend": "propose", "admin": "spend"}

    found = door.call(method, path, ("a", below[least]), json=body)

    assert found.status_code == 403
    assert found.json()["code"] == "role-too-low"
    assert door.call(method, path, ("a", least), json=body).status_code != 403


def test_guessing_tokens_is_slowed_down(door: ApiHarness) -> None:
    found = [door.client.get("/api/v1/runs", headers={"Authorization": f"Bearer no-{n}"})
             for n in range(21)]  # fmt: skip

    assert [one.status_code for one in found] == [401] * 20 + [429]
    assert door.call("GET", "/runs").status_code == 200  # who is known goes on


def test_a_token_has_so_many_requests_a_minute(tmp_path: Path) -> None:
    with open_api(tmp_path, ServerSettings(requests_per_minute=3)) as door:
        found = [door.call("GET", "/runs").status_code for _ in range(4)]
        other = door.call("GET", "/runs", ("b", "view")).status_code

    assert found == [200, 200, 200, 429]
    assert other == 200
