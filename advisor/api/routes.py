"""Requests -> the same records as the library returns, as canonical bytes.

A body that asks for more than an answer -> the answer with its trace, or in sentences.

A tag and a body -> the response: the body once, and 304 to who has it already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import orjson
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from advisor import __version__
from advisor.api.bodies import JsonBytes, parse_json_object, parse_record
from advisor.api.catalogues import (
    ErrorList,
    ModelList,
    PriceList,
    RuleList,
    list_errors,
    list_models,
    list_prices,
    list_rules,
)
from advisor.api.interview import interview_bytes, parse_interview
from advisor.api.route_docs import operation_docs
from advisor.api.service import PlanningService
from advisor.api.sweep import SweepResponse, parse_sweep, sweep_bytes
from advisor.api.uploads import UploadedFile, receive_file
from advisor.dataset.profile import Profile
from advisor.dataset.reader import DEFAULT_LIMIT_TOKENS, profile_file
from advisor.decision.answer import Answer, Question, canonical_json
from advisor.decision.bill import OptionBill
from advisor.decision.trace import AnswerWithExtras, trace
from advisor.errors import DatasetError, UsageError
from advisor.interview.view import InterviewState
from advisor.loading import load_rule_catalogue, sentences_for
from advisor.report.sentences import decision_sentences
from advisor.units import Record


class AnswerExtras(Record):
    """What is asked for beside the answer."""

    trace: bool = False
    """Whether to write down every rule that was tried."""
    explain: str | None = None
    """Language in which to tell the decision in sentences, such as en or de."""


def split_extras(body: Mapping[str, Any]) -> tuple[dict[str, Any], AnswerExtras]:
    """Part a body into the question and what is asked for beside its answer.

    Raises:
        RequestRefused: what is asked for beside it cannot be understood.
    """
    if "question" not in body:
        return dict(body), AnswerExtras()
    more = {key: value for key, value in body.items() if key in AnswerExtras.model_fields}
    rest = {key: value for key, value in body.items() if key not in more}
    return rest, parse_record(AnswerExtras, more, "body")


def answer_with_extras_bytes(
    planner: PlanningService, question: Question, more: AnswerExtras
) -> bytes:
    """Answer a question with what is asked for beside it, as canonical bytes.

    Raises:
        AdvisorError: it cannot be worked out, or nobody wrote the sentences of the language.
    """
    words = sentences_for(more.explain) if more.explain else None
    evaluated, found = planner.answered(question)
    return planner.bytes_of(
        AnswerWithExtras(
            answer=found,
            trace=trace(evaluated, found) if more.trace else None,
            text=decision_sentences(found, words) if words else None,
        )
    )


JSON_MEDIA_TYPE = "application/json"
IfNoneMatch = Annotated[
    str | None,
    Header(
        description="Tags of bodies that you have; where one still holds, 304 comes back.",
        examples=['"5f2a"'],
    ),
]


def etag_matches(header: str | None, tag: str) -> bool:
    """Whether one of the tags in an If-None-Match header is this one.

    >>> etag_matches('W/"a", "b"', "b")
    True
    """
    given = (part.strip().removeprefix("W/") for part in (header or "").split(","))
    return f'"{tag}"' in given


def etag_response(
    planner: PlanningService, tag: str, have: str | None, make: Callable[[], bytes]
) -> Response:
    """Answer with a body and its tag; a body that the client has is not worked out.

    Raises:
        AdvisorError: the body cannot be worked out.
    """
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    if etag_matches(have, tag):
        return Response(status_code=304, headers=headers)
    body, was_kept = planner.cached(tag, make)
    headers["x-cache"] = "hit" if was_kept else "miss"
    return Response(body, headers=headers, media_type=JSON_MEDIA_TYPE)


Encoding = Literal["o200k_base", "cl100k_base", "o200k_harmony"]
MAX_LIMIT_TOKENS = 2**31 - 1


async def _planner(request: Request) -> PlanningService:
    found = request.app.state.planner
    assert isinstance(found, PlanningService)
    return found


ServiceDep = Annotated[PlanningService, Depends(_planner)]
EncodingQuery = Annotated[
    Encoding, Query(description="Encoding to count tokens with.", examples=["o200k_base"])
]
LimitQuery = Annotated[
    int,
    Query(
        ge=1,
        le=MAX_LIMIT_TOKENS,
        description="Longest example; what is longer is truncated.",
        examples=[DEFAULT_LIMIT_TOKENS],
    ),
]
OptionQuery = Annotated[
    str,
    Query(max_length=200, description="Only options whose id holds this.", examples=["ft_api"]),
]
ItemQuery = Annotated[
    str,
    Query(
        max_length=200, description="Only items whose name holds this.", examples=["openai/gpt-4.1"]
    ),
]
DayQuery = Annotated[
    date | None,
    Query(
        description="Day whose prices are wanted; today where none is given.",
        examples=["2026-11-20"],
    ),
]
NameQuery = Annotated[
    str,
    Query(max_length=200, description="Only models whose name holds this.", examples=["open/"]),
]


def planning_router() -> APIRouter:
    """Return the routes that keep nothing; `app.state.planner` holds what they share."""
    router = APIRouter(prefix="/api/v1", tags=["planning"])
    router.post("/profile", **operation_docs(Profile, "profile"))(profile)
    router.post("/recommend", **operation_docs(Answer | AnswerWithExtras, "recommend"))(recommend)
    router.post("/estimate", **operation_docs(list[OptionBill], "estimate"))(estimate)
    router.post("/sweep", **operation_docs(SweepResponse, "sweep"))(sweep)
    router.post("/interview", **operation_docs(InterviewState, "interview"))(interview)
    router.get("/models", **operation_docs(ModelList, "models"))(models)
    router.get("/prices", **operation_docs(PriceList, "prices"))(prices)
    router.get("/rules", **operation_docs(RuleList, "rules"))(rules)
    router.get("/errors", **operation_docs(ErrorList, "errors"))(errors)
    return router


async def profile(
    request: Request,
    shared: ServiceDep,
    encoding: EncodingQuery = "o200k_base",
    limit: LimitQuery = DEFAULT_LIMIT_TOKENS,
) -> Response:
    """Say what a dataset holds; the file is streamed to a temporary folder and deleted."""
    with TemporaryDirectory(prefix="tune-or-not-upload-") as folder:
        received = await receive_file(request, Path(folder), shared.most_upload_bytes)
        shared.meters.received.inc(received.bytes)
        found = await to_thread.run_sync(_profiled, received, encoding, limit)
    return Response(found, media_type=JSON_MEDIA_TYPE)


def _profiled(received: UploadedFile, encoding: str, limit: int) -> bytes:
    try:
        return canonical_json(profile_file(received.path, encoding, limit))
    except DatasetError as error:
        where = error.where.replace(str(received.path), received.filename)
        raise DatasetError(where, error.found, error.remedy) from error


def recommend(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Say which way to take, what it costs, why, and what would flip it."""
    asked, more = split_extras(parse_json_object(body))
    question = shared.question(asked)
    tag = shared.tag(question, "recommend")
    if more != AnswerExtras():
        tag = shared.tag_of("told", tag, more)
        return etag_response(
            shared, tag, if_none_match, lambda: answer_with_extras_bytes(shared, question, more)
        )
    return etag_response(shared, tag, if_none_match, lambda: shared.answer_bytes(question))


