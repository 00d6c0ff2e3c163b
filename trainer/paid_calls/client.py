"""A chat model and messages -> an answer that is kept and paid once, asked with patience.

One question to one model behind an OpenAI-style endpoint -> its answer and its usage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import openai
import orjson

from trainer.clock import Clock
from trainer.errors import Refused, Unreachable
from trainer.paid_calls.cost import Tariff, max_token_count
from trainer.paid_calls.journal import ArmAnswer, ReservedBudget
from trainer.providers.base import ProviderDeclined, ProviderError, RateLimited, UnknownOutcome
from trainer.providers.http_client import SEND_SECONDS, bound_client, json_object
from trainer.providers.openai import _call
from trainer.security.api_keys import ApiKey


@dataclass(frozen=True)
class ChatAnswer:
    """One answer, and what it was billed by."""

    content: str
    tool_calls: tuple[Mapping[str, Any], ...]
    finish: str
    refusal: str | None
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def flaw(self) -> str | None:
        """Why it is nothing to learn from; nothing where it is whole."""
        if self.refusal:
            return "refusal"
        if self.finish == "length":
            return "cut-off"
        if self.finish == "content_filter":
            return "content-filter"
        return None if self.content.strip() or self.tool_calls else "empty"


class ChatClient:
    """A model that is asked; no request is ever sent twice by itself."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self._http = bound_client(key.origin)
        self._client = openai.OpenAI(
            api_key=key.value, base_url=base_url, max_retries=0, http_client=self._http
        )

    def ask(self, model: str, messages: list[dict[str, Any]], **more: Any) -> ChatAnswer:
        """Send one conversation and return the answer.

        Raises:
            Declined, Limited, NotSent, Unknown: as `trainer.providers.base` says.
        """
        chat = self._client.chat.completions.with_raw_response
        body = json_object(
            _call(
                lambda: chat.create(
                    model=model,
                    messages=messages,  # type: ignore[arg-type]
                    timeout=SEND_SECONDS,
                    extra_body=more,
                )
            )
        )
        return _parse_answer(body)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def _parse_answer(body: Mapping[str, Any]) -> ChatAnswer:
    try:
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        calls = tuple(message.get("tool_calls") or ())
        return ChatAnswer(
            content=str(message.get("content") or ""),
            tool_calls=calls,
            finish=str(choice.get("finish_reason") or ""),
            refusal=message.get("refusal"),
            prompt_tokens=_token_count(usage, "prompt_tokens"),
            completion_tokens=_token_count(usage, "completion_tokens"),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UnknownOutcome(f"the answer holds no message ({type(error).__name__})") from None


def _token_count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


WAIT_SECONDS, MAX_WAIT_SECONDS = 2.0, 600.0
MAX_CONSECUTIVE_FAILURES = 3
"""So many questions in a row without an answer end the run: nobody is there."""
FATAL_STATUSES = frozenset({401, 402, 403, 404, 405})
"""What every further question would hear too."""
MAX_TRIES = 4
T = TypeVar("T")


@dataclass
class RetryPolicy:
    """Asks again where it helps, waits as it is told, and gives up where nobody is there."""

    provider: str
    clock: Clock
    failed: int = 0

    def of(self, send: Callable[[], T], count_lost: Callable[[], None]) -> T | None:
        """Send until there is an answer, or an end to patience: then nothing.

        Args:
            send: One request.
            count_lost: Called for each request of which it is not known whether it is billed.

        Raises:
            Declined: the provider says no to this very request.
            Refused: it would say no to every request, or not for a long time.
            Unreachable: it has not answered several times in a row.
        """
        for number in range(MAX_TRIES):
            try:
                found = send()
            except ProviderDeclined as error:
                self._refuse_all_alike(error)
                raise
            except ProviderError as error:
                if isinstance(error, UnknownOutcome):
                    count_lost()
                self.clock.sleep(self._wait(error, number))
            else:
                self.failed = 0
                return found
        self.failed += 1
        if self.failed >= MAX_CONSECUTIVE_FAILURES:
            raise Unreachable(
                f"{self.provider} left {self.failed} questions in a row without an "
                "answer. What was answered is kept: say it again later."
            )
        return None

    def _refuse_all_alike(self, error: ProviderDeclined) -> None:
        if error.status in FATAL_STATUSES:
            raise Refused(
                f"{self.provider} refuses: {error}. See to the key and the name of the "
                "model, then say it again."
            ) from None

    def _wait(self, error: ProviderError, number: int) -> float:
        if not isinstance(error, RateLimited):
            return float(min(WAIT_SECONDS * 2**number, MAX_WAIT_SECONDS))
        if error.meaning != "seconds" or error.wait_seconds > MAX_WAIT_SECONDS:
            raise Refused(
                f"{self.provider}: {error}. What was answered is kept: say it again "
                "when there is room."
            ) from None
        return error.wait_seconds


@dataclass
class PaidChatModel:
    """A chat model, its prices, and the purse that pays it."""

    named: str
    """As the provider calls it."""
    chat: ChatClient
    tariff: Tariff
    budget: ReservedBudget
    clock: Clock
    retry_policy: RetryPolicy
    max_answer_tokens: int
    limit_name: str = "max_tokens"

    def answer(
        self,
        arm: str,
        key: str,
        messages: list[dict[str, Any]],
        counted: int,
        tools: str | None = None,
    ) -> ArmAnswer | None:
        """Ask once, and keep what came; nothing where no answer came.

        Args:
            arm: Who asks.
            key: Hash of what is asked.
            messages: As they are sent.
            counted: Their tokens.
            tools: Tools that may be called, as JSON.

        Raises:
            OutOfRoom: one more request might pass what was set aside.
        """
        most = self.tariff.usd(max_token_count(counted), self.max_answer_tokens)
        more: dict[str, Any] = {self.limit_name: self.max_answer_tokens}
        if tools is not None:
            more["tools"] = orjson.loads(tools)

        began = 0.0

        def send() -> ChatAnswer:
            nonlocal began
            self.budget.require_room(most)
            began = self.clock.ticks()
            return self.chat.ask(self.named, messages, **more)

        try:
            said = self.retry_policy.of(send, lambda: self.budget.count_lost(most))
        except ProviderDeclined:
            cell = ArmAnswer(arm, key, "", "declined", 0, 0, "0", 0.0)
        else:
            if said is None:
                return None
            cell = self._cell(arm, key, said, counted, self.clock.ticks() - began)
        self.budget.journal.keep(self.budget.subject, cell)
        self.budget.compare(most, Decimal(cell.usd))
        return cell

    def _cell(
        self, arm: str, key: str, said: ChatAnswer, counted: int, seconds: float
    ) -> ArmAnswer:
        """Write an answer down; usage that nobody told is taken at its dear end."""
        read = max_token_count(counted) if said.prompt_tokens is None else said.prompt_tokens
        wrote = said.completion_tokens
        wrote = self.max_answer_tokens if wrote is None else wrote
        usd = self.tariff.usd(read, wrote)
        return ArmAnswer(arm, key, said.content, said.flaw, read, wrote, str(usd), seconds)
