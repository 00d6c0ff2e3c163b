"""Fake of a chat and embedding model on loopback that answers from its prompt."""

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
    """Answers a question only if the passage with the answer is in the prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.billed: Counter[str] = Counter()
        """Prompt -> number of answers."""
        self.embedded: Counter[str] = Counter()
        self.before: Callable[[], None] = lambda: None
        self.think: Callable[[str], str] = answer_from_prompt
        self.prompt_tokens: Callable[[str], int] = lambda prompt: len(prompt) // 4 + 4
        self.route("POST", "/v1/chat/completions", self.chat)
        self.route("POST", "/v1/embeddings", self.embed)

    def chat(self, request: Request) -> Reply:
        """Answer the last message from the complete prompt."""
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
        """Return a vector for each text: hashed word counts."""
        self.before()
        body = request.json()
        self.embedded.update(body["input"])
        data = [{"object": "embedding", "index": index, "embedding": hash_vector(text)}
                for index, text in enumerate(body["input"])]  # fmt: skip
        tokens = sum(len(text) // 4 for text in body["input"])
        return Reply({"object": "list", "model": body["model"], "data": data[::-1],
                      "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})  # fmt: skip


def answer_from_prompt(prompt: str) -> str:
    """Return the code that the prompt contains.

    >>> answer_from_prompt("The code of Abc is K-12. What is the code of Abc?")
    'K-12'
    """
    questions = QUESTION.findall(prompt)
    known = dict(FACT.findall(prompt))
    return str(known.get(questions[-1], "I do not know.")) if questions else "What?"


def hash_vector(text: str) -> list[float]:
    """Hash words into a vector that is never zero."""
    vector = [0.01] * SIZE
    for word in re.findall(r"\w+", text.lower()):
        vector[int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16) % SIZE] += 1.0
    return vector


def make_facts(count: int) -> list[tuple[str, str]]:
    """Return names and codes that no model was trained on."""
    parts = ["zor", "bla", "min", "tak", "rup", "sel", "vod", "kin", "fra", "lum"]
    names = [f"{parts[n % 10].title()}{parts[n // 10 % 10]}{parts[(n * 7 + 3) % 10]}{n}"
             for n in range(count)]  # fmt: skip
    return [(name, f"K-{1000 + 37 * n}") for n, name in enumerate(names)]


def question_rows(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return one question per pair, with the document that answers it."""
    return [
        {"messages": [{"role": "user", "content": f"What is the code of {name}?"},
                      {"role": "assistant", "content": code}],
         "source": f"{name}.md"}
        for name, code in pairs
    ]  # fmt: skip
