"""One question to one model behind an OpenAI-style endpoint -> its answer and its usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from trainer.providers.job import Unknown
from trainer.providers.openai import _call
from trainer.providers.web import SEND_SECONDS, bound_client, told
from trainer.secret import Key


@dataclass(frozen=True)
class Said:
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


class Chat:
    """A model that is asked; no request is ever sent twice by itself."""

    def __init__(self, base_url: str, key: Key) -> None:
        self._http = bound_client(key.origin)
        self._client = openai.OpenAI(
            api_key=key.value, base_url=base_url, max_retries=0, http_client=self._http
        )

    def ask(self, model: str, messages: list[dict[str, Any]], **more: Any) -> Said:
        """Send one conversation and return the answer.

        Raises:
            Declined, Limited, NotSent, Unknown: as `trainer.providers.job` says.
        """
        chat = self._client.chat.completions.with_raw_response
        body = told(_call(lambda: chat.create(
            model=model, messages=messages, timeout=SEND_SECONDS, extra_body=more  # type: ignore[arg-type]
        )))  # fmt: skip
        return _read(body)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def _read(body: Mapping[str, Any]) -> Said:
    try:
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        calls = tuple(message.get("tool_calls") or ())
        return Said(
            content=str(message.get("content") or ""), tool_calls=calls,
            finish=str(choice.get("finish_reason") or ""), refusal=message.get("refusal"),
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Unknown(f"the answer holds no message ({type(error).__name__})") from None


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
