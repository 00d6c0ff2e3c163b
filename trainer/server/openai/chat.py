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

from advisor.api.errors import error_location
from advisor.api.observability import access_log
from advisor.errors import AdvisorError
from trainer.local.model_process import AnswerChunk, ChatRequest, System
from trainer.server.auth import Viewer
from trainer.server.context import ServerContext, server_of
from trainer.server.openai.chat_schemas import (
    AnswerMessage,
    ChunkChoice,
    CompletionChoice,
    CompletionUsage,
    CreateChatCompletionRequest,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    Delta,
    chat_messages,
)
from trainer.server.openai.errors import FAULT, OpenAINotFound, body_of
from trainer.server.openai.idempotency import json_response
from trainer.server.openai.strict_route import StrictRoute
from trainer.server.openai.tuned_models import TunedModel, tuned_model, tuned_models
from trainer.storage.access_tokens import Caller

MAX_TOKENS = 4096
DONE = b"data: [DONE]\n\n"
log = access_log()
router = APIRouter(route_class=StrictRoute, tags=["chat"])
Pieces = Generator[AnswerChunk, None, None]


@dataclass
class CompletionStream:
    """One conversation: what it is called, and what has been counted so far."""

    model: str
    counts_at_end: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex[:24]}")
    created: int = field(default_factory=lambda: int(time.time()))
    read: int = 0
    written: int = 0

    def count(self, piece: AnswerChunk) -> None:
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
    server = server_of(request)
    folder, system = await run_in_threadpool(_model_folder, server, caller, body.model)
    pieces = server.model_pool.ask(folder, chat_request(body), system)
    told = CompletionStream(
        body.model, bool(body.stream_options and body.stream_options.include_usage)
    )
    if not body.stream:
        return json_response(await run_in_threadpool(_complete_response, told, pieces, body.n or 1))
    first = await run_in_threadpool(next, pieces)  # what cannot be answered at all is an error
    return StreamingResponse(
        _stream(told, first, pieces, body.n or 1), media_type="text/event-stream"
    )


def chat_request(body: CreateChatCompletionRequest) -> ChatRequest:
    """Write a question as the models here take it."""
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return ChatRequest(
        messages=chat_messages(body),
        tools=None if body.tool_choice == "none" else body.tools,
        max_tokens=body.max_completion_tokens or body.max_tokens or MAX_TOKENS,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=body.top_p or 1.0,
        stop=tuple(stop),
        seed=body.seed,
        n=body.n or 1,
    )


def _model_folder(server: ServerContext, caller: Caller, name: str) -> tuple[Path, System]:
    """Find the run whose model answers: a tuned one, or its base to compare with.

    Raises:
        NotThere: there is no such model for the caller.
    """
    bases = server.bases()
    if name not in bases:
        return tuned_model(server, caller, name).run_folder, "tuned"
    for one in tuned_models(server, caller):
        if _is_base_of(one, bases[name]):
            return one.run_folder, "base"
    raise OpenAINotFound(
        f"model '{name}': a base answers here once a model of yours was tuned from it. "
        "Create a job first.",
        "model",
        "model_not_found",
    )


def _is_base_of(tuned: TunedModel, base: Path) -> bool:
    local = tuned.plan.local
    is_chat = tuned.version.kind in ("adapter", "full")
    return is_chat and local is not None and local.base == str(base.resolve())


def _complete_response(
    told: CompletionStream, pieces: Iterable[AnswerChunk], count: int
) -> CreateChatCompletionResponse:
    texts, ends = [""] * count, [""] * count
    for piece in pieces:
        texts[piece.index] += piece.text
        if piece.finish:
            ends[piece.index] = piece.finish
            told.count(piece)
    choices = [
        CompletionChoice.model_validate(
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


async def _stream(
    told: CompletionStream, first: AnswerChunk, pieces: Pieces, count: int
) -> AsyncIterator[bytes]:
    """Send pieces as they come; a failure is an event, and a client that goes ends it."""
    try:
        for number in range(count):
            opening = Delta(role="assistant", content="")
            yield told.chunk(ChunkChoice(index=number, delta=opening))
        piece: AnswerChunk | None = first
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
        yield _error_event(error.http_status, str(error), error.code)
    except Exception as error:  # noqa: BLE001 - the answer has begun: only an event can tell of it
        log.warning("fault", place=error_location(error))
        yield _error_event(FAULT, "This is a fault of the server. Ask again.", "fault")
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(pieces.close)


def _error_event(status: int, message: str, code: str) -> bytes:
    return b"data: " + body_of(status, message, code) + b"\n\n"
