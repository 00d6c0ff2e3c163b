"""Routes of the planning API: the library's records as canonical bytes, with ETags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
)
from advisor.api.interview import interview_bytes, parse_interview
from advisor.api.route_docs import operation_docs
from advisor.api.service import PlanningService
from advisor.api.sweep import SweepResponse, parse_sweep, sweep_bytes
from advisor.api.uploads import UploadedFile, receive_file
from advisor.dataset.profile import Profile
from advisor.dataset.reader import DEFAULT_LIMIT_TOKENS, profile_file
from advisor.decision.answer import Answer, Question, canonical_json, evaluate
from advisor.decision.bill import OptionBill
from advisor.decision.sensitivity import NearestChange
from advisor.decision.trace import AnswerWithExtras, trace
from advisor.errors import DatasetError, UsageError
from advisor.interview.view import InterviewState
from advisor.loading import load_rule_catalogue, sentences_for
from advisor.report.bill_document import (
    BillDocument,
    answer_with_bill,
    bill_document,
    find_option,
)
from advisor.report.bill_formats import MEDIA_TYPES, BillFormat, document_bytes
from advisor.report.sentences import decision_sentences
from advisor.units import Record


class AnswerExtras(Record):
    """Additions to an answer."""

    trace: bool = False
    """Whether to add every rule that was tried."""
    explain: str | None = None
    """Language of an explanation in sentences, such as en or de; none by default."""


class NearestChanges(Record):
    """The nearest changes that would change the recommended approach."""

    recommended: str
    """Id of the recommended option, or not_yet."""
    flips: tuple[NearestChange, ...]
    """Changes of a single value, nearest first."""


JSON_MEDIA_TYPE = "application/json"
IfNoneMatch = Annotated[
    str | None,
    Header(
        description="ETags of the client's copies; the status is 304 if one is current.",
        examples=['"5f2a"'],
    ),
]


def etag_matches(header: str | None, tag: str) -> bool:
    """Return whether an If-None-Match header lists a tag.

    >>> etag_matches('W/"a", "b"', "b")
    True
    """
    given = (part.strip().removeprefix("W/") for part in (header or "").split(","))
    return f'"{tag}"' in given


def etag_response(
    planner: PlanningService,
    tag: str,
    have: str | None,
    make: Callable[[], bytes],
    media_type: str = JSON_MEDIA_TYPE,
) -> Response:
    """Return a body with its tag; 304, without computing it, if the client has it."""
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    if etag_matches(have, tag):
        return Response(status_code=304, headers=headers)
    body, was_cached = planner.cached(tag, make)
    headers["x-cache"] = "hit" if was_cached else "miss"
    return Response(body, headers=headers, media_type=media_type)


Encoding = Literal["o200k_base", "cl100k_base", "o200k_harmony"]
MAX_LIMIT_TOKENS = 2**31 - 1


async def _planner(request: Request) -> PlanningService:
    planner = request.app.state.planner
    assert isinstance(planner, PlanningService)
    return planner


ServiceDep = Annotated[PlanningService, Depends(_planner)]


def _query(description: str, example: object, **bounds: Any) -> Any:
    """Return the documentation and bounds of a query parameter."""
    return Query(description=description, examples=[example], **bounds)


def _filter_query(what: str, example: str) -> Any:
    return _query(f"Only {what} contains this.", example, max_length=200)


EncodingQuery = Annotated[Encoding, _query("Encoding for counting tokens.", "o200k_base")]
LimitQuery = Annotated[
    int,
    _query(
        "Maximum tokens of an example; longer ones are truncated.",
        DEFAULT_LIMIT_TOKENS,
        ge=1,
        le=MAX_LIMIT_TOKENS,
    ),
]
SensitivityQuery = Annotated[
    bool, _query("Whether to search for the nearest changes, in `decision.flips`; slower.", True)
]
OptionQuery = Annotated[str, _filter_query("options whose id", "ft_api")]
BillOptionQuery = Annotated[
    str | None,
    _query(
        "Id of the option, or a part that only one id contains; the recommended one by default.",
        "prompt:openai:gpt-5.4-nano",
        max_length=200,
    ),
]
BillFormatQuery = Annotated[
    BillFormat,
    Query(
        alias="format", description="Format of the document; xlsx needs openpyxl.", examples=["csv"]
    ),
]
ItemQuery = Annotated[str, _filter_query("items whose name", "openai/gpt-4.1")]
DayQuery = Annotated[date | None, _query("Date of the prices; today by default.", "2026-11-20")]
NameQuery = Annotated[str, _filter_query("models whose name", "open/")]


def planning_router() -> APIRouter:
    """Return the stateless routes; they share `app.state.planner`."""
    router = APIRouter(prefix="/api/v1", tags=["planning"])
    router.post("/profile", **operation_docs(Profile, "profile"))(profile)
    router.post("/recommend", **operation_docs(Answer | AnswerWithExtras, "recommend"))(recommend)
    router.post("/sensitivity", **operation_docs(NearestChanges, "sensitivity"))(sensitivity)
    router.post("/estimate", **operation_docs(list[OptionBill], "estimate"))(estimate)
    router.post("/bill", **operation_docs(BillDocument, "bill"))(bill)
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
    """Profile a dataset; the file is streamed to a temporary folder and deleted."""
    with TemporaryDirectory(prefix="tune-or-not-upload-") as folder:
        received = await receive_file(request, Path(folder), shared.most_upload_bytes)
        shared.meters.received.inc(received.bytes)
        body = await to_thread.run_sync(_profile_bytes, received, encoding, limit)
    return Response(body, media_type=JSON_MEDIA_TYPE)


def _profile_bytes(received: UploadedFile, encoding: str, limit: int) -> bytes:
    try:
        return canonical_json(profile_file(received.path, encoding, limit))
    except DatasetError as error:
        where = error.where.replace(str(received.path), received.filename)
        raise DatasetError(where, error.found, error.remedy) from error


def recommend(
    body: JsonBytes,
    shared: ServiceDep,
    sensitivity: SensitivityQuery = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Recommend an option: its cost, reasons, runner-up and caveats."""
    question, extras = _parse_question(shared, body)
    if sensitivity:
        question = replace(question, with_sensitivity=True)
    tag = shared.tag(question, "recommend")
    if extras == AnswerExtras():
        return etag_response(shared, tag, if_none_match, lambda: shared.answer_bytes(question))
    tag = shared.tag_of("told", tag, extras)
    return etag_response(
        shared, tag, if_none_match, lambda: _answer_with_extras_bytes(shared, question, extras)
    )


