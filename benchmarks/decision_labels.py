"""Approach -> label of the published cases, its act, and whether it retrieves and trains."""

from __future__ import annotations

from typing import Literal

from advisor.decision.answer import Answer
from benchmarks.decision_cases import GoldAnswer

Act = Literal["prompt", "retrieve", "train", "combination", "not yet"]
ACTS: tuple[Act, ...] = ("prompt", "retrieve", "train", "combination", "not yet")
Switches = tuple[bool, bool]
"""Whether it uses retrieval, and whether weights change."""

LABELS = {
    "prompt": "prompt",
    "few_shot": "few_shot",
    "rag": "rag",
    "ft_api": "ft_api",
    "managed_lora": "lora",
    "lora": "lora",
    "qlora": "qlora",
    "full_ft": "full_ft",
    "dpo": "dpo",
    "encoder": "distill",
    "distill": "distill",
    "combo": "combo",
    "not_yet": "not_yet",
}
"""Our approach -> label; `label_of` handles long context and the current solution."""
LABEL_NOTES = (
    "encoder is distill; managed_lora is lora; long_context is prompt if the documents change "
    "weekly or less often, else rag, few_shot if it contains examples; the current solution is "
    "the approach that the scenario states; every other approach is its own label"
)
ACT_OF_LABEL: dict[str, Act] = {
    "prompt": "prompt",
    "few_shot": "prompt",
    "long_context": "prompt",
    "rag": "retrieve",
    "combo": "combination",
    "not_yet": "not yet",
}
SWITCHES: dict[Act, Switches] = {
    "prompt": (False, False),
    "retrieve": (True, False),
    "train": (False, True),
    "combination": (True, True),
    "not yet": (False, False),
}
TRAINING = ("ft", "lora", "tun", "distill", "dpo", "full")


def label_of(answer: Answer) -> str:
    """Return the label of the recommended option."""
    decision, scenario = answer.decision, answer.question
    approach = decision.recommended.split(":")[0]
    if approach == "current" and scenario.current:
        approach = scenario.current.approach
    if approach != "long_context":
        return LABELS[approach]
    if not scenario.knowledge.corpus_tokens:
        return "few_shot"
    return "rag" if scenario.knowledge.change in ("hourly", "daily") else "prompt"


def act_of(label: str) -> Act:
    """Return the act of a label: every tuned or small model counts as training.

    >>> act_of("few_shot"), act_of("qlora"), act_of("rag")
    ('prompt', 'train', 'retrieve')
    """
    return ACT_OF_LABEL.get(label, "train")


def switches_of(label: str, gold: GoldAnswer | None = None) -> Switches:
    """Return whether a label uses retrieval and whether it changes weights.

    Args:
        label: A label.
        gold: The gold answer if the label is its best: it lists the parts of a combination.
    """
    parts = " ".join(gold.combo_of) if gold else ""
    if label == "combo" and parts:
        return ("rag" in parts, any(word in parts for word in TRAINING))
    return SWITCHES[act_of(label)]
