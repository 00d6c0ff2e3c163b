"""Texts -> vectors of length 1: by a provider's /v1/embeddings, or by an encoder in a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import openai
import orjson
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.errors import Unreachable
from trainer.local.process import environment
from trainer.paid_calls.client import RetryPolicy
from trainer.paid_calls.cost import MILLION, max_token_count
from trainer.paid_calls.journal import AppendOnlyFile, ReservedBudget
from trainer.providers.base import ProviderDeclined, UnknownOutcome
from trainer.providers.http_client import SEND_SECONDS, bound_client, json_object
from trainer.providers.openai import _call
from trainer.security.api_keys import ApiKey

BATCH_TEXTS = 64
SCRIPT = Path(__file__).parent.parent / "scripts" / "embed.py"
Floats = NDArray[np.float32]


class Embedder(Protocol):
    """What makes vectors."""

    @property
    def named(self) -> str:
        """Another name makes other vectors."""
        ...

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
        """Return one vector a text; *counts* are their tokens."""
        ...


@dataclass
class RemoteEmbedder:
    """An embedding model behind an OpenAI-style endpoint."""

    named: str
    base_url: str
    key: ApiKey
    usd_per_million: Decimal
    budget: ReservedBudget
    retry_policy: RetryPolicy

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
        """Ask for the vectors of some texts in one request.

        Raises:
            OutOfRoom: it might pass what was set aside.
            Refused, Unreachable: as `RetryPolicy` says.
        """
        most = max_token_count(sum(counts)) * self.usd_per_million / MILLION

        def send() -> tuple[list[Sequence[float]], int | None]:
            self.budget.require_room(most)
            return self._ask(list(texts))

        try:
            found = self.retry_policy.of(send, lambda: self.budget.count_lost(most))
        except ProviderDeclined as error:
            raise UsageError(
                f"--embedding {self.named}",
                f"it was refused: {error}.",
                "Name a model for embeddings, or smaller passages (knowledge.chunk_tokens).",
            ) from error
        if found is None:
            raise Unreachable(
                f"{self.named} made no vectors. What was made is kept: say it again later."
            )
        vectors, used = found
        billed = max_token_count(sum(counts)) if used is None else used
        usd = billed * self.usd_per_million / MILLION
        self.budget.journal.add(self.budget.subject, embedded=len(texts), usd=str(usd))
        self.budget.compare(most, usd)
        return vectors

    def _ask(self, texts: list[str]) -> tuple[list[Sequence[float]], int | None]:
        http = bound_client(self.key.origin)
        try:
            client = openai.OpenAI(
                api_key=self.key.value, base_url=self.base_url, max_retries=0, http_client=http
            )
            body = json_object(
                _call(
                    lambda: client.embeddings.with_raw_response.create(
                        model=self.named, input=texts, encoding_format="float", timeout=SEND_SECONDS
                    )
                )
            )
        finally:
            http.close()
        return _read(body, len(texts))


def _read(body: dict[str, Any], count: int) -> tuple[list[Sequence[float]], int | None]:
    try:
        data = sorted(body["data"], key=lambda one: int(one["index"]))
        vectors: list[Sequence[float]] = [list(map(float, one["embedding"])) for one in data]
        used = (body.get("usage") or {}).get("prompt_tokens")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnknownOutcome(f"the answer holds no vectors ({type(error).__name__})") from None
    if len(vectors) != count:
        raise UnknownOutcome(f"{len(vectors)} vectors came for {count} texts")
    return vectors, used if isinstance(used, int) else None


@dataclass
class LocalEmbedder:
    """An encoder in a folder; nothing leaves this machine, and nothing is paid."""

    folder: Path

    @property
    def named(self) -> str:
        """Folder and files: another model makes other vectors."""
        files = [*sorted(self.folder.glob("*.safetensors")), self.folder / "tokenizer.json"]
        sizes = [
            (one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in files if one.is_file()
        ]
        return f"{self.folder.resolve()} {sizes}"

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
        """Have a process of its own make the vectors.

        Raises:
            UsageError: the folder holds no encoder that can be loaded.
        """
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(self.folder)],
            text=True,
            capture_output=True,
            input="".join(json.dumps(text) + "\n" for text in texts),
            env=dict(environment()),
            check=False,
        )
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
            raise UsageError(
                f"--embedding {self.folder}",
                f"it makes no vectors: {why[0][:300]}.",
                "Give a folder with an encoder: config, safetensors, tokenizer.",
            )
        return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class CachedVectors:
    """Vectors that were made before: none is made, or paid for, twice."""

    path: Path
    embedder: Embedder
    batch_texts: int = BATCH_TEXTS

    def of(self, texts: Sequence[str], counts: Sequence[int]) -> Floats:
        """Return one vector of length 1 a text [texts, dimensions]."""
        named = self.embedder.named
        known = _known(self.path)
        missing = missing_texts(self.path, named, texts)
        lines = AppendOnlyFile(self.path, 1)
        lines.open()
        try:
            for start in range(0, len(missing), self.batch_texts):
                batch = missing[start : start + self.batch_texts]
                made = self.embedder.embed(
                    [texts[at] for at in batch], [counts[at] for at in batch]
                )
                for at, vector in zip(batch, made, strict=True):
                    name, unit = _name(named, texts[at]), _unit(vector)
                    known[name] = unit
                    coded = base64.b64encode(unit.tobytes()).decode()
                    lines.add(orjson.dumps({"text": name, "vector": coded}))
        finally:
            lines.close()
        return np.stack([known[_name(named, text)] for text in texts])


def missing_texts(path: Path, named: str, texts: Sequence[str]) -> list[int]:
    """List the places of the texts that have no vector yet, each text once."""
    known = _known(path)
    names = {_name(named, text): place for place, text in enumerate(texts)}
    return sorted(place for name, place in names.items() if name not in known)


def _known(path: Path) -> dict[str, Floats]:
    if not path.is_file():
        return {}
    with path.open("rb") as lines:
        rows = [orjson.loads(line) for line in lines if line.endswith(b"\n")]
    return {row["text"]: np.frombuffer(base64.b64decode(row["vector"]), np.float32) for row in rows}


def _name(named: str, text: str) -> str:
    return hashlib.sha256(f"{named}\n{text}".encode()).hexdigest()[:32]


def _unit(vector: Sequence[float]) -> Floats:
    found = np.asarray(vector, np.float32)
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), np.float32)
