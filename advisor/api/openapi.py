"""An app -> its OpenAPI document, with a description and an example for every field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from advisor import __version__
from advisor.answer import Question, answer
from advisor.api.documents import INPUT, SCHEMAS
from advisor.api.examples import seen_in, with_examples
from advisor.api.interviewing import InterviewRequest
from advisor.api.listing import errors_known, models_of, prices_on, rules_of
from advisor.api.planner import Planner
from advisor.api.problems import Problem, problem_of
from advisor.api.refusals import PathRefused
from advisor.api.sweeping import Shape, SweepAsked, SweepRequest, swept
from advisor.api.telling import More
from advisor.files import example_question, load_catalogue, team_rules, words_of
from advisor.profile import Profile
from advisor.scenario import Scenario
from advisor.team_rules import TeamRule
from advisor.telling import tell
from advisor.trace import Told, trace
from advisor.units import Record

TEAM = [{
    "id": "no-new-vendor", "when": "option.trains && !(option.provider in ['own', 'azure'])",
    "then": "rule_out", "says": "Training data goes to vendors with a contract only.",
    "source": "procurement, list of 2026-10",
}]  # fmt: skip
"""A rule that shows what a team can add."""
SAMPLES = ("email-triage", "policy-faq")
"""Bundled examples whose answers show what fields hold."""
TAGS = [
    {"name": "planning", "description": "Questions and answers; nothing of them is kept."},
    {"name": "watching", "description": "How the server is, and what it says of itself."},
]


class AskedWith(Record):
    """A scenario with the profile of its dataset, and the rules of your team."""

    question: Scenario
    """What is asked."""
    profile: Profile | None = None
    """What the dataset holds, as POST /api/v1/profile returned it."""
    rules: tuple[TeamRule, ...] = ()
    """Rules that your team adds."""


class AskedMore(AskedWith, More):
    """The same, and what is wanted beside the answer."""


def document(
    app: FastAPI,
    planner: Planner,
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
    made = get_openapi(title=app.title, version=app.version, routes=app.routes, tags=TAGS,
                       description="Prompt, retrieve, fine-tune or LoRA: what each costs, and "
                                   "which to do.")  # fmt: skip
    schemas = made["components"]["schemas"]
    schemas |= _sent((Scenario, AskedWith, AskedMore, SweepRequest, InterviewRequest, *inputs))
    schemas |= _returned((Problem,))
    _drop_validation(made, schemas)
    with_examples(schemas, seen_in((*_samples(planner), *samples)), INPUT)
    made["components"]["schemas"] = dict(sorted(schemas.items()))
    return made


def _sent(kinds: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Write the schemas of what is sent; a door fills the day in, and reads no file of its own."""
    template = SCHEMAS + "{model}" + INPUT
    _, found = models_json_schema([(kind, "validation") for kind in kinds], ref_template=template)
    sent = {f"{name}{INPUT}": schema for name, schema in found["$defs"].items()}
    del sent[f"Scenario{INPUT}"]["required"]
    path = {"type": "null", "description": "A request names no file of this machine."}
    sent[f"Dataset{INPUT}"]["properties"]["path"] = path
    return sent


def _returned(kinds: Sequence[type[BaseModel]]) -> dict[str, Any]:
    template = SCHEMAS + "{model}"
    _, found = models_json_schema([(kind, "serialization") for kind in kinds],
                                  ref_template=template)  # fmt: skip
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


def _samples(planner: Planner) -> list[BaseModel]:
    """Answer bundled examples, and take every list: what fields really hold."""
    first, second = (example_question(name) for name in SAMPLES)
    questions = (_without_path(first), replace(second, with_flips=False))
    profiles = [question.profile for question in questions if question.profile]
    day = questions[0].scenario.asked_on
    shape = Shape(axes={"traffic.requests_per_month": (100_000, 1_000_000)}, win_share=True)
    ruled = replace(questions[1], rules=team_rules(TEAM, "example"))
    found = answer(ruled)
    told = Told(answer=found, trace=trace(ruled, found), text=tell(found, words_of("en")))
    return [
        answer(questions[0]), found, told, More(trace=True, explain="de"), *profiles, shape,
        swept(SweepAsked(questions[0], shape, size=2)), prices_on(planner.book, day, ""),
        models_of(planner.book, ""), rules_of(load_catalogue(), planner.evidence, __version__),
        errors_known(), problem_of(PathRefused()),
    ]  # fmt: skip
