"""Questions to a tuned model and its answers, whole or in pieces, as OpenAI names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from advisor.units import Record
from trainer.server.openai.file_schemas import TUNED, absent
from trainer.server.openai.job_schemas import Metadata, StrictRequest, Text

Finish = Literal["stop", "length"]
CHAT_ID = "chatcmpl-0f3a9c1b2d4e5f60718293a4"
Stop = Annotated[str, Field(min_length=1, max_length=256)]


class TextPart(StrictRequest):
    """A part of a message."""

    type: Literal["text"] = Field(examples=["text"])
    """Only texts are read."""
    text: str = Field(examples=["Where is my parcel?"])
    """The words."""


class ChatMessage(StrictRequest):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool"] = Field(examples=["user"])
    """Who says it."""
    content: str | list[TextPart] | None = Field(None, examples=["Where is my parcel?"])
    """What is said."""
    name: Text | None = Field(None, examples=[None])
    """Name of who says it."""
    tool_calls: list[dict[str, JsonValue]] | None = Field(None, examples=[None])
    """Calls of an assistant."""
    tool_call_id: Text | None = Field(None, examples=[None])
    """Call that a tool answers."""
    refusal: str | None = Field(None, examples=[None])
    """Not read."""
    annotations: list[JsonValue] | None = Field(None, examples=[None])
    """Not read."""
    audio: None = Field(None, examples=[None])
    """None: only texts are read."""
    function_call: None = Field(None, examples=[None])
    """None: take tool_calls."""


class StreamOptions(StrictRequest):
    """How an answer is sent in pieces."""

    include_usage: bool = Field(False, examples=[True])
    """Whether tokens are counted at the end."""
    include_obfuscation: bool = Field(False, examples=[False])
    """Not done here, and accepted."""


class ResponseFormat(StrictRequest):
    """What an answer is."""

    type: Literal["text"] = Field(examples=["text"])
    """Only `text`: a form is learned from rows, not forced."""


class CreateChatCompletionRequest(StrictRequest):
    """One question; what would change nothing here is accepted only at its neutral value."""

    model: Text = Field(examples=[TUNED])
    """A tuned model, or its base to compare with."""
    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=4096,
        examples=[[{"role": "user", "content": "Where is my parcel?"}]],
    )
    """The conversation."""
    tools: list[dict[str, JsonValue]] | None = Field(None, max_length=128, examples=[None])
    """Tools, where the model's template has a place for them; a call comes back as text."""
    tool_choice: Literal["none", "auto"] | None = Field(None, examples=["auto"])
    """`none` leaves the tools out."""
    max_tokens: Annotated[int, Field(ge=1, le=1 << 20)] | None = Field(None, examples=[64])
    """Longest answer."""
    max_completion_tokens: Annotated[int, Field(ge=1, le=1 << 20)] | None = Field(
        None, examples=[64]
    )
    """The same, by its newer name; without either an answer ends after 4,096 tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, examples=[0.0])
    """0 takes the most probable word; 1 by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, examples=[1.0])
    """Share of the probability that words are drawn from."""
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = Field(None, examples=["\n"])
    """The answer ends before the first of them."""
    seed: Annotated[int, Field(ge=-(1 << 62), le=1 << 62)] | None = Field(None, examples=[7])
    """The same seed draws the same words."""
    n: Annotated[int, Field(ge=1, le=16)] | None = Field(None, examples=[1])
    """Answers asked for."""
    stream: bool | None = Field(None, examples=[False])
    """Whether it comes in pieces."""
    stream_options: StreamOptions | None = Field(None, examples=[None])
    """How."""
    response_format: ResponseFormat | None = Field(None, examples=[{"type": "text"}])
    """What the answer is."""
    logprobs: Literal[False] | None = Field(None, examples=[False])
    """Only `false`: probabilities are not told."""
    frequency_penalty: Literal[0] | None = Field(None, examples=[0])
    """Only 0."""
    presence_penalty: Literal[0] | None = Field(None, examples=[0])
    """Only 0."""
    logit_bias: Annotated[dict[str, JsonValue], Field(max_length=0)] | None = Field(
        None, examples=[None]
    )
    """Only empty."""
    modalities: list[Literal["text"]] | None = Field(None, examples=[["text"]])
    """Only text."""
    parallel_tool_calls: bool | None = Field(None, examples=[None])
    """Changes nothing: calls come back as text."""
    service_tier: Literal["auto", "default"] | None = Field(None, examples=["auto"])
    """There is one."""
    store: bool | None = Field(None, examples=[False])
    """Nothing is kept, whatever is said."""
    metadata: Metadata | None = Field(None, examples=[None])
    """Words of your own; not kept."""
    user: str | None = Field(None, max_length=512, examples=[None])
    """Whose question it is; not kept."""
    safety_identifier: str | None = Field(None, max_length=512, examples=[None])
    """The same, by its newer name."""

    @model_validator(mode="after")
    def _fits(self) -> CreateChatCompletionRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise PydanticCustomError(
                "twice", "it is given twice: leave max_tokens out", {"key": "max_tokens"}
            )
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError(
                "no_stream", "it goes with stream: true", {"key": "stream_options"}
            )
        return self


