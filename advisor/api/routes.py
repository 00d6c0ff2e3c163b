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
from advisor.api.bodies import JsonBytes, object_of, record_of
from advisor.api.catalogues import (
    Errors,
    Models,
    Prices,
    Rules,
    errors_known,
    models_of,
    prices_on,
    rules_of,
)
from advisor.api.interview import interview_asked, interview_bytes
from advisor.api.route_docs import described
from advisor.api.service import Planner
from advisor.api.sweep import Swept, sweep_asked, sweep_bytes
from advisor.api.uploads import Received, receive
from advisor.dataset.profile import Profile
from advisor.dataset.reader import DEFAULT_LIMIT_TOKENS, profile_file
from advisor.decision.answer import Answer, Question, canonical
from advisor.decision.bill import OptionBill
from advisor.decision.trace import Told, trace
from advisor.errors import DatasetError, UsageError
from advisor.interview.view import Standing
from advisor.loading import load_catalogue, words_of
from advisor.report.sentences import tell
from advisor.units import Record


class More(Record):
    """What is asked for beside the answer."""

    trace: bool = False
    """Whether to write down every rule that was tried."""
    explain: str | None = None
    """Language in which to tell the decision in sentences, such as en or de."""


def parted(body: Mapping[str, Any]) -> tuple[dict[str, Any], More]:
    """Part a body into the question and what is asked for beside its answer.

    Raises:
        RequestRefused: what is asked for beside it cannot be understood.
    """
    if "question" not in body:
        return dict(body), More()
    more = {key: value for key, value in body.items() if key in More.model_fields}
    rest = {key: value for key, value in body.items() if key not in more}
    return rest, record_of(More, more, "body")


def told_bytes(planner: Planner, question: Question, more: More) -> bytes:
    """Answer a question with what is asked for beside it, as canonical bytes.

    Raises:
        AdvisorError: it cannot be worked out, or nobody wrote the sentences of the language.
    """
    words = words_of(more.explain) if more.explain else None
    found = planner.answered(question)
    return planner.bytes_of(
        Told(
            answer=found,
            trace=trace(question, found) if more.trace else None,
            text=tell(found, words) if words else None,
        )
    )


JSON = "application/json"
IfNoneMatch = Annotated[
    str | None,
    Header(
        description="Tags of bodies that you have; where one still holds, 304 comes back.",
        examples=['"5f2a"'],
    ),
]


def matches(header: str | None, tag: str) -> bool:
    """Whether one of the tags in an If-None-Match header is this one.

    >>> matches('W/"a", "b"', "b")
    True
    """
    given = (part.strip().removeprefix("W/") for part in (header or "").split(","))
    return f'"{tag}"' in given


def tagged(planner: Planner, tag: str, have: str | None, make: Callable[[], bytes]) -> Response:
    """Answer with a body and its tag; a body that the client has is not worked out.

    Raises:
        AdvisorError: the body cannot be worked out.
    """
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    if matches(have, tag):
        return Response(status_code=304, headers=headers)
    body, was_kept = planner.at_hand(tag, make)
    headers["x-cache"] = "hit" if was_kept else "miss"
    return Response(body, headers=headers, media_type=JSON)


Encoding = Literal["o200k_base", "cl100k_base", "o200k_harmony"]
MOST_LIMIT_TOKENS = 2**31 - 1


async def _planner(request: Request) -> Planner:
    found = request.app.state.planner
    assert isinstance(found, Planner)
    return found


