"""The planning API: the library's bytes, limits that hold, and refusals that say what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from advisor.api import uploads as api_uploads
from advisor.api.app import planning_app
from advisor.api.routes import Encoding
from advisor.dataset.reader import profile_file
from advisor.dataset.tokenizers import ENCODINGS
from advisor.decision import sweep as engine
from advisor.decision.answer import canonical_json, recommend
from advisor.decision.checks import CHECKS
from advisor.loading import example_question, examples_folder, make_question, read_mapping

ASKED: dict[str, Any] = {"asked_on": "2026-11-20", "task": "classification",
                         "traffic": {"requests_per_month": 100_000}}  # fmt: skip
JSON = {"content-type": "application/json"}
ROW = '{"messages":[{"role":"user","content":"where is it"},{"role":"assistant","content":"here"}]}'
MIB = 1024**2


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(planning_app(most_upload_bytes=MIB), raise_server_exceptions=False)


def _example(name: str) -> dict[str, Any]:
    found = read_mapping(examples_folder() / f"{name}.yaml")
    mapping: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return mapping


@pytest.mark.parametrize("name", ["policy-faq", "too-little"])
def test_a_bundled_example_has_the_bytes_of_library_and_command_line(
    client: TestClient, name: str
) -> None:
    found = client.post("/api/v1/recommend", json=_example(name))

    cli = subprocess.run([sys.executable, "-m", "advisor", "demo", name, "--format", "json"],
                         capture_output=True, check=True).stdout  # fmt: skip
    assert found.content == canonical_json(recommend(example_question(name)))
    assert found.content + b"\n" == cli


def test_a_profile_given_back_stands_for_the_dataset(client: TestClient) -> None:
    mapping = _example("email-triage")
    file = examples_folder() / mapping["dataset"].pop("path")

    profile = client.post("/api/v1/profile", files={"file": (file.name, file.read_bytes())})
    body = {"question": mapping, "profile": profile.json()}
    found = client.post("/api/v1/recommend", json=body).json()

    expected = json.loads(canonical_json(recommend(example_question("email-triage"))))
    assert profile.content == canonical_json(profile_file(file))
    assert expected["question"]["dataset"].pop("path") == "data/email-triage.csv"
    assert found["question"]["dataset"].pop("path") is None
    assert found.pop("question_sha256") != expected.pop("question_sha256")
    assert found == expected


def test_estimate_returns_the_bills_of_the_command_line(client: TestClient, tmp_path: Path) -> None:
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps(ASKED))

    found = client.post("/api/v1/estimate", params={"option": "prompt:"}, json=ASKED)

    cli = subprocess.run([sys.executable, "-m", "advisor", "estimate", str(asked), "--option",
                          "prompt:", "--format", "json"], capture_output=True, check=True)  # fmt: skip
    assert found.content + b"\n" == cli.stdout
    assert {bill["approach"] for bill in found.json()} == {"prompt"}


@pytest.mark.parametrize(
    ("format_", "media"),
    [("json", "application/json"), ("focus", "text/csv; charset=utf-8"),
     ("html", "text/html; charset=utf-8"), ("markdown", "text/markdown; charset=utf-8")],
)  # fmt: skip
def test_a_bill_is_the_document_of_the_command_line(
    client: TestClient, tmp_path: Path, format_: str, media: str
) -> None:
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps(ASKED))
    option = "prompt:openai:gpt-5.6-luna"

    found = client.post("/api/v1/bill", params={"option": option, "format": format_}, json=ASKED)

    cli = subprocess.run([sys.executable, "-m", "advisor", "bill", str(asked), "--option", option,
                          "--format", format_], capture_output=True, check=True)  # fmt: skip
    assert found.headers["content-type"] == media
    assert found.content.rstrip() == cli.stdout.rstrip()


def test_nearest_changes_are_computed_on_request(client: TestClient) -> None:
    scenario = _example("policy-faq")

    answer = client.post("/api/v1/recommend?sensitivity=true", json=scenario)
    changes = client.post("/api/v1/sensitivity", json=scenario)
    same = client.post("/api/v1/sensitivity", json={"question": scenario})

    decision = answer.json()["decision"]
    assert decision["flips"]
    assert changes.json() == {key: decision[key] for key in ("recommended", "flips")}
    assert (same.headers["x-cache"], same.content) == ("hit", changes.content)
    assert changes.headers["etag"] != answer.headers["etag"]


def test_an_option_that_is_not_there_is_told_with_what_is(client: TestClient) -> None:
    found = client.post("/api/v1/estimate", params={"option": "magic"}, json=ASKED)

    assert (found.status_code, found.json()["code"]) == (422, "usage")
    assert found.json()["where"] == "query.option"
    assert found.json()["remedy"].startswith("Approaches: ")


def test_the_tag_spares_the_work_and_changes_with_the_question(client: TestClient) -> None:
    asked = ASKED | {"name": "tagged"}
    first = client.post("/api/v1/recommend", json=asked)
    again = client.post("/api/v1/recommend", json=asked)
    had = client.post("/api/v1/recommend", json=asked, headers={"if-none-match": f'"x", {first.headers["etag"]}'})  # fmt: skip
    other = client.post("/api/v1/recommend", json=asked | {"task": "other"})

    assert (first.headers["x-cache"], again.headers["x-cache"]) == ("miss", "hit")
    assert again.content == first.content
    assert (had.status_code, had.content) == (304, b"")
    assert had.headers["etag"] == first.headers["etag"] != other.headers["etag"]


def test_the_same_dataset_hash_with_other_numbers_is_another_answer(client: TestClient) -> None:
    profile = client.post("/api/v1/profile", content=f"{ROW}\n" * 60).json()
    forged = profile | {"completion_tokens_mean": 900.0}

    honest, other = (
        client.post("/api/v1/recommend", json={"question": ASKED, "profile": given})
        for given in (profile, forged)
    )

    assert honest.json()["dataset_sha256"] == other.json()["dataset_sha256"]
    assert honest.headers["etag"] != other.headers["etag"]
    assert (other.headers["x-cache"], honest.content == other.content) == ("miss", False)


def test_a_missing_day_is_today_and_is_listed_as_assumed() -> None:
    app = planning_app()
    app.state.planner.today = lambda: date(2026, 11, 20)

    found = TestClient(app).post("/api/v1/recommend", json={"task": "other"})

    expected = recommend(make_question({"task": "other"}, today=date(2026, 11, 20)))
    assert found.content == canonical_json(expected)
    assert found.json()["assumptions"][0]["path"] == "asked_on"


def test_text_that_broke_off_or_holds_nothing_is_told(client: TestClient) -> None:
    for body, says in [
        (b"{", "body: line 1 column 2: unexpected end of data. Send a JSON object in UTF-8."),
        (b"[]", "body: found a list instead of an object. Send a scenario as a JSON object."),
        (b'{"name": "\\ud800"}', "body: line 1 column 11: no low surrogate in string. "
                                 "Send a JSON object in UTF-8."),
        (b'{"name": "a\\u0000b"}', "body: found a null character in a text. Remove it."),
        (b'{"name": NaN}', "body: line 1 column 10: unexpected character, expected a JSON value. "
                           "Send a JSON object in UTF-8."),
        (b'{"name": ' + b"[" * 40 + b"]" * 40 + b"}", "body: nested more than 32 levels deep. "
                                                      "Send a scenario."),
    ]:  # fmt: skip
        found = client.post("/api/v1/recommend", content=body, headers=JSON)

        assert (found.status_code, found.json()["code"]) == (422, "request"), body
        assert found.headers["content-type"] == "application/problem+json"
        assert found.json()["detail"] == says


@pytest.mark.parametrize(
    ("body", "code", "where", "remedy"),
    [
        (ASKED | {"taks": "x"}, "scenario", "scenario: taks", "Did you mean 'task', 'tags', 'dataset'?"),
        ({"question": ASKED, "profil": {}}, "request", "body: profil", "Use 'question', 'profile' and 'rules'."),
        ({"question": 7}, "scenario", "question", "Send a scenario."),
        ({"question": ASKED, "profile": {"examples": 1}}, "request", "profile.rejected",
         "Send what /api/v1/openapi.json describes."),
        (ASKED | {"dataset": {"path": "/etc/hostname"}}, "path-refused", "dataset.path",
         "Set dataset.examples and the tokens, or send a profile."),
        (ASKED | {"traffic": {"requests_per_month": 1e300, "user_tokens": 1e300}}, "scenario",
         "scenario", "Use numbers of realistic size."),
        (ASKED | {"horizon_months": 1e-300}, "scenario", "scenario",
         "Use numbers of realistic size."),
    ],
    ids=["a slip", "a slip beside the question", "no mapping", "half a profile", "a path",
         "too large", "too small"],
)  # fmt: skip
def test_a_question_that_cannot_be_answered_is_told_with_place_and_remedy(
    client: TestClient, body: dict[str, Any], code: str, where: str, remedy: str
) -> None:
    found = client.post("/api/v1/recommend", json=body).json()

    assert (found["status"], found["code"], found["where"]) == (422, code, where)
    assert found["remedy"] == remedy
    assert found["detail"].endswith(remedy)


@pytest.mark.parametrize("change", [{"examples": -1}, {"percentiles": [[50, -4]]}, {"examples": 0},
                                    {"total_tokens": 2**60}])  # fmt: skip
def test_a_profile_with_impossible_counts_is_refused(
    client: TestClient, change: dict[str, Any]
) -> None:
    profile = client.post("/api/v1/profile", content=f"{ROW}\n").json() | change

    found = client.post("/api/v1/recommend", json={"question": ASKED, "profile": profile})

    assert (found.status_code, found.json()["code"]) == (422, "request")
    assert found.json()["where"] == f"profile.{next(iter(change))}"


def test_what_is_no_json_and_what_is_too_much_of_it_is_refused(client: TestClient) -> None:
    form = client.post("/api/v1/recommend", data={"task": "other"})
    large = client.post("/api/v1/recommend", content=b" " * (5 * MIB), headers=JSON)
    streamed = client.post("/api/v1/recommend", content=iter([b" " * MIB] * 5), headers=JSON)

    assert (form.status_code, form.json()["code"]) == (415, "media-type")
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    assert (streamed.status_code, streamed.json()["code"]) == (413, "too-large")


def test_an_unknown_path_or_method_is_a_problem_too(client: TestClient) -> None:
    lost, wrong = client.get("/api/v1/nothing"), client.get("/api/v1/recommend")

    assert (lost.status_code, lost.json()["code"]) == (404, "not-found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "wrong-method")
    assert wrong.headers["allow"] == "POST"


def test_a_fault_of_ours_tells_nothing_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    app = planning_app()

    def broken() -> date:
        raise RuntimeError("secret row")

    app.state.planner.today = broken

    found = TestClient(app).post("/api/v1/recommend?token=hidden", json={"name": "private"})

    told = json.loads(capsys.readouterr().err)
    assert (found.status_code, found.json()["code"]) == (500, "fault")
    assert re.fullmatch(r"RuntimeError at [\w.]*test_routes:\d+", told["fault"])
    assert told["status"] == 500
    assert not any(
        word in found.text + json.dumps(told) for word in ("secret", "hidden", "private")
    )


def test_one_line_of_log_a_request_and_nothing_that_was_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = TestClient(planning_app())

    named = client.get("/api/v1/prices?item=secret", headers={"x-request-id": "trace-7"})
    made = client.get("/somewhere/secret", headers={"x-request-id": "two words"})

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert named.headers["x-request-id"] == first.pop("id") == "trace-7"
    assert made.headers["x-request-id"] == second["id"] != "two words"
    assert {"milliseconds", "timestamp"} <= first.keys()
    wanted = ("event", "method", "route", "status", "bytes")
    assert [first[key] for key in wanted] == ["request", "GET", "/api/v1/prices", 200, len(named.content)]  # fmt: skip
    assert second["route"] == "unmatched"
    assert "secret" not in json.dumps([first, second])


def test_a_mounted_app_is_counted_by_its_routes_and_not_by_their_values() -> None:
    app, mounted = planning_app(), FastAPI()
    mounted.add_api_route("/models/{name}", lambda name: {"name": name})
    app.mount("/v1", mounted)
    client = TestClient(app)

    client.get("/v1/models/secret")

    metrics = client.get("/metrics").text
    assert 'requests_total{method="GET",route="/v1/models/{name}",status="200"} 1.0' in metrics
    assert "secret" not in metrics


def test_health_readiness_and_metrics_say_what_is_so() -> None:
    app = planning_app()
    app.state.planner.today = lambda: date(2026, 11, 20)
    client = TestClient(app)
    client.post("/api/v1/recommend", json=ASKED)
    client.post("/api/v1/profile", content=f"{ROW}\n")

    ready, metrics = client.get("/readyz").json(), client.get("/metrics").text

    assert client.get("/healthz").json()["status"] == "ok"
    assert ready["prices_sha256"] == app.state.planner.book.sha256
    read_on = date.fromisoformat(ready["oldest_read_on"])
    assert ready["age_days"] == (date(2026, 11, 20) - read_on).days > 0
    assert 0 < ready["stale"] < ready["prices"]
    assert 'requests_total{method="POST",route="/api/v1/recommend",status="200"} 1.0' in metrics
    assert "tune_or_not_answers_total 1.0" in metrics
    assert f"tune_or_not_received_bytes_total {len(ROW) + 1:.1f}" in metrics
    assert 'request_seconds_count{route="/api/v1/profile"} 1.0' in metrics


def test_prices_come_with_source_and_age(client: TestClient) -> None:
    found = client.get("/api/v1/prices", params={"item": "openai/gpt-4.1/", "on": "2026-11-20"})

    listed = {price["item"]: price for price in found.json()["prices"]}
    price = listed["openai/gpt-4.1/input"]
    read_on = date.fromisoformat(price["read_on"])
    assert all("openai/gpt-4.1/" in item for item in listed)
    assert (price["unit"], price["problem"]) == ("USD/1M tokens", None)
    assert float(price["value"]) > 0
    assert price["source"].startswith("http")
    assert price["age_days"] == (date(2026, 11, 20) - read_on).days
    assert price["stale"] == (price["age_days"] >= 30)


def test_a_price_that_nobody_published_is_listed_with_the_reason(client: TestClient) -> None:
    found = client.get("/api/v1/prices", params={"on": "2026-11-20"}).json()

    without = [price for price in found["prices"] if price["value"] is None]
    assert without
    assert all(price["problem"] and price["age_days"] is None for price in without)
    assert found["stale"] == sum(price["stale"] for price in found["prices"])


def test_models_say_what_they_can_do_until_when(client: TestClient) -> None:
    found = client.get("/api/v1/models", params={"name": "gpt-4.1"}).json()["models"]
    every = client.get("/api/v1/models").json()["models"]

    tuned = next(one for one in found if one["card"]["id"] == "openai/gpt-4.1")
    assert {"input", "output", "training"} <= set(tuned["priced"])
    at_azure = next(one for one in found if one["card"]["id"] == "azure/gpt-4.1")
    assert tuned["tuning"][0]["windows"][0]["source"]
    assert any(one["card"]["licence"] for one in every)
    assert any(one["card"]["shutdown_on"] for one in every)
    assert tuned["card"]["shutdown_on"] == tuned["card"]["available"]["until"] == "2027-01-14"
    assert tuned["card"]["replacement"] == tuned["card"]["available"]["replaced_by"]
    offers = [offer for one in (tuned, at_azure) for offer in one["tuning"]]
    ends = {offer["provider"]: offer["result_ends_on"] for offer in offers}
    assert ends == {"openai": "2027-01-14", "azure": "2027-10-14"}
    assert any(one["tuning"] for one in every if one["card"]["provider"] == "open")


def test_rules_hold_every_gate_and_every_rule_that_an_answer_named(client: TestClient) -> None:
    found = client.get("/api/v1/rules").json()

    codes = [rule["code"] for rule in found["rules"]]
    named = {
        out.rule for name in ("policy-faq", "too-little", "brand-voice")
        for out in recommend(example_question(name)).ruled_out
    }  # fmt: skip
    assert {check.code for check in CHECKS} <= set(codes)
    assert named <= set(codes)
    assert all(rule["sources"] and rule["case_for"] and rule["case_against"]
               for rule in found["rules"])  # fmt: skip
    assert found["evidence"]["kinds"]["labels"]["source"].startswith("http")


def test_errors_are_those_of_the_classes(client: TestClient) -> None:
    found = {one["code"]: one for one in client.get("/api/v1/errors").json()["errors"]}

    assert found["request"]["statuses"] == [400, 422]
    assert found["too-large"]["statuses"] == [413]
    assert found["unpriced"]["means"] == "The item is in the book, but its price is not published."  # fmt: skip
    assert found["scenario"]["what_to_do"] == "Correct the value at the path shown."
    assert "advisor-error" not in found


def test_only_known_encodings_are_counted_with_and_no_file_of_ours(
    client: TestClient, tmp_path: Path
) -> None:
    planted = tmp_path / "tokenizer.json"
    planted.write_text("{}")

    found = client.post("/api/v1/profile", params={"encoding": str(planted)}, content=ROW)

    assert set(Encoding.__args__) == set(ENCODINGS)  # type: ignore[attr-defined]
    assert (found.status_code, found.json()["where"]) == (422, "query.encoding")


def test_a_file_that_is_no_dataset_is_told_by_its_own_name(client: TestClient) -> None:
    named = client.post("/api/v1/profile", files={"file": ("../rows.txt", b"nothing")})
    raw = client.post("/api/v1/profile", content=b"")

    assert named.json()["where"] == "rows.txt"
    assert raw.json()["detail"] == "upload: the file is empty. Give at least one example."


def _form(*parts: tuple[str, bytes], end: bytes = b"--edge--\r\n") -> dict[str, Any]:
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="' + name.encode() + b"\r\n\r\n" + data
        + b"\r\n" for name, data in parts
    )  # fmt: skip
    return {"content": body + end,
            "headers": {"content-type": "multipart/form-data; boundary=edge"}}  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (_form(('file"; filename="a"', b"rows"), end=b""),
         "multipart body: the body ends before its last boundary. Send a complete multipart/form-data body."),
        (_form(('note"', b"rows")), "file: the form has no such field. Send the file in the field 'file'."),
        (_form(('file"; filename="a"', b"1"), ('file"; filename="b"', b"2")),
         "file: found a second file. Send one file per request."),
        (_form(('data"; filename="a"', b"1")),
         "data: found a file in this field. Send the file in the field 'file'."),
        (_form(('note"', b"\xff")), "note: this field is not UTF-8. Send UTF-8."),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}},
         "content-type: multipart/form-data without a boundary. Let your HTTP client set this header."),
        ({"content": b"garbage", "headers": {"content-type": "multipart/form-data; boundary=edge"}}, None),
    ],
    ids=["cut off", "no file", "two files", "another field", "not UTF-8", "no boundary", "garbage"],
)  # fmt: skip
def test_a_broken_form_is_a_400_and_leaves_nothing(
    client: TestClient, uploads: Path, sent: dict[str, Any], says: str | None
) -> None:
    found = client.post("/api/v1/profile", **sent)

    assert (found.status_code, found.json()["code"]) == (400, "request")
    assert says is None or found.json()["detail"] == says
    assert list(uploads.iterdir()) == []


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which this process makes its temporary folders."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("in_a_form", [True, False])
def test_a_file_above_the_limit_is_a_413_and_leaves_nothing(
    client: TestClient, uploads: Path, declared: bool, in_a_form: bool
) -> None:
    sent = _form(('file"; filename="a"', b"x" * (2 * MIB))) if in_a_form else {"content": b"x" * (2 * MIB)}  # fmt: skip
    body = sent.pop("content")
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))

    found = client.post("/api/v1/profile", content=body if declared else pieces, **sent)

    assert (found.status_code, found.json()["code"]) == (413, "too-large")
    assert found.json()["detail"].startswith("body: larger than 1,048,576 bytes.")
    assert list(uploads.iterdir()) == []


def test_a_file_of_just_the_limit_is_taken_in_a_form_and_raw(client: TestClient) -> None:
    rows = (f"{ROW}\n" * (MIB // len(ROW))).encode()[: MIB - len(ROW) - 1]
    rows = rows[: rows.rindex(b"\n") + 1]
    full = rows + b" " * (MIB - len(rows))

    form = client.post("/api/v1/profile", **_form(('file"; filename="a"', full)))
    raw = client.post("/api/v1/profile", content=full)
    over = client.post("/api/v1/profile", **_form(('file"; filename="a"', full + b" ")))

    assert (form.status_code, raw.status_code, over.status_code) == (200, 200, 413)
    assert form.content == raw.content


def test_text_fields_without_end_are_refused(client: TestClient, uploads: Path) -> None:
    long = client.post("/api/v1/profile", **_form(('note"', b"x" * 200_000)))
    many = client.post("/api/v1/profile", **_form(*((f'n{i}"', b"1") for i in range(40))))

    assert (long.status_code, many.status_code) == (413, 400)
    assert list(uploads.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(
    client: TestClient, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_uploads, "RESERVE_BYTES", 2**62)

    found = client.post("/api/v1/profile", content=ROW)

    assert (found.status_code, found.json()["code"]) == (413, "too-large")
    assert "no room" in found.json()["detail"]
    assert list(uploads.iterdir()) == []


def test_a_sweep_has_the_rows_of_single_answers(client: TestClient) -> None:
    axes = {"traffic.requests_per_month": [1_000, 1_000_000], "traffic.user_tokens": [50, 500]}

    found = client.post("/api/v1/sweep", json={"question": ASKED, "axes": axes, "win_share": True})

    columns = found.json()["columns"]
    alone = [
        client.post("/api/v1/recommend", json=ASKED | {"traffic": dict(zip(("requests_per_month", "user_tokens"), pair, strict=True))}).json()
        for pair in ((1_000, 50), (1_000, 500), (1_000_000, 50), (1_000_000, 500))
    ]  # fmt: skip
    assert found.json()["axes"] == axes
    assert found.json()["variants"] == 4
    assert columns["recommended"] == [one["decision"]["recommended"] for one in alone]
    assert columns["win_share"] == [one["decision"]["win_share"] for one in alone]


def test_a_list_of_variants_is_swept_and_tagged(client: TestClient) -> None:
    body = {"question": ASKED, "ranges": False,
            "variants": [{"dataset.examples": 0}, {"dataset.examples": 5000}]}  # fmt: skip

    found = client.post("/api/v1/sweep", json=body)
    had = client.post("/api/v1/sweep", json=body, headers={"if-none-match": found.headers["etag"]})
    other = client.post("/api/v1/sweep", json=body | {"ranges": True})

    assert (found.status_code, found.json()["variants"], had.status_code) == (200, 2, 304)
    assert len(found.json()["columns"]["recommended"]) == 2
    assert other.headers["etag"] != found.headers["etag"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "body: a sweep needs either 'axes' or 'variants'. Send one of the two."),
        ({"axes": {"a": [1]}, "variants": [{}]}, "body: a sweep needs either 'axes' or 'variants'. Send one of the two."),
        ({"axes": {}}, "body: axes: found no paths. Send path -> list of values."),
        ({"axes": {"a": []}}, "body: axes.a: expected a list of values. Send at least one value."),
        ({"variants": []}, "body: variants: expected a list of variants. Send a list of {path: value}."),
        ({"axes": {"a": [1] * 101, "b": [1] * 100}}, "body: found 10,100 variants. Send at most 10,000."),
        ({"axes": {c: [1] * 999 for c in "abcdefgh"}}, None),
        ({"variants": [{}] * 10_001}, "body: found 10,001 variants. Send at most 10,000."),
        ({"axes": {"dataset.path": ["/etc/hostname"]}}, "dataset.path: a request cannot name a file on the server. "
         "Set dataset.examples and the tokens, or send a profile."),
        ({"axes": {"horizon_months": [1]}, "rangs": True}, "body.rangs: Extra inputs are not permitted. "
         "Send what /api/v1/openapi.json describes."),
    ],
    ids=["neither", "both", "no axes", "no values", "no variants", "too many", "far too many",
         "too long a list", "a path", "a slip"],
)  # fmt: skip
def test_a_sweep_that_cannot_be_is_refused_before_it_is_made(
    client: TestClient, given: dict[str, Any], says: str | None
) -> None:
    found = client.post("/api/v1/sweep", json={"question": ASKED, **given})

    assert found.status_code == 422
    assert says is None or found.json()["detail"] == says
    assert engine.MAX_VARIANTS == 10_000


class Server(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    port: int
    folder: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, *flags: str) -> Server:
    port = _free_port()
    command = [sys.executable, "-m", "advisor", "serve", "--port", str(port), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "TMPDIR": str(folder)}, start_new_session=True)  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
        except OSError:
            time.sleep(0.25)
        else:
            return Server(process, url, port, folder)
    os.killpg(process.pid, signal.SIGKILL)  # workers hold the pipes open
    raise AssertionError(process.communicate())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = _start(tmp_path_factory.mktemp("uploads"), "--most-upload-mb", "100")
    yield started
    started.process.send_signal(signal.SIGINT)
    _, told = started.process.communicate(timeout=20)
    assert started.process.returncode == 0, told
    assert [line for line in told.splitlines() if "Traceback" in line] == []


def _most_resident(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _rows(size: int) -> Iterator[bytes]:
    """Write rows of one MiB a piece."""
    row = ROW.replace("where is it", "where is it " * 2000).encode() + b"\n"
    piece = row * (MIB // len(row))
    for _ in range(size // len(piece)):
        yield piece


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_large_file_is_received_in_flat_memory(server: Server) -> None:
    def profiled(size: int) -> dict[str, Any]:
        found = httpx2.post(f"{server.url}/api/v1/profile", content=_rows(size), timeout=120)
        answered: dict[str, Any] = found.json()
        return answered

    small = profiled(4 * MIB)
    before = _most_resident(server)
    large = profiled(60 * MIB)

    assert large["examples"] > 14 * small["examples"] > 0
    assert _most_resident(server) - before < 24 * 1024
    assert list(server.folder.iterdir()) == []


def test_a_server_refuses_what_passes_its_limit_and_goes_on(server: Server) -> None:
    declared = httpx2.post(f"{server.url}/api/v1/profile", content=b"x" * (101 * MIB), timeout=60)
    streamed = httpx2.post(f"{server.url}/api/v1/profile", content=_rows(110 * MIB), timeout=60)

    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert list(server.folder.iterdir()) == []
    assert httpx2.get(f"{server.url}/healthz").status_code == 200


def test_a_client_that_leaves_leaves_nothing(server: Server) -> None:
    head = b"POST /api/v1/profile HTTP/1.1\r\nHost: here\r\nContent-Length: 50000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as leaving:
        leaving.sendall(head + b"x" * MIB * 4)
        for _ in range(100):
            if list(server.folder.glob("*/*.part")):
                break
            time.sleep(0.05)
        assert list(server.folder.glob("*/*.part"))

    for _ in range(100):
        if not list(server.folder.iterdir()):
            break
        time.sleep(0.05)
    assert list(server.folder.iterdir()) == []


def test_a_real_server_gives_the_bytes_of_the_library(server: Server) -> None:
    found = httpx2.post(f"{server.url}/api/v1/recommend", json=_example("policy-faq"), timeout=60)

    assert found.content == canonical_json(recommend(example_question("policy-faq")))


def test_a_busy_port_is_told(server: Server) -> None:
    done = subprocess.run([sys.executable, "-m", "advisor", "serve", "--port", str(server.port)],
                          capture_output=True, text=True)  # fmt: skip

    says = f"advisor: --host 127.0.0.1 --port {server.port}: the port is in use. Use another one: --port N.\n"
    assert (done.returncode, done.stderr) == (2, says)


def _served_rules(served: Server) -> float:
    metrics = httpx2.get(f"{served.url}/metrics").text
    wanted = 'requests_total{method="GET",route="/api/v1/rules",status="200"} '
    return sum(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if wanted in line)


def test_several_workers_add_their_numbers_up_and_an_open_host_is_told(tmp_path: Path) -> None:
    served = _start(tmp_path, "--workers", "2", "--host", "0.0.0.0")
    try:
        for _ in range(8):
            httpx2.get(f"{served.url}/api/v1/rules")
        for _ in range(100):  # a request is counted once its answer is out
            counts = [_served_rules(served) for _ in range(4)]
            if counts == [8.0] * 4:
                break
            time.sleep(0.05)
    finally:
        served.process.send_signal(signal.SIGINT)
        shown, told = served.process.communicate(timeout=20)

    assert counts == [8.0] * 4
    assert served.process.returncode == 0
    assert "0.0.0.0 can be reached from other machines" in told
    assert f"http://0.0.0.0:{served.port}" in shown
    assert list(tmp_path.iterdir()) == []
