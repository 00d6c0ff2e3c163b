"""The OpenAPI document of an app: request schemas, descriptions, and examples for every field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from advisor.api.errors import Problem
from advisor.api.interview import InterviewRequest
from advisor.api.route_docs import INPUT_SUFFIX, SCHEMAS
from advisor.api.routes import AnswerExtras
from advisor.api.service import QuestionRequest
from advisor.api.sweep import SweepRequest
from advisor.loading import examples_folder, read_mapping
from advisor.scenario.scenario import Scenario

Schema = dict[str, Any]
FORMAT_EXAMPLES = {"date": "2026-11-20", "decimal": "1.25", "binary": "rows"}
SCALAR_EXAMPLES: dict[str, Any] = {"boolean": False, "null": None}
RECORD_DESCRIPTIONS = {"LabourHours": "Hours of work to set this approach up: low, likely, high."}
"""Records whose fields all have the same description."""
MAX_EXAMPLE_DEPTH = 6
EXAMPLE_SCENARIO = "policy-faq"
"""Bundled scenario in the request bodies; it names no dataset file."""
TAGS = [
    {"name": "planning", "description": "Questions and answers; the server stores none of them."},
    {"name": "watching", "description": "Health, readiness, metrics and this document."},
]


class RecommendRequest(QuestionRequest, AnswerExtras):
    """A question, and additions to its answer."""


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an app that has the planning routes."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        routes=app.routes,
        tags=TAGS,
        description="Prompt, retrieve, fine-tune or LoRA: what each costs, and which to choose.",
    )
    schemas: dict[str, Schema] = document["components"]["schemas"]
    schemas |= _request_schemas()
    _, problem = models_json_schema([(Problem, "serialization")], ref_template=SCHEMAS + "{model}")
    schemas |= problem["$defs"]
    _drop_validation_errors(document, schemas)
    _add_examples(schemas)
    _add_body_example(document)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _request_schemas() -> dict[str, Schema]:
    """Return the schemas of request bodies. The date has a default; files cannot be named."""
    kinds: Sequence[type[BaseModel]] = (
        Scenario,
        QuestionRequest,
        RecommendRequest,
        SweepRequest,
        InterviewRequest,
    )
    template = SCHEMAS + "{model}" + INPUT_SUFFIX
    _, schemas = models_json_schema([(kind, "validation") for kind in kinds], ref_template=template)
    requests = {f"{name}{INPUT_SUFFIX}": schema for name, schema in schemas["$defs"].items()}
    del requests[f"Scenario{INPUT_SUFFIX}"]["required"]
    path = {"type": "null", "description": "A request cannot name a file on the server."}
    requests[f"Dataset{INPUT_SUFFIX}"]["properties"]["path"] = path
    return requests


def _drop_validation_errors(document: dict[str, Any], schemas: dict[str, Schema]) -> None:
    """Remove FastAPI's own error schema: every error here is a problem."""
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            body = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in body:
                del operation["responses"]["422"]


def _add_examples(schemas: dict[str, Schema]) -> None:
    """Add an example to every property, and a description where the property has none."""
    for name, schema in schemas.items():
        for field in schema.get("properties", {}).values():
            field.setdefault("examples", [example_value(field, schemas)])
            referred = schemas[_name(field)] if "$ref" in field else {}
            description = RECORD_DESCRIPTIONS.get(name) or referred.get("description")
            if description:
                field.setdefault("description", description)


def _add_body_example(document: dict[str, Any]) -> None:
    scenario = json.loads(
        json.dumps(read_mapping(examples_folder() / f"{EXAMPLE_SCENARIO}.yaml"), default=str)
    )
    for operation, example in {
        "recommend": scenario,
        "sensitivity": scenario,
        "estimate": scenario,
        "bill": scenario,
        "sweep": {
            "question": scenario,
            "axes": {"traffic.requests_per_month": [10_000, 1_000_000]},
        },
        "interview": {"question": scenario, "answers": {"target": 90}},
    }.items():
        body = document["paths"][f"/api/v1/{operation}"]["post"]["requestBody"]
        body["content"]["application/json"]["example"] = example


def example_value(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> Any:
    """Return a value that a schema allows.

    >>> example_value({"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]}, {})
    2
    """
    if "$ref" in schema:
        return example_value(schemas[_name(schema)], schemas, depth)
    fixed = (schema.get("const"), schema.get("default"), *schema.get("enum", ()))
    for value in fixed:
        if value is not None:
            return orjson.loads(orjson.dumps(value))
    if "anyOf" in schema:
        return example_value(schema["anyOf"][0], schemas, depth)
    kind = schema.get("type", "string")
    if kind == "object":
        fields = schema.get("properties", {})
        required = schema.get("required", ()) if depth < MAX_EXAMPLE_DEPTH else ()
        return {key: example_value(fields[key], schemas, depth + 1) for key in required}
    if kind == "array":
        items = schema.get("prefixItems")
        if items is None:
            is_shown = depth < MAX_EXAMPLE_DEPTH and "items" in schema
            items = [schema["items"]] * schema.get("minItems", 1) if is_shown else []
        return [example_value(item, schemas, depth + 1) for item in items]
    return _scalar_example(schema, kind)


def _scalar_example(schema: Schema, kind: str) -> Any:
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 1)
    if kind != "string":
        return SCALAR_EXAMPLES[kind]
    if "\\d" in schema.get("pattern", ""):
        return FORMAT_EXAMPLES["decimal"]  # pydantic writes decimals as a pattern
    text = "text" * (1 + schema.get("minLength", 0) // 4)
    return FORMAT_EXAMPLES.get(schema.get("format", ""), text)


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
