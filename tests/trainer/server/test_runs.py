"""Runs over the working API: launch, ownership, audit, events, cancel, caps."""

from __future__ import annotations

import json

import pytest

from tests.support.runs import make_plan
from tests.support.working_api import ApiHarness
from trainer.errors import OverBudget
from trainer.run_states import JobEvent


def test_a_launch_needs_a_key_and_the_upper_amount(door: ApiHarness) -> None:
    plan_id = door.plan()

    bare = door.call("POST", f"/plans/{plan_id}/launch", json={"at_most_usd": "2"})
    little = door.launch(plan_id, usd="1.99")

    assert (bare.status_code, bare.json()["where"]) == (422, "Idempotency-Key")
    assert little.status_code == 409
    assert "it may cost up to $2.00, and $1.99 were agreed to" in little.json()["detail"]
    assert door.server.context.store.listed() == ()
    assert door.launch(plan_id).status_code == 202  # the key is free: nothing was done under it


def test_the_same_key_starts_one_run_and_gives_one_answer(door: ApiHarness) -> None:
    plan_id = door.plan()

    first, again = door.launch(plan_id), door.launch(plan_id)
    other_key = door.launch(plan_id, key="key-2")
    changed = door.launch(plan_id, usd="3.00")

    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert other_key.json()["run_id"] == first.json()["run_id"]
    assert (changed.status_code, changed.json()["code"]) == (400, "idempotency-key")
    assert len(door.server.context.store.listed()) == 1


def test_two_owners_with_the_same_rows_have_a_run_each(door: ApiHarness) -> None:
    mine, theirs = door.plan("a"), door.plan("b")

    first = door.launch(mine)
    second = door.launch(theirs, who=("b", "spend"))

    assert mine != theirs
    assert first.json()["run_id"] != second.json()["run_id"]
    assert door.launch(theirs, key="key-3").status_code == 404
    assert [run["run_id"] for run in door.call("GET", "/runs").json()] == [first.json()["run_id"]]
    assert len(door.call("GET", "/runs", ("root", "admin")).json()) == 2
    path = f"/runs/{second.json()['run_id']}"
    for method, tail in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        assert door.call(method, path + tail).status_code == 404


def test_rows_that_leave_need_a_word_of_their_own(door: ApiHarness) -> None:
    data = door.desk.data
    plan = make_plan(door.server.context.book, data, door.desk.clock, "together",
                  "Qwen/Qwen3-8B", owner="a")  # fmt: skip
    door.server.context.store.keep_plan(plan)

    shown = door.call("GET", f"/plans/{plan.plan_id}").json()["leaves"]
    found = door.launch(plan.plan_id)

    assert (shown["provider"], shown["rows"]) == ("together", data.rows)
    assert found.status_code == 409
    assert door.server.context.store.listed() == ()


def test_what_was_launched_is_in_the_audit_log_with_its_amount(door: ApiHarness) -> None:
    plan_id = door.plan()
    door.launch(plan_id)

    lines = door.call("GET", "/audit", ("root", "admin")).json()

    assert [(one["owner"], one["action"], one["subject"], one["usd"]) for one in lines] == [
        ("a", "launch", plan_id, "2.00")]  # fmt: skip


def test_looking_never_spends(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    before = door.server.context.store.run(run_id).events

    for path in ("/runs", f"/runs/{run_id}", f"/runs/{run_id}/events", "/ledger", "/versions"):
        assert door.call("GET", path).status_code == 200

    assert door.server.context.store.run(run_id).events == before
    assert door.server.context.ledger.entries() == ()


def test_events_are_told_in_one_order_and_gone_on_with_after_the_last(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    store = door.server.context.store
    store.keep_job_events(run_id, [
        JobEvent("1", 5.0, "metric", "info", "step 1", {"train_loss": 1.5}),
        JobEvent("2", 6.0, "log", "info", "saved", {}),
    ])  # fmt: skip
    store.note(run_id, "cancel_asked")

    found = door.call("GET", f"/runs/{run_id}/events").json()
    later = door.call("GET", f"/runs/{run_id}/events?after=2").json()

    assert [(one["seq"], one["event"]) for one in found] == [
        (1, "state"), (2, "metric"), (3, "log"), (4, "log")]  # fmt: skip
    assert found[1]["body"]["train_loss"] == 1.5
    assert later == found[2:]


def test_a_stream_of_events_ends_with_the_run_and_resumes_where_it_broke(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    door.server.context.store.note(run_id, "cancel_asked")
    door.desk.go(run_id)

    def told(**headers: str) -> list[dict[str, str]]:
        found = door.call("GET", f"/runs/{run_id}/events",
                          headers={"Accept": "text/event-stream", **headers})  # fmt: skip
        assert found.headers["content-type"].startswith("text/event-stream")
        return [dict(line.split(": ", 1) for line in block.splitlines())
                for block in found.text.strip().split("\n\n")]  # fmt: skip

    whole = told()
    rest = told(**{"Last-Event-ID": whole[1]["id"]})

    assert [one["id"] for one in whole] == [str(n + 1) for n in range(len(whole))]
    assert whole[0]["event"] == "state"
    assert json.loads(whole[-1]["data"])["kind"] == "settled"
    assert rest == whole[2:]


def test_a_run_is_cancelled_before_anything_was_paid(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]

    asked = door.call("POST", f"/runs/{run_id}/cancel")
    door.desk.go(run_id)
    after = door.call("GET", f"/runs/{run_id}").json()
    again = door.call("POST", f"/runs/{run_id}/cancel")

    assert asked.status_code == 202
    assert (after["state"], after["outcome"], after["spent_usd"]) == (
        "settled", "cancelled", None)  # fmt: skip
    assert again.status_code == 409


def test_a_run_over_the_cap_of_the_day_says_why_it_waits_and_goes_on_later(
    door: ApiHarness,
) -> None:
    caps = {"per_day_usd": "1", "total_usd": None}
    door.call("PUT", "/budget", ("root", "admin"), json=caps)
    run_id = door.launch(door.plan()).json()["run_id"]
    for _ in range(2):
        with pytest.raises(OverBudget):
            door.desk.look(run_id)

    waits = door.call("GET", f"/runs/{run_id}").json()
    kinds = [one["kind"] for one in door.call("GET", f"/runs/{run_id}/events").json()]

    assert "would exceed the daily cap: $0.00 reserved or spent" in waits["problem"]
    assert kinds.count("refused") == 1
    door.call("PUT", "/budget", ("root", "admin"), json={**caps, "per_day_usd": "9"})
    door.desk.look(run_id)
    assert door.call("GET", f"/runs/{run_id}").json()["reserved_usd"] == "2.00"
