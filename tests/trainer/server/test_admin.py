"""Ledger, caps and access tokens over the working API."""

from __future__ import annotations

from tests.support.working_api import ApiHarness


def test_money_is_shown_to_whom_it_belongs_and_capped_by_an_admin(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    door.desk.look(run_id)

    mine = door.call("GET", "/ledger").json()
    capped = door.call("PUT", "/budget", ("root", "admin"),
                       json={"per_day_usd": "50", "total_usd": None})  # fmt: skip

    assert [one["subject"] for one in mine["entries"]] == [run_id]
    assert door.call("GET", "/ledger", ("b", "view")).json()["entries"] == []
    assert (capped.json()["per_day_cap_usd"], capped.json()["total_cap_usd"]) == ("50.00", None)


def test_an_admin_makes_and_ends_tokens(door: ApiHarness) -> None:
    made = door.call("POST", "/tokens", ("root", "admin"), json={"owner": "new", "role": "view"})
    bearer = {"Authorization": f"Bearer {made.json()['secret']}"}

    assert made.status_code == 201
    assert door.client.get("/api/v1/runs", headers=bearer).status_code == 200
    listed = door.call("GET", "/tokens", ("root", "admin"))
    assert made.json()["secret"] not in listed.text
    ended = door.call("DELETE", f"/tokens/{made.json()['token_id']}", ("root", "admin"))
    assert ended.status_code == 200
    assert door.client.get("/api/v1/runs", headers=bearer).status_code == 401
