"""Datasets and plans of the working API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.working_api import ApiHarness, open_api
from trainer.server.context import ServerSettings
from trainer.storage.files import files_folder

ROWS = b"".join(
    json.dumps({"messages": [{"role": "user", "content": f"ask {n}"},
                             {"role": "assistant", "content": f"say {n}"}]}).encode() + b"\n"
    for n in range(30)
)  # fmt: skip


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
