"""Embeddings: vectors of length 1 by a provider or by a local encoder, cached in a file."""

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

import numpy as np
import orjson

from advisor.errors import UsageError
from trainer.errors import Unreachable
from trainer.local.process import environment
from trainer.paid_calls.client import ChatClient, RetryPolicy
from trainer.paid_calls.cost import MILLION, max_token_count
from trainer.paid_calls.journal import AppendOnlyFile, ReservedBudget, complete_lines
from trainer.pilot.retrieval import Floats
from trainer.providers.base import ProviderDeclined

BATCH_TEXTS = 64
SCRIPT = Path(__file__).parent.parent / "scripts" / "embed.py"


@dataclass
class RemoteEmbedder:
    """An embedding model behind an OpenAI-style endpoint."""

    name: str
    client: ChatClient
    usd_per_million: Decimal
    budget: ReservedBudget
    retry_policy: RetryPolicy

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
        """Get the vectors of some texts in one request, and record its cost.

        Raises:
            BudgetExhausted, Refused, Unreachable: see `RetryPolicy.call`.
        """
        most_tokens = max_token_count(sum(counts))
        at_most = most_tokens * self.usd_per_million / MILLION
        try:
            response = self.retry_policy.call(
                lambda: self.client.embed(self.name, texts), self.budget, at_most
            )
        except ProviderDeclined as error:
            raise UsageError(
                f"--embedding {self.name}",
                f"the provider rejected the request: {error}.",
                "Give an embedding model, or smaller passages (knowledge.chunk_tokens).",
            ) from error
        if response is None:
            raise Unreachable(
                f"{self.name} returned no vectors. The vectors so far are saved: run the command "
                "again later."
            )
        vectors, billed = response
        usd = (most_tokens if billed is None else billed) * self.usd_per_million / MILLION
        self.budget.compare(at_most, usd)
        self.budget.record(embedded=len(texts), usd=str(usd))
        return vectors


@dataclass
class LocalEmbedder:
    """An encoder in a folder; nothing leaves this machine and nothing is billed."""

    folder: Path

    @property
    def name(self) -> str:
        """Folder and its files: other weights have another name."""
        files = [*sorted(self.folder.glob("*.safetensors")), self.folder / "tokenizer.json"]
        stats = [(file.name, file.stat()) for file in files if file.is_file()]
        sizes = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return f"{self.folder.resolve()} {sizes}"

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
        """Compute the vectors in a separate process.

        Raises:
            UsageError: the folder has no encoder that can be loaded.
        """
        process = subprocess.run(
            [sys.executable, str(SCRIPT), str(self.folder)],
            text=True,
            capture_output=True,
            input="".join(json.dumps(text) + "\n" for text in texts),
            env=dict(environment()),
            check=False,
        )
        if process.returncode:
            reason = process.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise UsageError(
                f"--embedding {self.folder}",
                f"cannot compute vectors with it: {reason[0][:300]}.",
                "Give a folder with an encoder: config, safetensors, tokenizer.",
            )
        return [json.loads(line) for line in process.stdout.splitlines()]


@dataclass
class CachedVectors:
    """Vectors in a file: none is computed, or paid for, twice."""

    path: Path
    embedder: RemoteEmbedder | LocalEmbedder
    batch_texts: int = BATCH_TEXTS

    def of(self, texts: Sequence[str], counts: Sequence[int]) -> Floats:
        """Return one vector of length 1 per text [texts, dimensions]."""
        model = self.embedder.name
        known = _read_vectors(self.path)
        missing = missing_texts(self.path, model, texts)
        with AppendOnlyFile(self.path) as file:
            for start in range(0, len(missing), self.batch_texts):
                batch = missing[start : start + self.batch_texts]
                vectors = self.embedder.embed(
                    [texts[place] for place in batch], [counts[place] for place in batch]
                )
                for place, vector in zip(batch, vectors, strict=True):
                    key, unit = _key(model, texts[place]), _unit(vector)
                    known[key] = unit
                    encoded = base64.b64encode(unit.tobytes()).decode()
                    file.add(orjson.dumps({"text": key, "vector": encoded}))
        return np.stack([known[_key(model, text)] for text in texts])


def missing_texts(path: Path, model: str, texts: Sequence[str]) -> list[int]:
    """Return the positions of the texts without a vector, each different text once."""
    known = _read_vectors(path)
    places = {_key(model, text): place for place, text in enumerate(texts)}
    return sorted(place for key, place in places.items() if key not in known)


def _read_vectors(path: Path) -> dict[str, Floats]:
    return {
        line["text"]: np.frombuffer(base64.b64decode(line["vector"]), np.float32)
        for line in complete_lines(path)
    }


def _key(model: str, text: str) -> str:
    return hashlib.sha256(f"{model}\n{text}".encode()).hexdigest()[:32]


def _unit(vector: Sequence[float]) -> Floats:
    values = np.asarray(vector, np.float32)
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-12), np.float32)