def _parse_question(planner: PlanningService, body: JsonBytes) -> tuple[Question, AnswerExtras]:
    """Return the question in a body, and the additions to its answer."""
    fields = parse_json_object(body)
    extras = {}
    if "question" in fields:
        extras = {key: fields.pop(key) for key in AnswerExtras.model_fields if key in fields}
    return planner.question(fields), parse_record(AnswerExtras, extras, "body")


def _answer_with_extras_bytes(
    planner: PlanningService, question: Question, extras: AnswerExtras
) -> bytes:
    sentences = sentences_for(extras.explain) if extras.explain else None
    evaluated, answer = planner.answered(question)
    return planner.bytes_of(
        AnswerWithExtras(
            answer=answer,
            trace=trace(evaluated, answer) if extras.trace else None,
            text=decision_sentences(answer, sentences) if sentences else None,
        )
    )


def sensitivity(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """List the nearest changes of a single value that would change the recommendation."""
    question, _ = _parse_question(shared, body)
    question = replace(question, with_sensitivity=True)

    def make() -> bytes:
        decision = _cached_answer(shared, question)["decision"]
        return orjson.dumps(
            {key: decision[key] for key in NearestChanges.model_fields}, option=orjson.OPT_SORT_KEYS
        )

    tag = shared.tag_of("sensitivity", shared.tag(question, "recommend"))
    return etag_response(shared, tag, if_none_match, make)


def _cached_answer(planner: PlanningService, question: Question) -> dict[str, Any]:
    tag = planner.tag(question, "recommend")
    body, _ = planner.cached(tag, lambda: planner.answer_bytes(question))
    answer: dict[str, Any] = orjson.loads(body)
    return answer


def estimate(
    body: JsonBytes, shared: ServiceDep, option: OptionQuery = "", if_none_match: IfNoneMatch = None
) -> Response:
    """Return the bill of every option, line by line, with price, date and source."""
    question = shared.question(parse_json_object(body))
    tag = shared.tag_of("estimate", option, shared.tag(question, "recommend"))
    return etag_response(shared, tag, if_none_match, lambda: _bills(shared, question, option))


def _bills(planner: PlanningService, question: Question, text: str) -> bytes:
    """Return the bills of the options whose id contains a text."""
    options = _cached_answer(planner, question)["options"]
    matching = [option for option in options if text in option["id"]]
    if not matching:
        approaches = ", ".join(sorted({option["approach"] for option in options}))
        raise UsageError(
            "query.option", "no allowed option has this in its id.", f"Approaches: {approaches}."
        )
    return orjson.dumps(matching, option=orjson.OPT_SORT_KEYS)


def bill(
    body: JsonBytes,
    shared: ServiceDep,
    option: BillOptionQuery = None,
    format_: BillFormatQuery = "json",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the bill of one option as a document, month by month."""
    question = shared.question(parse_json_object(body))
    tag = shared.tag_of("bill", option, format_, shared.tag(question, "recommend"))

    def make() -> bytes:
        answer = answer_with_bill(evaluate(question), option)
        found = find_option(answer, option, "query.option")
        return document_bytes(bill_document(answer, found), format_)

    return etag_response(shared, tag, if_none_match, make, MEDIA_TYPES[format_])


def sweep(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Answer many variants of one question in one call: a grid of values, or a list."""
    question, spec, size = parse_sweep(shared, parse_json_object(body))
    tag = shared.tag_of("sweep", shared.tag(question, "sweep"), spec)
    return etag_response(
        shared, tag, if_none_match, lambda: sweep_bytes(shared, question, spec, size)
    )


def interview(body: JsonBytes, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Return the next question, or the reason that no answer can change the verdict."""
    question, answers, texts = parse_interview(shared, parse_json_object(body))
    tag = shared.tag_of("interview", shared.tag(question, "interview"), (answers, texts))
    return etag_response(
        shared, tag, if_none_match, lambda: interview_bytes(shared, question, answers, texts)
    )


def models(shared: ServiceDep, name: NameQuery = "", if_none_match: IfNoneMatch = None) -> Response:
    """List models: capabilities, context window, end date, licence, tuning offers."""
    return _list_response(
        shared, if_none_match, ("models", name), lambda: list_models(shared.book, name)
    )


def prices(
    shared: ServiceDep, item: ItemQuery = "", on: DayQuery = None, if_none_match: IfNoneMatch = None
) -> Response:
    """List prices on a date, with unit, source and age."""
    day = on or shared.today()
    return _list_response(
        shared, if_none_match, ("prices", item, day), lambda: list_prices(shared.book, day, item)
    )


def rules(shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """List the rules, with sources for and against, and the evidence behind them."""
    rule_list = RuleList(
        rules=load_rule_catalogue().rules, evidence=shared.evidence, engine_version=__version__
    )
    return _list_response(shared, if_none_match, ("rules", rule_list), lambda: rule_list)


def errors(shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """List every error code, its meaning, what to do, and its HTTP status."""
    error_list = list_errors()
    return _list_response(shared, if_none_match, ("errors", error_list), lambda: error_list)


def _list_response(
    shared: PlanningService, have: str | None, parts: tuple[object, ...], make: Callable[[], Record]
) -> Response:
    return etag_response(shared, shared.tag_of(*parts), have, lambda: canonical_json(make()))