Shared = Annotated[Planner, Depends(_planner)]
EncodingQuery = Annotated[
    Encoding, Query(description="Encoding to count tokens with.", examples=["o200k_base"])
]
LimitQuery = Annotated[
    int,
    Query(
        ge=1,
        le=MOST_LIMIT_TOKENS,
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
    router.post("/profile", **described(Profile, "profile"))(profile)
    router.post("/recommend", **described(Answer | Told, "recommend"))(recommend)
    router.post("/estimate", **described(list[OptionBill], "estimate"))(estimate)
    router.post("/sweep", **described(Swept, "sweep"))(sweep)
    router.post("/interview", **described(Standing, "interview"))(interview)
    router.get("/models", **described(Models, "models"))(models)
    router.get("/prices", **described(Prices, "prices"))(prices)
    router.get("/rules", **described(Rules, "rules"))(rules)
    router.get("/errors", **described(Errors, "errors"))(errors)
    return router


async def profile(
    request: Request,
    shared: Shared,
    encoding: EncodingQuery = "o200k_base",
    limit: LimitQuery = DEFAULT_LIMIT_TOKENS,
) -> Response:
    """Say what a dataset holds; the file is streamed to a temporary folder and deleted."""
    with TemporaryDirectory(prefix="tune-or-not-upload-") as folder:
        received = await receive(request, Path(folder), shared.most_upload_bytes)
        shared.meters.received.inc(received.bytes)
        found = await to_thread.run_sync(_profiled, received, encoding, limit)
    return Response(found, media_type=JSON)


def _profiled(received: Received, encoding: str, limit: int) -> bytes:
    try:
        return canonical(profile_file(received.path, encoding, limit))
    except DatasetError as error:
        where = error.where.replace(str(received.path), received.filename)
        raise DatasetError(where, error.found, error.remedy) from error


def recommend(body: JsonBytes, shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """Say which way to take, what it costs, why, and what would flip it."""
    asked, more = parted(object_of(body))
    question = shared.question(asked)
    tag = shared.tag(question, "recommend")
    if more != More():
        tag = shared.tag_of("told", tag, more)
        return tagged(shared, tag, if_none_match, lambda: told_bytes(shared, question, more))
    return tagged(shared, tag, if_none_match, lambda: shared.answer_bytes(question))


def estimate(
    body: JsonBytes, shared: Shared, option: OptionQuery = "", if_none_match: IfNoneMatch = None
) -> Response:
    """Write the bill of every option, line by line, with price, day and source."""
    question = shared.question(object_of(body))
    tag = shared.tag_of("estimate", option, shared.tag(question, "recommend"))
    return tagged(shared, tag, if_none_match, lambda: _bills(shared, question, option))


def _bills(shared: Planner, question: Question, wanted: str) -> bytes:
    """Take the bills out of the answer, which is at hand or worked out now.

    Raises:
        UsageError: no option's id holds what is wanted.
    """
    tag = shared.tag(question, "recommend")
    found, _ = shared.at_hand(tag, lambda: shared.answer_bytes(question))
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


def sweep(body: JsonBytes, shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """Answer many variants of one question in one pass: a grid of values, or a list."""
    asked = sweep_asked(shared, object_of(body))
    tag = shared.tag_of("sweep", shared.tag(asked.question, "sweep"), asked.shape)
    return tagged(shared, tag, if_none_match, lambda: sweep_bytes(shared, asked))


def interview(body: JsonBytes, shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """Say what to ask next, or why no answer can change the verdict any more."""
    asked = interview_asked(shared, object_of(body))
    tag = shared.tag_of("interview", shared.tag(asked.question, "interview"), asked[1:])
    return tagged(shared, tag, if_none_match, lambda: interview_bytes(shared, asked))


def models(shared: Shared, name: NameQuery = "", if_none_match: IfNoneMatch = None) -> Response:
    """List models: what each can do, its window, its last day, its licence, who tunes it."""
    tag = shared.tag_of("models", name)
    return tagged(shared, tag, if_none_match, lambda: canonical(models_of(shared.book, name)))


def prices(
    shared: Shared, item: ItemQuery = "", on: DayQuery = None, if_none_match: IfNoneMatch = None
) -> Response:
    """List prices as they hold on a day, each with unit, source and age."""
    day = on or shared.today()
    tag = shared.tag_of("prices", item, day)
    return tagged(shared, tag, if_none_match, lambda: canonical(prices_on(shared.book, day, item)))


def rules(shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """List the rules, who says so and who says otherwise, and the evidence they compare with."""
    catalogue = load_catalogue()
    tag = shared.tag_of("rules", shared.evidence, catalogue)
    found = rules_of(catalogue, shared.evidence, __version__)
    return tagged(shared, tag, if_none_match, lambda: canonical(found))


def errors(shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """List every error code, what it means, what to do, and its HTTP status."""
    found = errors_known()
    tag = shared.tag_of("errors", found)
    return tagged(shared, tag, if_none_match, lambda: canonical(found))
