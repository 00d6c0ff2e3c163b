"""JSON lines on stdin -> requests in order, without cancelled ones; replies on stdout.

Input lines are `{"id": 1, "ask": {...}}` or `{"off": 1}`. Output lines are `{"ready": true}`, a
chunk of an answer with its `id`, or an error (`refused` with a `code`, or `failed`).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, Literal


class RequestRejected(Exception):
    """A request that this model cannot answer; the message has the remedy."""

    def __init__(self, code: Literal["context-length", "messages-unfit"], message: str) -> None:
        self.code = code
        super().__init__(message)


class StdinRequests:
    """Requests of the parent process; this process ends with it."""

    def __init__(self, lines: IO[str], out: IO[str]) -> None:
        self._lines, self._out = lines, out
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._off: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    def of_this_process(cls) -> StdinRequests:
        """Use stdin and stdout for the protocol; output of libraries goes to stderr."""
        out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(sys.stdin, out)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield requests as they arrive, each with its `id`."""
        while True:
            told = self._waiting.get()
            if not self.is_cancelled(told["id"]):
                yield {**told["ask"], "id": told["id"]}
            self._off.discard(told["id"])

    def is_cancelled(self, number: int) -> bool:
        """Whether this request was cancelled."""
        return number in self._off

    def tell(self, **body: Any) -> None:
        """Send one line."""
        self._out.write(json.dumps(body) + "\n")
        self._out.flush()

    def send_label(self, ask: dict[str, Any], label: str, asked: int, answered: int) -> None:
        """Send a label as the complete answer, once per requested answer."""
        for index in range(ask["n"]):
            self.tell(
                id=ask["id"],
                index=index,
                text=label,
                finish="stop",
                prompt_tokens=asked,
                completion_tokens=answered,
            )

    def _read(self) -> None:
        for line in self._lines:
            told = json.loads(line)
            if "off" in told:
                self._off.add(told["off"])
            else:
                self._waiting.put(told)
        os._exit(0)  # end of stdin: the parent process is gone


def message_text(message: dict[str, Any]) -> str | None:
    """Return the text of a message, with its parts joined.

    Raises:
        RequestRejected: a part is not text.
    """
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        match part:
            case {"type": "text", "text": str()}:
                continue
        raise RequestRejected(
            "messages-unfit",
            f"a message contains {str(part)[:80]}, and this model only reads "
            "text. Send texts, or parts of type 'text'.",
        )
    return "".join(part["text"] for part in parts)


def last_question(ask: dict[str, Any]) -> str:
    """Return the text of the last user message.

    Raises:
        RequestRejected: there is no user message.
    """
    texts = [message_text(message) for message in ask["messages"] if message["role"] == "user"]
    if not texts or not texts[-1]:
        raise RequestRejected(
            "messages-unfit",
            "no user message contains text, and a classifier labels the last one. Send one.",
        )
    return texts[-1]
