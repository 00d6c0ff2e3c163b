"""The OpenAPI document: every field described, every example true, every status said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from advisor.api.app import planning_app
from advisor.api.route_docs import STATUSES

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = TestClient(planning_app()).get("/api/v1/openapi.json").json()
    return found


def _properties(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        for key, one in schema.get("properties", {}).items():
            yield f"{name}.{key}", one


def _operations(document: Document) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def test_every_field_has_a_description_and_an_example(document: Document) -> None:
    fields = dict(_properties(document))

    assert len(fields) > 400
    assert [name for name, one in fields.items() if not one.get("description", "").strip()] == []
    assert [name for name, one in fields.items() if len(one.get("examples", [])) != 1] == []


def test_every_example_fits_its_schema(document: Document) -> None:
    wrong = []
    for name, one in _properties(document):
        whole = {**one, "components": document["components"]}
        found = Draft202012Validator(whole).iter_errors(one["examples"][0])
        wrong += [f"{name}: {error.message[:90]}" for error in found]

    assert wrong == []


def test_every_parameter_has_a_description_and_an_example(document: Document) -> None:
    parameters = [one for operation in _operations(document) for one in operation.get("parameters", [])]  # fmt: skip

    assert len(parameters) > 10
    assert [one["name"] for one in parameters if not one.get("description")] == []
    assert [one["name"] for one in parameters
            if not (one.get("examples") or one["schema"].get("examples"))] == []  # fmt: skip


def test_every_operation_says_what_it_is_and_every_status_it_has(document: Document) -> None:
    named = {operation["operationId"]: operation for operation in _operations(document)}

    assert named.keys() == STATUSES.keys()
    for name, operation in named.items():
        assert operation["description"].endswith("."), name
        assert {int(status) for status in operation["responses"]} == {200, *STATUSES[name]}
        for status, response in operation["responses"].items():
            assert response["description"]
            assert int(status) < 400 or "application/problem+json" in response["content"]


def test_every_reference_leads_somewhere(document: Document) -> None:
    schemas = document["components"]["schemas"]

    named = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert len(named) > 40
    assert named <= schemas.keys()
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()


def test_a_request_names_no_file_and_may_leave_the_day_out(document: Document) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["DatasetInput"]["properties"]["path"]["type"] == "null"
    assert "required" not in schemas["ScenarioInput"]
    assert schemas["ScenarioInput"]["additionalProperties"] is False


def test_answers_fit_the_document(document: Document) -> None:
    client = TestClient(planning_app())
    asked = {"asked_on": "2026-11-20", "task": "classification"}
    bodies = {
        "Answer": client.post("/api/v1/recommend", json=asked),
        "ModelList": client.get("/api/v1/models"),
        "PriceList": client.get("/api/v1/prices"),
        "RuleList": client.get("/api/v1/rules"),
        "ErrorList": client.get("/api/v1/errors"),
        "Readiness": client.get("/readyz"),
        "Problem": client.get("/nowhere"),
    }

    for name, found in bodies.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        assert list(Draft202012Validator(whole).iter_errors(found.json())) == [], name


def test_the_document_is_the_same_each_time_and_has_a_tag() -> None:
    client = TestClient(planning_app())

    first, other = client.get("/api/v1/openapi.json"), TestClient(planning_app()).get("/api/v1/openapi.json")  # fmt: skip
    had = client.get("/api/v1/openapi.json", headers={"if-none-match": first.headers["etag"]})

    assert first.content == other.content
    assert (had.status_code, had.headers["etag"]) == (304, first.headers["etag"])
