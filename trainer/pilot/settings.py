"""Settings of a pilot, and the pilot's name, which is a hash of all that its answers depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from advisor.errors import UsageError, did_you_mean
from advisor.estimate.costs import SHOTS
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
"""Arm -> approach that its score is recorded under; a tuned arm uses the approach of its plan."""
PROMPTED_ARMS: tuple[ArmName, ...] = ("zero_shot", "few_shot", "rag", "long_context")
"""Arms that call a chat model."""
CORPUS_ARMS: tuple[ArmName, ...] = ("rag", "long_context")
"""Arms that send texts of the corpus."""
BATCH_ROWS = 10
"""Rows between two tests of whether the result is clear."""
ALPHA = 0.05
"""Chance that any arm is reported to reach the target, or to fall short, and does not."""


@dataclass(frozen=True)
class PilotSettings:
    """What is measured and how."""

    arms: tuple[ArmName, ...]
    model: str | None
    """PROVIDER/MODEL of the prompted arms."""
    embedding: str | None
    """PROVIDER/MODEL or a folder; None if passages are retrieved by words alone."""
    chunking: Chunking
    top_k: int
    instruction: str
    """Text before every question."""
    max_answer_tokens: int

    def name(self, dataset_sha256: str, corpus_sha256: str) -> str:
        """Return the pilot's name; more rows, another arm or another cap do not change it."""
        models, files = (self.model, self.embedding), (dataset_sha256, corpus_sha256)
        retrieval = (self.chunking.tokens, self.chunking.overlap, self.top_k)
        prompt = (SHOTS, self.instruction, self.max_answer_tokens)
        identity = [*models, *retrieval, *prompt, *files]
        return "pilot_" + hashlib.sha256(orjson.dumps(identity)).hexdigest()[:16]


def parse_arms(text: str) -> tuple[ArmName, ...]:
    """Read a comma-separated list of arms.

    Raises:
        UsageError: an arm is unknown, or none is given.

    >>> parse_arms("rag, zero_shot")
    ('zero_shot', 'rag')
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = f"Arms: {', '.join(ARM_APPROACHES)}."
    for name in names:
        if name not in ARM_APPROACHES:
            remedy = did_you_mean(name, ARM_APPROACHES).strip() or known
            raise UsageError(f"--arms {name}", "unknown arm.", remedy)
    if not names:
        raise UsageError("--arms", "no arm given.", known)
    return tuple(name for name in ARM_APPROACHES if name in names)
