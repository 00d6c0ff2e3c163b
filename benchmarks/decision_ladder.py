"""A simple decision ladder over the facts of a case: the baseline that the advice has to beat.

Source: own fifteen-line ladder, written after reading a larger collection of such cases.
"""

from __future__ import annotations

from benchmarks.decision_cases import PublishedCase
from benchmarks.decision_scenario import case_number, parse_number

SMALL_CORPUS, MANY_A_DAY, VERY_MANY_A_DAY = 200_000, 50_000, 500_000
EXAMPLES_TO_COMBINE, EXAMPLES_TO_TUNE, FEW_EXAMPLES = 1000, 50, 200


def ladder_label(case: PublishedCase) -> str:
    """Return the label of the first rule that applies."""
    goals, norm = case.goals, case.norm
    examples, per_day = case_number(case, "n_examples") or 0, case_number(case, "req_per_day") or 0
    knows = goals.get("needs_fresh_facts") or goals.get("needs_private_knowledge")
    behaves = bool(goals.keys() & {"style_or_format", "new_skill_or_language", "narrow_label_task"})
    if knows:
        return _knowledge_label(case, behaves and examples >= EXAMPLES_TO_COMBINE)
    if case.inputs.get("has_eval") is False and examples > 0:
        return "not_yet" if per_day >= 1000 or per_day == 0 else "prompt"
    if goals.get("preference_hard_to_specify") and examples:
        return "dpo"
    held_back = goals.get("privacy_self_host") or goals.get("low_latency")
    if norm.get("prompt_result") == "meets" and per_day < MANY_A_DAY and not held_back:
        return "few_shot" if 0 < examples <= FEW_EXAMPLES else "prompt"
    if examples < EXAMPLES_TO_TUNE:
        return "few_shot" if examples else "prompt"
    return _behaviour_label(case, behaves, per_day)


def _knowledge_label(case: PublishedCase, behaves: bool) -> str:
    if behaves:
        return "combo"
    is_small = 0 < (parse_number(case.norm.get("corpus_tokens")) or 0) < SMALL_CORPUS
    return "prompt" if is_small and case.norm.get("change_rate") != "realtime" else "rag"


def _behaviour_label(case: PublishedCase, behaves: bool, per_day: float) -> str:
    goals, norm = case.goals, case.norm
    inside = goals.get("privacy_self_host")
    if goals.get("complex_reasoning") and not behaves:
        return "prompt"
    if goals.get("narrow_label_task") and per_day >= MANY_A_DAY:
        return "distill"
    if norm.get("prompt_effort") == "naive":
        return "prompt"
    if norm.get("prompt_result") == "unknown" and not inside:
        return "few_shot"
    has_gpu = norm.get("gpu") in ("single", "cluster")
    return "lora" if inside or has_gpu or per_day > VERY_MANY_A_DAY else "ft_api"
