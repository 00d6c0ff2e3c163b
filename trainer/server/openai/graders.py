"""POST of graders: what a training here can score answers with, tried on one answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field, JsonValue

from advisor.units import Record
from trainer.server.auth import Viewer
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.idempotency import json_response
from trainer.server.openai.job_schemas import GraderStringCheck, StrictRequest
from trainer.server.openai.strict_route import StrictRoute

TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
EXAMPLE = {
    "type": "string_check",
    "name": "label",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
}
CHECKS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda read, reference: read == reference,
    "ne": lambda read, reference: read != reference,
    "like": lambda read, reference: reference in read,
    "ilike": lambda read, reference: reference.lower() in read.lower(),
}
"""As a training on rewards checks; `tests/trainer/server/openai/test_sdk.py` compares the two."""
router = APIRouter(route_class=StrictRoute, prefix="/fine_tuning/alpha/graders", tags=["graders"])


class ValidateGraderRequest(StrictRequest):
    """A grader to look at."""

    grader: GraderStringCheck = Field(examples=[EXAMPLE])
    """The grader; a training here scores by comparing texts alone."""


class ValidateGraderResponse(Record):
    """A grader that can be used."""

    grader: GraderStringCheck = Field(examples=[EXAMPLE])
    """The grader."""


class RunGraderRequest(StrictRequest):
    """A grader, and an answer to try it on."""

    grader: GraderStringCheck = Field(examples=[EXAMPLE])
    """The grader."""
    model_sample: str = Field(max_length=1 << 20, examples=["delivery"])
    """The answer."""
    item: dict[str, JsonValue] | None = Field(None, examples=[{"label": "delivery"}])
    """The row that templates read."""


class GraderErrors(Record):
    """What can go wrong in a grader; here nothing of it does once its parameters are right."""

    formula_parse_error: bool = Field(False, examples=[False])
    """Of several graders put together; not done here."""
    invalid_variable_error: bool = Field(False, examples=[False])
    """A template names what is not there."""
    model_grader_parse_error: bool = Field(False, examples=[False])
    """Of a model that scores; not done here."""
    model_grader_refusal_error: bool = Field(False, examples=[False])
    """Of a model that scores; not done here."""
    model_grader_server_error: bool = Field(False, examples=[False])
    """Of a model that scores; not done here."""
    model_grader_server_error_details: str | None = Field(None, examples=[None])
    """None."""
    other_error: bool = Field(False, examples=[False])
    """Anything else."""
    python_grader_runtime_error: bool = Field(False, examples=[False])
    """Of code that scores; not done here."""
    python_grader_runtime_error_details: str | None = Field(None, examples=[None])
    """None."""
    python_grader_server_error: bool = Field(False, examples=[False])
    """Of code that scores; not done here."""
    python_grader_server_error_type: str | None = Field(None, examples=[None])
    """None."""
    sample_parse_error: bool = Field(False, examples=[False])
    """The answer cannot be read."""
    truncated_observation_error: bool = Field(False, examples=[False])
    """The answer was cut."""
    unresponsive_reward_error: bool = Field(False, examples=[False])
    """The grader gave no score."""


class GraderMetadata(Record):
    """How a grader went."""

    errors: GraderErrors = Field(GraderErrors(), examples=[{"other_error": False}])
    """What went wrong."""
    execution_time: float = Field(examples=[0.0001])
    """Seconds it took."""
    name: str = Field(examples=["label"])
    """What it is called."""
    sampled_model_name: str | None = Field(None, examples=[None])
    """None: no model scores."""
    scores: dict[str, JsonValue] = Field(examples=[{"label": 1.0}])
    """Score of each grader."""
    token_usage: int | None = Field(None, examples=[None])
    """None: no model scores."""
    type: Literal["string_check"] = Field("string_check", examples=["string_check"])
    """Kind of the grader."""


class RunGraderResponse(Record):
    """What an answer earns."""

    metadata: GraderMetadata = Field(examples=[{"name": "label", "scores": {"label": 1.0}}])
    """How it went."""
    model_grader_token_usage_per_model: dict[str, JsonValue] = Field({}, examples=[{}])
    """Empty: no model scores."""
    reward: float = Field(examples=[1.0])
    """1 where the texts go together, else 0."""
    sub_rewards: dict[str, JsonValue] = Field({}, examples=[{}])
    """Empty: there is one grader."""


@router.post("/validate", response_model=ValidateGraderResponse)
def validate_grader(_: Request, caller: Viewer, body: ValidateGraderRequest) -> Response:
    """See that a grader can be used here."""
    for name in ("input", "reference"):
        _check_names(getattr(body.grader, name), f"grader.{name}")
    return json_response(ValidateGraderResponse(grader=body.grader))


@router.post("/run", response_model=RunGraderResponse)
def run_grader(_: Request, caller: Viewer, body: RunGraderRequest) -> Response:
    """Score one answer."""
    began, grader = time.perf_counter(), body.grader
    known = {"sample": {"output_text": body.model_sample}, "item": body.item or {}}
    read = fill_template(grader.input, known, "grader.input")
    reference = fill_template(grader.reference, known, "grader.reference")
    score = float(CHECKS[grader.operation](read.strip(), reference.strip()))
    metadata = GraderMetadata(
        execution_time=time.perf_counter() - began, name=grader.name, scores={grader.name: score}
    )
    return json_response(RunGraderResponse(metadata=metadata, reward=score))


def _check_names(template: str, param: str) -> None:
    names = TEMPLATE.findall(template)
    rest = TEMPLATE.sub("", template)
    if "{{" in rest or any(name.split(".")[0] not in ("sample", "item") for name in names):
        raise BadParameter(
            param,
            f"{param}: found '{template[:80]}'. A template reads "
            "{{sample.output_text}} or {{item.NAME}}.",
        )


def fill_template(template: str, known: Mapping[str, Any], param: str) -> str:
    """Put the values of a row and an answer into a template.

    Raises:
        BadParameter: it names something that is not there.

    >>> fill_template("It is {{ item.label }}.", {"item": {"label": "red"}, "sample": {}}, "x")
    'It is red.'
    """
    _check_names(template, param)

    def value(named: re.Match[str]) -> str:
        found: Any = known
        for part in named[1].split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise BadParameter(param, f"{param}: '{named[1]}' is not there. Send it in item.")
            found = found[part]
        return str(found)

    return TEMPLATE.sub(value, template)
