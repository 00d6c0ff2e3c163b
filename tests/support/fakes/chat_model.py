"""A chat and embedding model on loopback that really answers: from what stands in its prompt."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.fakes.http_server import FakeProvider, Reply, Request

FACT = re.compile(r"The code of (\w+) is (K-\d+)")
QUESTION = re.compile(r"What is the code of (\w+)\?")
SIZE = 128


class FakeChatModel(FakeProvider):
    """Knows nothing but what it reads: a code only if the passage with it is in the prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.billed: Counter[str] = Counter()
        """Prompt -> how often it was answered."""
        self.embedded: Counter[str] = Counter()
        self.before: Callable[[], None] = lambda: None
        self.think: Callable[[str], str] = answer_from_prompt
        self.prompt_tokens: Callable[[str], int] = lambda prompt: len(prompt) // 4 + 4
        self.route("POST", "/v1/chat/completions", self.chat)
        self.route("POST", "/v1/embeddings", self.embed)

    def chat(self, request: Request) -> Reply:
        """Answer the last message from all that was sent."""
        self.before()
        body = request.json()
        prompt = "\n".join(message["content"] for message in body["messages"])
        self.billed[prompt] += 1
        answer = self.think(prompt)
        read, wrote = self.prompt_tokens(prompt), len(answer) // 4 + 1
        message = {"role": "assistant", "content": answer, "refusal": None}
        return Reply({
            "id": "chat-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": read, "completion_tokens": wrote,
                      "total_tokens": read + wrote},
        })  # fmt: skip

    def embed(self, request: Request) -> Reply:
        """Return a vector for each text: counts of its words, hashed."""
        self.before()
        body = request.json()
        self.embedded.update(body["input"])
        data = [{"object": "embedding", "index": place, "embedding": hash_vector(text)}
                for place, text in enumerate(body["input"])]  # fmt: skip
        used = sum(len(text) // 4 for text in body["input"])
        return Reply({"object": "list", "model": body["model"], "data": data[::-1],
                      "usage": {"prompt_tokens": used, "total_tokens": used}})  # fmt: skip


def answer_from_prompt(prompt: str) -> str:
    """Look the code up in the prompt.

    >>> answer_from_prompt("The code of Abc is K-12. What is the code of Abc?")
    'K-12'
    """
    asked = QUESTION.findall(prompt)
    known = dict(FACT.findall(prompt))
    return str(known.get(asked[-1], "I do not know.")) if asked else "What?"


def hash_vector(text: str) -> list[float]:
    """Hash words into a vector that is never empty."""
    found = [0.01] * SIZE
    for word in re.findall(r"\w+", text.lower()):
        found[int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16) % SIZE] += 1.0
    return found


def make_facts(count: int) -> list[tuple[str, str]]:
    """Make names and codes that no model has read."""
    parts = ["zor", "bla", "min", "tak", "rup", "sel", "vod", "kin", "fra", "lum"]
    names = [f"{parts[n % 10].title()}{parts[n // 10 % 10]}{parts[(n * 7 + 3) % 10]}{n}"
             for n in range(count)]  # fmt: skip
    return [(name, f"K-{1000 + 37 * n}") for n, name in enumerate(names)]


def question_rows(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Ask after each, and name where its answer stands."""
    return [
        {"messages": [{"role": "user", "content": f"What is the code of {name}?"},
                      {"role": "assistant", "content": code}],
         "source": f"{name}.md"}
        for name, code in pairs
    ]  # fmt: skip
