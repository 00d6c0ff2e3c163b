"""Client of OpenAI-style chat and embedding endpoints: one paid call, retried within its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import openai
import orjson

from trainer.clock import Clock
from trainer.errors import Refused, Unreachable
from trainer.paid_calls.cost import TokenPrices, max_token_count
from trainer.paid_calls.journal import ArmAnswer, ReservedBudget
from trainer.providers.base import ProviderDeclined, ProviderError, RateLimited, UnknownOutcome
from trainer.providers.http_client import SEND_SECONDS, bound_client
from trainer.providers.openai import call_json
from trainer.security.api_keys import ApiKey

WAIT_SECONDS, MAX_WAIT_SECONDS = 2.0, 600.0
MAX_CONSECUTIVE_FAILURES = 3
"""Calls in a row without an answer after which the provider counts as unreachable."""
FATAL_STATUSES = frozenset({401, 402, 403, 404, 405})
"""Statuses that every further call would get too."""
MAX_TRIES = 4
T = TypeVar("T")


@dataclass(frozen=True)
class ChatAnswer:
    """Answer of a chat model, with the usage it is billed by."""

    content: str
    tool_calls: tuple[Mapping[str, Any], ...]
    finish: str
    refusal: str | None
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def flaw(self) -> str | None:
        """Why the answer cannot be trained on; None if it can."""
        if self.refusal:
            return "refusal"
        if self.finish == "length":
            return "cut-off"
        if self.finish == "content_filter":
            return "content-filter"
        return None if self.content.strip() or self.tool_calls else "empty"


class ChatClient:
    """Client of one endpoint; it never resends a request by itself."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self._http = bound_client(key.origin)
        self._client = openai.OpenAI(
            api_key=key.value, base_url=base_url, max_retries=0, http_client=self._http
        )

    def ask(self, model: str, messages: list[dict[str, Any]], **settings: Any) -> ChatAnswer:
        """Send one conversation.

        Raises:
            ProviderError: see `trainer.providers.base`.
        """
        create = self._client.chat.completions.with_raw_response.create
        options = {"timeout": SEND_SECONDS, "extra_body": settings}
        body = call_json(create, model=model, messages=messages, **options)
        try:
            choice = body["choices"][0]
            message, usage = choice["message"], body.get("usage") or {}
            return ChatAnswer(
                content=str(message.get("content") or ""),
                tool_calls=tuple(message.get("tool_calls") or ()),
                finish=str(choice.get("finish_reason") or ""),
                refusal=message.get("refusal"),
                prompt_tokens=_token_count(usage, "prompt_tokens"),
                completion_tokens=_token_count(usage, "completion_tokens"),
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UnknownOutcome(f"the response has no message ({type(error).__name__})") from None

    def embed(self, model: str, texts: Sequence[str]) -> tuple[list[Sequence[float]], int | None]:
        """Return one vector per text, and the tokens billed if the response states them.

        Raises:
            ProviderError: see `trainer.providers.base`.
        """
        create = self._client.embeddings.with_raw_response.create
        options = {"encoding_format": "float", "timeout": SEND_SECONDS}
        body = call_json(create, model=model, input=list(texts), **options)
        try:
            data = sorted(body["data"], key=lambda item: int(item["index"]))
            vectors: list[Sequence[float]] = [list(map(float, item["embedding"])) for item in data]
            used = _token_count(body.get("usage") or {}, "prompt_tokens")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnknownOutcome(f"the response has no vectors ({type(error).__name__})") from None
        if len(vectors) != len(texts):
            raise UnknownOutcome(f"the response has {len(vectors)} vectors for {len(texts)} texts")
        return vectors, used

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _token_count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@dataclass
class RetryPolicy:
    """Resends where that can help, waits as the provider demands, and stops where it cannot."""

    provider: str
    clock: Clock
    tries: int = MAX_TRIES
    failures: int = 0
    """Calls in a row without an answer."""
    last_error: str = ""
    """Last error of the current call; empty before its first one."""

    def call(self, send: Callable[[], T], budget: ReservedBudget, at_most: Decimal) -> T | None:
        """Send until an answer arrives, each try at most *at_most* USD; None after the last try.

        Raises:
            BudgetExhausted: a try might exceed the reserved amount.
            ProviderDeclined: the provider rejects this request.
            Refused: it would reject every request, or asks for a very long wait.
            Unreachable: several calls in a row got no answer.
        """
        self.last_error = ""
        for number in range(self.tries):
            try:
                with budget.request(at_most):
                    answer = send()
            except ProviderDeclined as error:
                if error.status in FATAL_STATUSES:
                    raise Refused(
                        f"{self.provider} rejects the request: {error}. Check the API key and the "
                        "model name, then run the command again."
                    ) from None
                raise
            except ProviderError as error:
                self.last_error = str(error)
                self.clock.sleep(self._wait_seconds(error, number))
            else:
                self.failures = 0
                return answer
        self.failures += 1
        if self.failures >= MAX_CONSECUTIVE_FAILURES:
            raise Unreachable(
                f"{self.provider} gave no answer to {self.failures} requests in a row. The answers "
                "so far are saved: run the command again later."
            )
        return None

    def _wait_seconds(self, error: ProviderError, number: int) -> float:
        if not isinstance(error, RateLimited):
            return float(min(WAIT_SECONDS * 2**number, MAX_WAIT_SECONDS))
        if error.meaning != "seconds" or error.wait_seconds > MAX_WAIT_SECONDS:
            raise Refused(
                f"{self.provider}: {error}. The answers so far are saved: run the command again "
                "when the limit allows it."
            ) from None
        return error.wait_seconds


class PaidAnswer(NamedTuple):
    """An answer and what it cost."""

    chat: ChatAnswer
    prompt_tokens: int
    """As billed; the worst case if the response states no usage."""
    completion_tokens: int
    usd: Decimal
    seconds: float


@dataclass
class PaidChatModel:
    """A chat model, its prices, and the budget that pays for its answers."""

    name: str
    """The provider's name of the model."""
    client: ChatClient
    prices: TokenPrices
    budget: ReservedBudget
    retry_policy: RetryPolicy
    max_answer_tokens: int
    limit_name: str = "max_tokens"
    """The endpoint's name of the limit on answer tokens."""

    def ask(
        self,
        messages: list[dict[str, Any]],
        counted_tokens: int,
        tools: str | None = None,
        **settings: Any,
    ) -> PaidAnswer | None:
        """Send a conversation until it is answered; None if no answer arrived.

        *settings* are further fields of the request. The caller records the answer in the journal
        before it asks for the next one.

        Raises:
            BudgetExhausted, ProviderDeclined, Refused, Unreachable: see `RetryPolicy.call`.
        """
        at_most = self.prices.usd_at_most(counted_tokens, self.max_answer_tokens)
        settings[self.limit_name] = self.max_answer_tokens
        if tools is not None:
            settings["tools"] = orjson.loads(tools)
        clock = self.retry_policy.clock

        def send() -> tuple[ChatAnswer, float]:
            began = clock.ticks()
            return self.client.ask(self.name, messages, **settings), clock.ticks() - began

        response = self.retry_policy.call(send, self.budget, at_most)
        if response is None:
            return None
        answer, seconds = response
        read, wrote = answer.prompt_tokens, answer.completion_tokens
        read = max_token_count(counted_tokens) if read is None else read
        wrote = self.max_answer_tokens if wrote is None else wrote
        usd = self.prices.usd(read, wrote)
        self.budget.compare(at_most, usd)
        return PaidAnswer(answer, read, wrote, usd, seconds)

    def answer(
        self,
        arm: str,
        key: str,
        messages: list[dict[str, Any]],
        counted_tokens: int,
        tools: str | None = None,
    ) -> ArmAnswer | None:
        """Answer a case of a pilot and record it; None if no answer arrived.

        Raises:
            BudgetExhausted, Refused, Unreachable: see `RetryPolicy.call`.
        """
        try:
            paid = self.ask(messages, counted_tokens, tools)
        except ProviderDeclined:
            answer = ArmAnswer(arm, key, "", "declined", 0, 0, "0", 0.0)
        else:
            if paid is None:
                return None
            chat, read, wrote, usd, seconds = paid
            answer = ArmAnswer(arm, key, chat.content, chat.flaw, read, wrote, str(usd), seconds)
        self.budget.record(**asdict(answer))
        return answer
