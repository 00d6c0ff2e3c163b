"""Records of chat completions: requests, responses and stream chunks, as OpenAI names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from advisor.units import Record
from trainer.server.openai.file_schemas import TUNED, absent, always
from trainer.server.openai.job_schemas import Metadata, StrictRequest, Text

Finish = Literal["stop", "length"]
CHAT_ID = "chatcmpl-0f3a9c1b2d4e5f60718293a4"
QUESTION = {"role": "user", "content": "Where is my parcel?"}
ANSWER = {"role": "assistant", "content": "delivery"}
Stop = Annotated[str, Field(min_length=1, max_length=256)]
TokenLimit = Annotated[int, Field(ge=1, le=1 << 20)]


class TextPart(StrictRequest):
    """A part of a message."""

    type: Literal["text"] = Field(examples=["text"])
    """Only text is supported."""
    text: str = Field(examples=["Where is my parcel?"])
    """The text."""


class ChatMessage(StrictRequest):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool"] = Field(examples=["user"])
    """Role of the author."""
    content: str | list[TextPart] | None = Field(None, examples=["Where is my parcel?"])
    """Content."""
    name: Text | None = Field(None, examples=[None])
    """Name of the author."""
    tool_calls: list[dict[str, JsonValue]] | None = Field(None, examples=[None])
    """Tool calls of an assistant."""
    tool_call_id: Text | None = Field(None, examples=[None])
    """Tool call that this message responds to."""
    refusal: str | None = Field(None, examples=[None])
    """Ignored."""
    annotations: list[JsonValue] | None = Field(None, examples=[None])
    """Ignored."""
    audio: None = Field(None, examples=[None])
    """Not supported: only text."""
    function_call: None = Field(None, examples=[None])
    """Not supported: use tool_calls."""


class StreamOptions(StrictRequest):
    """Options of a streamed response."""

    include_usage: bool = Field(False, examples=[True])
    """Whether a last chunk reports the token counts."""
    include_obfuscation: bool = Field(False, examples=[False])
    """Accepted, but has no effect."""


class ResponseFormat(StrictRequest):
    """Format of the response."""

    type: Literal["text"] = Field(examples=["text"])
    """Only `text`: models learn a format from their rows; it is not enforced."""


class CreateChatCompletionRequest(StrictRequest):
    """A chat request; parameters without an effect here accept only their neutral value."""

    model: Text = Field(examples=[TUNED])
    """A tuned model, or its base model for comparison."""
    messages: list[ChatMessage] = Field(min_length=1, max_length=4096, examples=[[QUESTION]])
    """The conversation."""
    tools: list[dict[str, JsonValue]] | None = Field(None, max_length=128, examples=[None])
    """Tools, if the model's chat template supports them; a call is returned as text."""
    tool_choice: Literal["none", "auto"] | None = Field(None, examples=["auto"])
    """`none` omits the tools."""
    max_tokens: TokenLimit | None = Field(None, examples=[64])
    """Maximum completion tokens; deprecated name."""
    max_completion_tokens: TokenLimit | None = Field(None, examples=[64])
    """Maximum completion tokens; 4,096 by default."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, examples=[0.0])
    """Sampling temperature; 0 is greedy; 1 by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, examples=[1.0])
    """Probability mass of nucleus sampling."""
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = Field(None, examples=["\n"])
    """Sequences that end the answer; they are not returned."""
    seed: Annotated[int, Field(ge=-(1 << 62), le=1 << 62)] | None = Field(None, examples=[7])
    """Seed; the same seed samples the same tokens."""
    n: Annotated[int, Field(ge=1, le=16)] | None = Field(None, examples=[1])
    """Number of answers."""
    stream: bool | None = Field(None, examples=[False])
    """Whether the response is streamed."""
    stream_options: StreamOptions | None = Field(None, examples=[None])
    """Options of a streamed response."""
    response_format: ResponseFormat | None = Field(None, examples=[{"type": "text"}])
    """Format of the response."""
    logprobs: Literal[False] | None = Field(None, examples=[False])
    """Only `false`: log probabilities are not returned."""
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
    """No effect: tool calls are returned as text."""
    service_tier: Literal["auto", "default"] | None = Field(None, examples=["auto"])
    """No effect."""
    store: bool | None = Field(None, examples=[False])
    """No effect: nothing is stored."""
    metadata: Metadata | None = Field(None, examples=[None])
    """Your own key-value pairs; not stored."""
    user: str | None = Field(None, max_length=512, examples=[None])
    """End user; not stored; deprecated name."""
    safety_identifier: str | None = Field(None, max_length=512, examples=[None])
    """End user; not stored."""

    @model_validator(mode="after")
    def _check_combinations(self) -> CreateChatCompletionRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise PydanticCustomError(
                "twice", "remove it: max_completion_tokens is also set", {"key": "max_tokens"}
            )
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError(
                "no_stream", "requires stream: true", {"key": "stream_options"}
            )
        return self