def estimate(
    body: JsonBytes, shared: ServiceDep, option: OptionQuery = "", if_none_match: IfNoneMatch = None
) -> Response:
    """Write the bill of every option, line by line, with price, day and source."""
    question = shared.question(parse_json_object(body))
    tag = shared.tag_of("estimate", option, shared.tag(question, "recommend"))
    return etag_response(shared, tag, if_none_match, lambda: _bills(shared, question, option))


def _bills(shared: PlanningService, question: Question, wanted: str) -> bytes:
    """Take the bills out of the answer, which is at hand or worked out now.

    Raises:
        UsageError: no option's id holds what is wanted.
    """
    tag = shared.tag(question, "recommend")
    found, _ = shared.cached(tag, lambda: shared.answer_bytes(question))
    options = orjson.loads(found)["options"]
    wanted_ones = [option for option in options if wanted in option["id"]]
    if not wanted_ones:
        approaches = ", ".join(sorted({option["approach"] for option in options}))
        raise UsageError(
            "query.option",
            "no option that is allowed has this in its id.",
            f"Approaches there: {approaches}.",
        )
    return orjson.dumps(wanted_ones, option=orjson.OPT_SORT_KEYS)


def sweep(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Answer many variants of one question in one pass: a grid of values, or a list."""
    asked = parse_sweep(shared, parse_json_object(body))
    tag = shared.tag_of("sweep", shared.tag(asked.question, "sweep"), asked.shape)
    return etag_response(shared, tag, if_none_match, lambda: sweep_bytes(shared, asked))


def interview(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Say what to ask next, or why no answer can change the verdict any more."""
    asked = parse_interview(shared, parse_json_object(body))
    tag = shared.tag_of("interview", shared.tag(asked.question, "interview"), asked[1:])
    return etag_response(shared, tag, if_none_match, lambda: interview_bytes(shared, asked))


def models(shared: ServiceDep, name: NameQuery = "", if_none_match: IfNoneMatch = None) -> Response:
    """List models: what each can do, its window, its last day, its licence, who tunes it."""
    tag = shared.tag_of("models", name)
    return etag_response(
        shared, tag, if_none_match, lambda: canonical_json(list_models(shared.book, name))
    )


def prices(
    shared: ServiceDep, item: ItemQuery = "", on: DayQuery = None, if_none_match: IfNoneMatch = None
) -> Response:
    """List prices as they hold on a day, each with unit, source and age."""
    day = on or shared.today()
    tag = shared.tag_of("prices", item, day)
    return etag_response(
        shared, tag, if_none_match, lambda: canonical_json(list_prices(shared.book, day, item))
    )


def rules(shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """List the rules, who says so and who says otherwise, and the evidence they compare with."""
    catalogue = load_rule_catalogue()
    tag = shared.tag_of("rules", shared.evidence, catalogue)
    found = list_rules(catalogue, shared.evidence, __version__)
    return etag_response(shared, tag, if_none_match, lambda: canonical_json(found))


def errors(shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """List every error code, what it means, what to do, and its HTTP status."""
    found = list_errors()
    tag = shared.tag_of("errors", found)
    return etag_response(shared, tag, if_none_match, lambda: canonical_json(found))
