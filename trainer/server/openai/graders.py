"""Routes of graders: validate a string check, and score one answer with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field, JsonValue

from advisor.units import Record
from trainer.server.auth import Viewer
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import always
from trainer.server.openai.job_schemas import GRADER, GraderStringCheck, StrictRequest
from trainer.server.openai.strict_route import StrictRoute

TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
CHECKS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda answer, reference: answer == reference,
    "ne": lambda answer, reference: answer != reference,
    "like": lambda answer, reference: reference in answer,
    "ilike": lambda answer, reference: reference.lower() in answer.lower(),
}
"""The same checks as in `scripts/rewards.py`; a test compares the two."""
ERROR_FLAGS = (
    "formula_parse_error",
    "invalid_variable_error",
    "model_grader_parse_error",
    "model_grader_refusal_error",
    "model_grader_server_error",
    "other_error",
    "python_grader_runtime_error",
    "python_grader_server_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
)
ERROR_DETAILS = (
    "model_grader_server_error_details",
    "python_grader_runtime_error_details",
    "python_grader_server_error_type",
)
NO_ERRORS: Mapping[str, bool | None] = {
    **dict.fromkeys(ERROR_FLAGS, False),
    **dict.fromkeys(ERROR_DETAILS),
}
"""A string check with valid parameters cannot fail, but clients require every flag."""
router = APIRouter(route_class=StrictRoute, prefix="/fine_tuning/alpha/graders", tags=["graders"])


class ValidateGraderRequest(StrictRequest):
    """A grader to validate."""

    grader: GraderStringCheck = Field(examples=[GRADER])
    """The grader; only string checks are supported."""


class ValidateGraderResponse(Record):
    """A valid grader."""

    grader: GraderStringCheck = Field(examples=[GRADER])
    """The grader."""


class RunGraderRequest(StrictRequest):
    """A grader, and an answer to score."""

    grader: GraderStringCheck = Field(examples=[GRADER])
    """The grader."""
    model_sample: str = Field(max_length=1 << 20, examples=["delivery"])
    """The answer."""
    item: dict[str, JsonValue] | None = Field(None, examples=[{"label": "delivery"}])
    """The row that templates read."""


class GraderMetadata(Record):
    """Details of a grader run."""

    errors: dict[str, bool | None] = Field(dict(NO_ERRORS), examples=[{"other_error": False}])
    """One flag per kind of error; always false or null."""
    execution_time: float = Field(examples=[0.0001])
    """Run time [s]."""
    name: str = Field(examples=["label"])
    """Name of the grader."""
    sampled_model_name: str | None = always(None)
    scores: dict[str, JsonValue] = Field(examples=[{"label": 1.0}])
    """Score of each grader."""
    token_usage: int | None = always(None)
    type: Literal["string_check"] = always("string_check")


class RunGraderResponse(Record):
    """Score of an answer."""

    metadata: GraderMetadata = Field(examples=[{"name": "label", "scores": {"label": 1.0}}])
    """Details of the run."""
    model_grader_token_usage_per_model: dict[str, JsonValue] = Field({}, examples=[{}])
    """Always empty: no model scores."""
    reward: float = Field(examples=[1.0])
    """1 if the check passes, else 0."""
    sub_rewards: dict[str, JsonValue] = Field({}, examples=[{}])
    """Always empty: there is only one grader."""


@router.post("/validate")
def validate_grader(caller: Viewer, body: ValidateGraderRequest) -> ValidateGraderResponse:
    """Check that a grader can be used."""
    for name in ("input", "reference"):
        _check_names(getattr(body.grader, name), f"grader.{name}")
    return ValidateGraderResponse(grader=body.grader)


@router.post("/run")
def run_grader(caller: Viewer, body: RunGraderRequest) -> RunGraderResponse:
    """Score one answer."""
    began, grader = time.perf_counter(), body.grader
    values = {"sample": {"output_text": body.model_sample}, "item": body.item or {}}
    answer = fill_template(grader.input, values, "grader.input")
    reference = fill_template(grader.reference, values, "grader.reference")
    score = float(CHECKS[grader.operation](answer.strip(), reference.strip()))
    metadata = GraderMetadata(
        execution_time=time.perf_counter() - began, name=grader.name, scores={grader.name: score}
    )
    return RunGraderResponse(metadata=metadata, reward=score)


def _check_names(template: str, param: str) -> None:
    names = TEMPLATE.findall(template)
    literal_text = TEMPLATE.sub("", template)
    if "{{" in literal_text or any(name.split(".")[0] not in ("sample", "item") for name in names):
        remedy = "Use only {{sample.output_text}} and {{item.NAME}}."
        raise BadParameter(param, f"found '{template[:80]}'. {remedy}")


def fill_template(template: str, values: Mapping[str, Any], param: str) -> str:
    """Insert values of a row and an answer into a template.

    Raises:
        BadParameter: it names a value that does not exist.

    >>> fill_template("It is {{ item.label }}.", {"item": {"label": "red"}, "sample": {}}, "x")
    'It is red.'
    """
    _check_names(template, param)

    def value(match: re.Match[str]) -> str:
        inner: Any = values
        for part in match[1].split("."):
            if not isinstance(inner, Mapping) or part not in inner:
                raise BadParameter(param, f"'{match[1]}' not found. Send it in item.")
            inner = inner[part]
        return str(inner)

    return TEMPLATE.sub(value, template)