class CompletionUsage(Record):
    """Token counts."""

    prompt_tokens: int = Field(examples=[12])
    """Prompt tokens."""
    completion_tokens: int = Field(examples=[3])
    """Completion tokens, in all answers."""
    total_tokens: int = Field(examples=[15])
    """Sum of both."""


class AnswerMessage(Record):
    """The message of an answer."""

    role: Literal["assistant"] = always("assistant")
    content: str = Field(examples=["delivery"])
    """Content."""
    refusal: str | None = always(None)


class CompletionChoice(Record):
    """One answer."""

    index: int = Field(examples=[0])
    """Number of the answer."""
    message: AnswerMessage = Field(examples=[ANSWER])
    """The message."""
    finish_reason: Finish = Field(examples=["stop"])
    """Ended by itself (`stop`) or by the token limit (`length`)."""
    logprobs: None = always(None)


class CreateChatCompletionResponse(Record):
    """The answers to one request."""

    id: str = Field(examples=[CHAT_ID])
    """Id of the completion."""
    object: Literal["chat.completion"] = always("chat.completion")
    created: int = Field(examples=[1795000000])
    """Time of the request."""
    model: str = Field(examples=[TUNED])
    """Model that answers."""
    choices: list[CompletionChoice] = Field(
        examples=[[{"index": 0, "finish_reason": "stop", "message": ANSWER}]]
    )
    """The answers."""
    usage: CompletionUsage = Field(
        examples=[{"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}]
    )
    """Tokens of the prompt and of all answers."""


class Delta(Record):
    """An increment of an answer."""

    role: Literal["assistant"] | None = absent("assistant")
    """Role of the author, in the first chunk."""
    content: str | None = absent("deliv")
    """More text."""


class ChunkChoice(Record):
    """A chunk of one answer."""

    index: int = Field(examples=[0])
    """Number of the answer."""
    delta: Delta = Field(examples=[{"content": "deliv"}])
    """The increment."""
    finish_reason: Finish | None = Field(None, examples=[None])
    """Reason of the end, in the last chunk."""
    logprobs: None = always(None)


class CreateChatCompletionStreamResponse(Record):
    """A chunk of a streamed response."""

    id: str = Field(examples=[CHAT_ID])
    """Id of the completion."""
    object: Literal["chat.completion.chunk"] = always("chat.completion.chunk")
    created: int = Field(examples=[1795000000])
    """Time of the request."""
    model: str = Field(examples=[TUNED])
    """Model that answers."""
    choices: list[ChunkChoice] = Field(
        examples=[[{"index": 0, "delta": {"content": "deliv"}, "finish_reason": None}]]
    )
    """Increments of the answers; empty in the chunk that reports the token counts."""
    usage: CompletionUsage | None = absent(None)
    """Token counts, if requested."""


def chat_messages(request: CreateChatCompletionRequest) -> list[dict[str, Any]]:
    """Return the conversation for a chat template: `developer` becomes `system`."""
    ignored = {"refusal", "annotations", "audio", "function_call"}
    messages = [
        message.model_dump(mode="json", exclude_none=True, exclude=ignored)
        for message in request.messages
    ]
    return [
        {**message, "role": "system" if message["role"] == "developer" else message["role"]}
        for message in messages
    ]
