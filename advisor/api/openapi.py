"""An app -> its OpenAPI document, with a description and an example for every field.

Records that were really answered -> an example for every property of every schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from advisor import __version__
from advisor.api.catalogues import list_errors, list_models, list_prices, list_rules
from advisor.api.errors import PathRefused, Problem, problem_of
from advisor.api.interview import InterviewRequest
from advisor.api.route_docs import INPUT_SUFFIX, SCHEMAS
from advisor.api.routes import AnswerExtras
from advisor.api.service import PlanningService
from advisor.api.sweep import ParsedSweep, SweepRequest, SweepSpec, sweep_response
from advisor.dataset.profile import Profile
from advisor.decision.answer import Question, evaluate, recommend, summarize
from advisor.decision.trace import AnswerWithExtras, trace
from advisor.loading import example_question, load_rule_catalogue, parse_team_rules, sentences_for
from advisor.report.sentences import decision_sentences
from advisor.rules.team_rules import TeamRule
from advisor.scenario.scenario import Scenario
from advisor.units import Record

Schema = dict[str, Any]
SampleValues = dict[tuple[str, str], Any]
BY_FORMAT = {"date": "2026-11-20", "decimal": "1.25", "binary": "rows"}
BY_TYPE: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "null": None,
}
SHARED_DESCRIPTIONS = {"LabourHours": "Hours of work to set this approach up: low, likely, high."}
"""Records whose fields are described by one sentence."""
MAX_EXAMPLE_DEPTH = 6
"""Levels that an example shows."""
DECIMAL_PATTERN_PREFIX = "^"
"""Patterns that pydantic writes for decimals begin so."""


def sample_values(records: Iterable[BaseModel]) -> SampleValues:
    """Collect the first telling value of each property: (name of the record, property) -> value."""
    seen: SampleValues = {}
    for record in records:
        _walk(record, seen)
    return seen


def _walk(value: object, seen: SampleValues) -> None:
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json")
        for name in type(value).model_fields:
            if plain[name] not in (None, [], {}, ""):
                seen.setdefault((type(value).__name__, name), first_items(plain[name]))
            _walk(getattr(value, name), seen)
    elif isinstance(value, Mapping):
        for part in value.values():
            _walk(part, seen)
    elif isinstance(value, tuple | list):
        for part in value:
            _walk(part, seen)


def first_items(value: Any) -> Any:
    """Keep the first entry of every list of records: an example shows the form.

    >>> first_items({"options": [{"id": "a"}, {"id": "b"}], "range": [1, 2]})
    {'options': [{'id': 'a'}], 'range': [1, 2]}
    """
    if isinstance(value, dict):
        return {key: first_items(part) for key, part in value.items()}
    if isinstance(value, list):
        nested = any(isinstance(part, dict | list) for part in value)
        return [first_items(part) for part in (value[:1] if nested else value[:8])]
    return value


def add_examples(schemas: dict[str, Schema], seen: SampleValues, ending: str) -> None:
    """Write an example to every property, and a description where one holds for a whole record.

    Args:
        schemas: Component schemas by name; they are changed.
        seen: What `sample_values` found.
        ending: What the names of schemas that are sent end with.
    """
    for name, schema in schemas.items():
        for key, one in schema.get("properties", {}).items():
            found = seen.get((name.removesuffix(ending), key), ...)
            example = example_value(one, schemas) if found is ... else found
            one["examples"] = [example]
            says = SHARED_DESCRIPTIONS.get(name) or _referred(one, schemas).get("description")
            if says:
                one.setdefault("description", says)


def example_value(schema: Schema, schemas: Mapping[str, Schema], level: int = 0) -> Any:
    """Make a value that a schema allows, where no answer holds one.

    >>> example_value({"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]}, {})
    2
    """
    if "$ref" in schema:
        return example_value(_referred(schema, schemas), schemas, level)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return orjson.loads(orjson.dumps(schema[key]))
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example_value(schema["anyOf"][0], schemas, level)
    if schema.get("type") == "object":
        return _object(schema, schemas, level)
    if schema.get("type") == "array":
        return _array(schema, schemas, level)
    return _scalar(schema)


def _referred(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Follow a reference; a field that says the same as its record says it there only."""
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}


def _object(schema: Schema, schemas: Mapping[str, Schema], level: int) -> dict[str, Any]:
    wanted = schema.get("required", ()) if level < MAX_EXAMPLE_DEPTH else ()
    properties = schema.get("properties", {})
    return {key: example_value(properties[key], schemas, level + 1) for key in wanted}


def _array(schema: Schema, schemas: Mapping[str, Schema], level: int) -> list[Any]:
    if "prefixItems" in schema:
        return [example_value(part, schemas, level + 1) for part in schema["prefixItems"]]
    items = schema.get("items")
    return [example_value(items, schemas, level + 1)] if items and level < MAX_EXAMPLE_DEPTH else []


def _scalar(schema: Schema) -> Any:
    kind = schema.get("type", "string")
    if kind == "string":
        text = (
            "1.25"
            if str(schema.get("pattern", "")).startswith(DECIMAL_PATTERN_PREFIX)
            else BY_TYPE["string"]
        )
        return BY_FORMAT.get(schema.get("format", ""), text)
    return (
        max(schema.get("minimum", BY_TYPE[kind]), BY_TYPE[kind])
        if kind in ("integer", "number")
        else BY_TYPE[kind]
    )


SAMPLE_TEAM_RULES = [
    {
        "id": "no-new-vendor",
        "when": "option.trains && !(option.provider in ['own', 'azure'])",
        "then": "rule_out",
        "says": "Training data goes to vendors with a contract only.",
        "source": "procurement, list of 2026-10",
    }
]
"""A rule that shows what a team can add."""
SAMPLE_SCENARIOS = ("email-triage", "policy-faq")
"""Bundled examples whose answers show what fields hold."""
TAGS = [
    {"name": "planning", "description": "Questions and answers; nothing of them is kept."},
    {"name": "watching", "description": "How the server is, and what it says of itself."},
]


class QuestionRequest(Record):
    """A scenario with the profile of its dataset, and the rules of your team."""

    question: Scenario
    """What is asked."""
    profile: Profile | None = None
    """What the dataset holds, as POST /api/v1/profile returned it."""
    rules: tuple[TeamRule, ...] = ()
    """Rules that your team adds."""


class RecommendRequest(QuestionRequest, AnswerExtras):
    """The same, and what is wanted beside the answer."""


def openapi_document(
    app: FastAPI,
    planner: PlanningService,
    inputs: Sequence[type[BaseModel]] = (),
    samples: Sequence[BaseModel] = (),
) -> dict[str, Any]:
    """Describe an app that has the planning routes.

    Args:
        app: Its routes say what they return and can answer with.
        planner: Whose lists give examples.
        inputs: Further records that are sent, known to routes by `$ref` with `Input` at the end.
        samples: Further records with something in every field, for examples.
    """
    made = get_openapi(
        title=app.title,
        version=app.version,
        routes=app.routes,
        tags=TAGS,
        description="Prompt, retrieve, fine-tune or LoRA: what each costs, and which to do.",
    )
    schemas = made["components"]["schemas"]
    schemas |= _request_schemas(
        (Scenario, QuestionRequest, RecommendRequest, SweepRequest, InterviewRequest, *inputs)
    )
    schemas |= _response_schemas((Problem,))
    _drop_validation(made, schemas)
    add_examples(schemas, sample_values((*_samples(planner), *samples)), INPUT_SUFFIX)
    made["components"]["schemas"] = dict(sorted(schemas.items()))
    return made


def _request_schemas(kinds: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Write the schemas of what is sent; a door fills the day in, and reads no file of its own."""
    template = SCHEMAS + "{model}" + INPUT_SUFFIX
    _, found = models_json_schema([(kind, "validation") for kind in kinds], ref_template=template)
    sent = {f"{name}{INPUT_SUFFIX}": schema for name, schema in found["$defs"].items()}
    del sent[f"Scenario{INPUT_SUFFIX}"]["required"]
    path = {"type": "null", "description": "A request names no file of this machine."}
    sent[f"Dataset{INPUT_SUFFIX}"]["properties"]["path"] = path
    return sent


def _response_schemas(kinds: Sequence[type[BaseModel]]) -> dict[str, Any]:
    template = SCHEMAS + "{model}"
    _, found = models_json_schema(
        [(kind, "serialization") for kind in kinds], ref_template=template
    )
    return dict(found["$defs"])


def _drop_validation(made: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Drop FastAPI's own form of error: every error here is a problem."""
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in made["paths"].values():
        for operation in path.values():
            body = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in body:
                del operation["responses"]["422"]


def _without_path(question: Question) -> Question:
    """Ask as a request has to: the profile stands for the file."""
    scenario = question.scenario
    dataset = scenario.dataset.model_copy(update={"path": None})
    return replace(question, scenario=scenario.model_copy(update={"dataset": dataset}))


def _samples(planner: PlanningService) -> list[BaseModel]:
    """Answer bundled examples, and take every list: what fields really hold."""
    first, second = (example_question(name) for name in SAMPLE_SCENARIOS)
    questions = (replace(_without_path(first), with_sensitivity=True), second)
    profiles = [question.profile for question in questions if question.profile]
    day = questions[0].scenario.asked_on
    shape = SweepSpec(axes={"traffic.requests_per_month": (100_000, 1_000_000)}, win_share=True)
    ruled = replace(questions[1], rules=parse_team_rules(SAMPLE_TEAM_RULES, "example"))
    evaluated = evaluate(ruled)
    found = summarize(evaluated)
    told = AnswerWithExtras(
        answer=found,
        trace=trace(evaluated, found),
        text=decision_sentences(found, sentences_for("en")),
    )
    return [
        recommend(questions[0]),
        found,
        told,
        AnswerExtras(trace=True, explain="de"),
        *profiles,
        shape,
        sweep_response(ParsedSweep(questions[0], shape, size=2)),
        list_prices(planner.book, day, ""),
        list_models(planner.book, ""),
        list_rules(load_rule_catalogue(), planner.evidence, __version__),
        list_errors(),
        problem_of(PathRefused()),
    ]
