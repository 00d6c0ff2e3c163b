"""What a pilot measures and how, and the name that follows from all that its answers rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from advisor.errors import UsageError, did_you_mean
from advisor.units import Approach
from trainer.pilot.corpus import Chunking

ArmName = Literal["zero_shot", "few_shot", "rag", "long_context", "plain", "tuned"]
ARM_APPROACHES: Mapping[ArmName, Approach] = {
    "zero_shot": "prompt",
    "few_shot": "few_shot",
    "rag": "rag",
    "long_context": "long_context",
    "plain": "encoder",
    "tuned": "lora",
}
"""Arm -> the approach its score is written down under; a tuned one says its own."""
PROMPTED_ARMS: tuple[ArmName, ...] = ("zero_shot", "few_shot", "rag", "long_context")
"""Arms that ask a chat model."""
CORPUS_ARMS: tuple[ArmName, ...] = ("rag", "long_context")
"""Arms that send texts of the corpus."""


@dataclass(frozen=True)
class PilotSettings:
    """How a pilot goes."""

    arms: tuple[ArmName, ...]
    model: str | None
    """PROVIDER/MODEL that is asked; none where no arm asks."""
    embedding: str | None
    """PROVIDER/MODEL, or a folder; none where words alone find passages."""
    chunking: Chunking
    top_k: int
    shots: int
    """Worked examples before a question."""
    instruction: str
    """Put before every question."""
    max_answer_tokens: int
    rows: int
    """Most held-out rows that are measured on."""
    batch_rows: int = 10
    """After so many rows of every arm it is looked whether the answer is clear."""
    alpha: float = 0.05
    """Chance that any arm is told to reach the target, or not to, and it is not so."""

    def name(self, dataset_sha256: str, corpus_sha256: str) -> str:
        """Name the pilot; a further arm, more rows or another cap is the same pilot."""
        told = [
            self.model,
            self.embedding,
            self.chunking.tokens,
            self.chunking.overlap,
            self.top_k,
            self.shots,
            self.instruction,
            self.max_answer_tokens,
            dataset_sha256,
            corpus_sha256,
        ]
        return "pilot_" + hashlib.sha256(orjson.dumps(told)).hexdigest()[:16]


def parse_arms(text: str) -> tuple[ArmName, ...]:
    """Read the names of arms.

    Raises:
        UsageError: there is no such arm.

    >>> parse_arms("rag, zero_shot")
    ('zero_shot', 'rag')
    """
    asked = [name.strip() for name in text.split(",") if name.strip()]
    for name in asked:
        if name not in ARM_APPROACHES:
            raise UsageError(
                f"--arms {name}",
                "there is no such arm.",
                did_you_mean(name, ARM_APPROACHES).strip() or f"Arms: {', '.join(ARM_APPROACHES)}.",
            )
    if not asked:
        raise UsageError("--arms", "no arm is named.", f"Arms: {', '.join(ARM_APPROACHES)}.")
    return tuple(name for name in ARM_APPROACHES if name in asked)