class CompletionUsage(Record):
    """Tokens that were read and written."""

    prompt_tokens: int = Field(examples=[12])
    """Read."""
    completion_tokens: int = Field(examples=[3])
    """Written, in all answers."""
    total_tokens: int = Field(examples=[15])
    """Both."""


class AnswerMessage(Record):
    """What a model answers."""

    role: Literal["assistant"] = Field("assistant", examples=["assistant"])
    """Always `assistant`."""
    content: str = Field(examples=["delivery"])
    """The words."""
    refusal: str | None = Field(None, examples=[None])
    """None: tuned models here do not refuse apart."""


class CompletionChoice(Record):
    """One answer."""

    index: int = Field(examples=[0])
    """Its number."""
    message: AnswerMessage = Field(examples=[{"role": "assistant", "content": "delivery"}])
    """The answer."""
    finish_reason: Finish = Field(examples=["stop"])
    """Why it ended: by itself, or by its length."""
    logprobs: None = Field(None, examples=[None])
    """None."""


class CreateChatCompletionResponse(Record):
    """The answers to one question."""

    id: str = Field(examples=[CHAT_ID])
    """Its name."""
    object: Literal["chat.completion"] = Field("chat.completion", examples=["chat.completion"])
    """Always `chat.completion`."""
    created: int = Field(examples=[1795000000])
    """When it was asked."""
    model: str = Field(examples=[TUNED])
    """Who answers."""
    choices: list[CompletionChoice] = Field(
        examples=[
            [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "delivery"},
                }
            ]
        ]
    )
    """The answers."""
    usage: CompletionUsage = Field(
        examples=[{"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}]
    )
    """Tokens that were counted."""


class Delta(Record):
    """What an answer grows by."""

    role: Literal["assistant"] | None = absent("assistant")
    """Who speaks, at the beginning."""
    content: str | None = absent("deliv")
    """More words."""


class ChunkChoice(Record):
    """A piece of one answer."""

    index: int = Field(examples=[0])
    """Number of the answer."""
    delta: Delta = Field(examples=[{"content": "deliv"}])
    """What it grows by."""
    finish_reason: Finish | None = Field(None, examples=[None])
    """Why it ended, at its end."""
    logprobs: None = Field(None, examples=[None])
    """None."""


class CreateChatCompletionStreamResponse(Record):
    """A piece of the answers to one question."""

    id: str = Field(examples=[CHAT_ID])
    """Name of the whole."""
    object: Literal["chat.completion.chunk"] = Field(
        "chat.completion.chunk", examples=["chat.completion.chunk"]
    )
    """Always `chat.completion.chunk`."""
    created: int = Field(examples=[1795000000])
    """When it was asked."""
    model: str = Field(examples=[TUNED])
    """Who answers."""
    choices: list[ChunkChoice] = Field(
        examples=[[{"index": 0, "delta": {"content": "deliv"}, "finish_reason": None}]]
    )
    """The pieces; empty in the last one, where tokens are counted."""
    usage: CompletionUsage | None = absent(None)
    """Tokens that were counted, where that was asked for."""


def chat_messages(asked: CreateChatCompletionRequest) -> list[dict[str, Any]]:
    """Write the conversation as the models here read it: a developer speaks as the system."""
    unread = {"refusal", "annotations", "audio", "function_call"}
    found = [
        one.model_dump(mode="json", exclude_none=True, exclude=unread) for one in asked.messages
    ]
    return [
        {**one, "role": "system" if one["role"] == "developer" else one["role"]} for one in found
    ]
