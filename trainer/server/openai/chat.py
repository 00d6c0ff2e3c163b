"""POST /chat/completions: tuned models of this machine answer, whole or in pieces."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from advisor.api.errors import place_of
from advisor.api.observability import access_log
from advisor.errors import AdvisorError
from trainer.local.model_process import Ask, Piece, System
from trainer.server.auth import Viewer
from trainer.server.context import Front, front_of
from trainer.server.openai.chat_schemas import (
    AnswerMessage,
    Choice,
    ChunkChoice,
    CompletionUsage,
    CreateChatCompletionRequest,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    Delta,
    messages_of,
)
from trainer.server.openai.errors import FAULT, NotThere, body_of
from trainer.server.openai.idempotency import reply
from trainer.server.openai.strict_route import CleanRoute
from trainer.server.openai.tuned_models import Tuned, tuned_model, tuned_models
from trainer.storage.access_tokens import Caller

MOST_TOKENS = 4096
DONE = b"data: [DONE]\n\n"
log = access_log()
router = APIRouter(route_class=CleanRoute, tags=["chat"])
Pieces = Generator[Piece, None, None]


@dataclass
class Told:
    """One conversation: what it is called, and what has been counted so far."""

    model: str
    counts_at_end: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex[:24]}")
    created: int = field(default_factory=lambda: int(time.time()))
    read: int = 0
    written: int = 0

    def count(self, piece: Piece) -> None:
        """Count the tokens of an answer that ended."""
        self.read = piece.prompt_tokens or self.read
        self.written += piece.completion_tokens or 0

    @property
    def usage(self) -> CompletionUsage:
        """What was counted."""
        return CompletionUsage(
            prompt_tokens=self.read,
            completion_tokens=self.written,
            total_tokens=self.read + self.written,
        )

    def chunk(self, *choices: ChunkChoice, is_last: bool = False) -> bytes:
        """Write one piece as a server-sent event."""
        body = CreateChatCompletionStreamResponse(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=list(choices),
            usage=self.usage if is_last else None,
        )
        return f"data: {body.model_dump_json()}\n\n".encode()


@router.post(
    "/chat/completions",
    response_model=CreateChatCompletionResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def create_chat_completion(
    request: Request, caller: Viewer, body: CreateChatCompletionRequest
) -> Response:
    """Have a tuned model answer; `stream` sends the words as they come."""
    front = front_of(request)
    folder, system = await run_in_threadpool(_who, front, caller, body.model)
    pieces = front.talkers.ask(folder, ask_of(body), system)
    told = Told(body.model, bool(body.stream_options and body.stream_options.include_usage))
    if not body.stream:
        return reply(await run_in_threadpool(_whole, told, pieces, body.n or 1))
    first = await run_in_threadpool(next, pieces)  # what cannot be answered at all is an error
    return StreamingResponse(
        _stream(told, first, pieces, body.n or 1), media_type="text/event-stream"
    )


def ask_of(body: CreateChatCompletionRequest) -> Ask:
    """Write a question as the models here take it."""
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return Ask(
        messages=messages_of(body),
        tools=None if body.tool_choice == "none" else body.tools,
        max_tokens=body.max_completion_tokens or body.max_tokens or MOST_TOKENS,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=body.top_p or 1.0,
        stop=tuple(stop),
        seed=body.seed,
        n=body.n or 1,
    )


def _who(front: Front, caller: Caller, name: str) -> tuple[Path, System]:
    """Find the run whose model answers: a tuned one, or its base to compare with.

    Raises:
        NotThere: there is no such model for the caller.
    """
    bases = front.bases()
    if name not in bases:
        return tuned_model(front, caller, name).run_folder, "tuned"
    for one in tuned_models(front, caller):
        if _speaks_from(one, bases[name]):
            return one.run_folder, "base"
    raise NotThere(
        f"model '{name}': a base answers here once a model of yours was tuned from it. "
        "Create a job first.",
        "model",
        "model_not_found",
    )


def _speaks_from(tuned: Tuned, base: Path) -> bool:
    local = tuned.plan.local
    is_chat = tuned.version.kind in ("adapter", "full")
    return is_chat and local is not None and local.base == str(base.resolve())


def _whole(told: Told, pieces: Iterable[Piece], count: int) -> CreateChatCompletionResponse:
    texts, ends = [""] * count, [""] * count
    for piece in pieces:
        texts[piece.index] += piece.text
        if piece.finish:
            ends[piece.index] = piece.finish
            told.count(piece)
    choices = [
        Choice.model_validate(
            {
                "index": number,
                "message": AnswerMessage(content=text),
                "finish_reason": end,
            }
        )
        for number, (text, end) in enumerate(zip(texts, ends, strict=True))
    ]
    return CreateChatCompletionResponse(
        id=told.id, created=told.created, model=told.model, choices=choices, usage=told.usage
    )


async def _stream(told: Told, first: Piece, pieces: Pieces, count: int) -> AsyncIterator[bytes]:
    """Send pieces as they come; a failure is an event, and a client that goes ends it."""
    try:
        for number in range(count):
            opening = Delta(role="assistant", content="")
            yield told.chunk(ChunkChoice(index=number, delta=opening))
        piece: Piece | None = first
        while piece is not None:
            if piece.text:
                yield told.chunk(ChunkChoice(index=piece.index, delta=Delta(content=piece.text)))
            if piece.finish:
                told.count(piece)
                yield told.chunk(
                    ChunkChoice(index=piece.index, delta=Delta(), finish_reason=piece.finish)
                )
            piece = await to_thread.run_sync(next, pieces, None)
        if told.counts_at_end:
            yield told.chunk(is_last=True)
        yield DONE
    except AdvisorError as error:
        yield _failed(error.http_status, str(error), error.code)
    except Exception as error:  # noqa: BLE001 - the answer has begun: only an event can tell of it
        log.warning("fault", place=place_of(error))
        yield _failed(FAULT, "This is a fault of the server. Ask again.", "fault")
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(pieces.close)


def _failed(status: int, message: str, code: str) -> bytes:
    return b"data: " + body_of(status, message, code) + b"\n\n"
