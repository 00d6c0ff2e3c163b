"""Route of chat completions: tuned models of this machine answer, at once or as a stream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import anyio
from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from advisor.api.errors import error_location
from advisor.api.observability import access_log
from advisor.errors import AdvisorError
from trainer.local.model_process import AnswerChunk, ChatRequest, System
from trainer.server.auth import Viewer
from trainer.server.context import CurrentServer, ServerContext
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
from trainer.server.openai.errors import INTERNAL, INTERNAL_MESSAGE, error_body, model_not_found
from trainer.server.openai.models import tuned_model, tuned_models
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage.access_tokens import Caller

MAX_TOKENS = 4096
DONE = b"data: [DONE]\n\n"
log = access_log()
router = APIRouter(route_class=StrictRoute, tags=["chat"])
Chunks = Generator[AnswerChunk, None, None]


@dataclass
class Completion:
    """Id, model and token counts of one chat completion."""

    model: str
    includes_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex[:24]}")
    created: int = field(default_factory=lambda: int(time.time()))
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def count(self, chunk: AnswerChunk) -> None:
        """Add the tokens of an answer that ended."""
        self.prompt_tokens = chunk.prompt_tokens or self.prompt_tokens
        self.completion_tokens += chunk.completion_tokens or 0

    @property
    def usage(self) -> CompletionUsage:
        """Token counts so far."""
        return CompletionUsage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_tokens=self.prompt_tokens + self.completion_tokens,
        )

    def event(self, *choices: ChunkChoice, is_last: bool = False) -> bytes:
        """Return one chunk as a server-sent event."""
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
    server: CurrentServer, caller: Viewer, body: CreateChatCompletionRequest
) -> CreateChatCompletionResponse | StreamingResponse:
    """Answer with a tuned model; `stream` sends tokens as they are generated."""
    count = body.n or 1
    folder, system = await run_in_threadpool(_model_folder, server, caller, body.model)
    chunks = server.model_pool.ask(folder, chat_request(body), system)
    completion = Completion(
        body.model, bool(body.stream_options and body.stream_options.include_usage)
    )
    if not body.stream:
        return await run_in_threadpool(_complete_response, completion, chunks, count)
    # the first chunk is read before the status is sent: what fails at once is an HTTP error
    first = await run_in_threadpool(next, chunks)
    return StreamingResponse(
        _stream(completion, first, chunks, count), media_type="text/event-stream"
    )


def chat_request(body: CreateChatCompletionRequest) -> ChatRequest:
    """Convert a request to that of a model process."""
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
    """Return the run folder of a tuned model, or one whose base model is *name*.

    Raises:
        OpenAINotFound: the caller has no such model.
    """
    bases = server.bases()
    if name not in bases:
        return tuned_model(server, caller, name).run_folder, "tuned"
    for tuned in tuned_models(server, caller):
        local, is_chat = tuned.plan.local, tuned.version.kind in ("adapter", "full")
        if is_chat and local is not None and local.base == str(bases[name].resolve()):
            return tuned.run_folder, "base"
    raise model_not_found(
        name,
        ": a base model answers only after you have tuned a model from it. Create a job first.",
    )


def _complete_response(
    completion: Completion, chunks: Iterable[AnswerChunk], count: int
) -> CreateChatCompletionResponse:
    texts, reasons = [""] * count, [""] * count
    for chunk in chunks:
        texts[chunk.index] += chunk.text
        if chunk.finish:
            reasons[chunk.index] = chunk.finish
            completion.count(chunk)
    choices = [
        CompletionChoice.model_validate(
            {"index": index, "message": AnswerMessage(content=text), "finish_reason": reason}
        )
        for index, (text, reason) in enumerate(zip(texts, reasons, strict=True))
    ]
    return CreateChatCompletionResponse(
        id=completion.id,
        created=completion.created,
        model=completion.model,
        choices=choices,
        usage=completion.usage,
    )


async def _stream(
    completion: Completion, first: AnswerChunk, chunks: Chunks, count: int
) -> AsyncIterator[bytes]:
    """Send chunks as they come; an error is sent as an event, and a disconnect ends the work."""
    try:
        for index in range(count):
            yield completion.event(
                ChunkChoice(index=index, delta=Delta(role="assistant", content=""))
            )
        chunk: AnswerChunk | None = first
        while chunk is not None:
            if chunk.text:
                delta = Delta(content=chunk.text)
                yield completion.event(ChunkChoice(index=chunk.index, delta=delta))
            if chunk.finish:
                completion.count(chunk)
                yield completion.event(
                    ChunkChoice(index=chunk.index, delta=Delta(), finish_reason=chunk.finish)
                )
            chunk = await to_thread.run_sync(next, chunks, None)
        if completion.includes_usage:
            yield completion.event(is_last=True)
        yield DONE
    except AdvisorError as error:
        yield _error_event(error.http_status, str(error), error.code)
    except Exception as error:  # noqa: BLE001 - the status was sent: only an event can report it
        log.warning("fault", place=error_location(error))
        yield _error_event(INTERNAL, INTERNAL_MESSAGE, "fault")
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(chunks.close)


def _error_event(status: int, message: str, code: str) -> bytes:
    return b"data: " + error_body(status, message, code) + b"\n\n"
