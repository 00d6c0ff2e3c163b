"""The working API: tokens and owners, datasets and plans, launches, runs, events, money."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.runs import make_plan
from tests.support.working_api import ApiHarness, open_api
from trainer.errors import OverBudget
from trainer.run_states import JobEvent
from trainer.server.context import ServerSettings
from trainer.storage.access_tokens import Role
from trainer.storage.files import files_folder
from trainer.storage.model_version import ModelVersionInput

ROWS = b"".join(
    json.dumps({"messages": [{"role": "user", "content": f"ask {n}"},
                             {"role": "assistant", "content": f"say {n}"}]}).encode() + b"\n"
    for n in range(30)
)  # fmt: skip


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiHarness]:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OWN_API_KEY", "no-key-at-all")
    with open_api(tmp_path) as opened:
        yield opened


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


def test_rows_are_kept_and_profiled_for_their_owner_alone(door: ApiHarness) -> None:
    kept = door.call("POST", "/datasets", files={"file": ("tickets.jsonl", ROWS)})
    name = kept.json()["dataset_id"]

    assert kept.status_code == 201
    assert (kept.json()["filename"], kept.json()["bytes"]) == ("tickets.jsonl", len(ROWS))
    assert door.call("GET", f"/datasets/{name}/profile").json()["examples"] == 30
    assert door.call("GET", "/datasets").json() == [kept.json()]
    for method, path in (("GET", ""), ("GET", "/profile"), ("DELETE", "")):
        found = door.call(method, f"/datasets/{name}{path}", ("b", "spend"))
        assert found.status_code == 404
    assert door.call("GET", "/datasets", ("b", "view")).json() == []
    assert door.call("GET", "/datasets", ("root", "admin")).json() == [kept.json()]
    assert door.call("DELETE", f"/datasets/{name}").status_code == 200
    assert door.call("GET", f"/datasets/{name}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/runs/%00", "/plans/a%00", "/versions?name=%00", "/datasets/%00"]
)
def test_the_character_zero_is_no_fault_of_either_database(door: ApiHarness, path: str) -> None:
    found = door.call("GET", path)

    assert (found.status_code, found.json()["code"]) == (422, "request")


def test_a_deleted_file_leaves_no_bytes(door: ApiHarness) -> None:
    table = b"question,answer\nwhere is it,late\nhow much,price\n"
    kept = door.call("POST", "/datasets", files={"file": ("rows.csv", table)}).json()
    path = f"/datasets/{kept['dataset_id']}"

    assert door.call("GET", f"{path}/profile").json()["examples"] == 2
    assert len(list(files_folder().glob(f"{kept['dataset_id']}*"))) == 2
    door.call("DELETE", path)

    assert list(files_folder().glob(f"{kept['dataset_id']}*")) == []


def test_a_file_above_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with open_api(tmp_path, ServerSettings(max_file_bytes=100)) as door:
        found = door.call("POST", "/datasets", files={"file": ("x.jsonl", ROWS)})

        assert found.status_code == 413
        assert door.call("GET", "/datasets").json() == []
        assert door.server.file_store.listed(None) == ()


def _baseline(door: ApiHarness, **more: object) -> dict[str, object]:
    rows = b"".join(json.dumps({"messages": [{"role": "user", "content": f"word{n % 3} {n}"},
                                             {"role": "assistant", "content": f"l{n % 3}"}]}
                               ).encode() + b"\n" for n in range(60))  # fmt: skip
    name = door.call("POST", "/datasets", files={"file": ("t.jsonl", rows)}).json()["dataset_id"]
    return {"question": {"task": "classification"}, "dataset_id": name,
            "option": "encoder:local:tfidf-logreg", **more}  # fmt: skip


def test_a_plan_says_what_a_launch_has_to_agree_to(door: ApiHarness) -> None:
    made = door.call("POST", "/plans", json=_baseline(door, suffix="triage"))

    assert made.status_code == 201, made.text
    body = made.json()
    assert body["plan"]["owner"] == "a"
    assert body["at_most_usd"] == body["plan"]["figure"]["at_most"]
    assert (body["leaves"], body["run_id"]) == (None, None)
    assert door.call("GET", f"/plans/{body['plan_id']}").json() == body
    assert door.call("GET", f"/plans/{body['plan_id']}", ("b", "spend")).status_code == 404
    assert door.call("GET", f"/plans/{body['plan_id'][:12]}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"question": {"dataset": {"path": "/etc/passwd"}}}, "path-refused"),
        ({"dataset_id": "file-of-somebody"}, "no-such-file"),
        ({"base": "no-such-base", "option": "lora:local:x"}, "usage"),
        ({"question": {"trafic": {}}, "option": None}, "scenario"),
        ({"cap_usd": "0.000001"}, "usage"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(
    door: ApiHarness, changes: dict[str, object], says: str
) -> None:
    found = door.call("POST", "/plans", json=_baseline(door, **changes))

    assert found.json()["code"] == says, found.text
    assert found.status_code in (404, 422)


def test_a_launch_needs_a_key_and_the_upper_amount(door: ApiHarness) -> None:
    plan_id = door.plan()

    bare = door.call("POST", f"/plans/{plan_id}/launch", json={"at_most_usd": "2"})
    little = door.launch(plan_id, usd="1.99")

    assert (bare.status_code, bare.json()["where"]) == (422, "Idempotency-Key")
    assert little.status_code == 409
    assert "it may cost up to 2.00 USD, and 1.99 USD were agreed to" in little.json()["detail"]
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


def test_a_version_is_shown_with_its_cost_and_shutdown_day(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    plan_id = door.server.context.store.run(run_id).plan_id
    door.server.context.registry.register(
        run_id,
        "triage",
        ModelVersionInput(
            plan_id, "own", "base", "d", "s", "model", "remote",
            usd=Decimal("1.10"), shutdown_on=date(2027, 1, 14),
        ),
    )  # fmt: skip

    (shown,) = door.call("GET", "/versions").json()

    assert (shown["version_id"], shown["stage"]) == ("triage-v1", "candidate")
    assert (shown["usd"], shown["shutdown_on"]) == ("1.10", "2027-01-14")
    assert (shown["verdict"], shown["evaluation"]) == ("", None)


def test_money_is_shown_to_whom_it_belongs_and_capped_by_an_admin(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    door.desk.look(run_id)

    mine = door.call("GET", "/ledger").json()
    capped = door.call("PUT", "/budget", ("root", "admin"),
                       json={"per_day_usd": "50", "total_usd": None})  # fmt: skip

    assert [one["subject"] for one in mine["entries"]] == [run_id]
    assert door.call("GET", "/ledger", ("b", "view")).json()["entries"] == []
    assert (capped.json()["per_day_cap_usd"], capped.json()["total_cap_usd"]) == ("50.00", None)


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
