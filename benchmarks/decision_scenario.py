"""Published case and date -> the Scenario a user would have given; never reads the gold answer."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from advisor.errors import AdvisorError
from advisor.scenario.scenario import Needs, Scenario, scenario_from
from benchmarks.decision_cases import CaseError, PublishedCase

DAYS_PER_MONTH = 365 / 12
INSTRUCTIONS, RETRIEVED, QUESTION, CONTEXT_SLACK = 300.0, 2000.0, 100.0, 1.25
"""Caps for splitting input tokens into instructions, retrieved text and question [tokens]."""
GPU_USD_PER_HOUR = 2.0
"""Hourly cost of an available GPU with electricity and depreciation; an assumption."""
SINGLE, CLUSTER = ("A100_80GB_SXM", 1), ("A100_80GB_SXM", 8)

TASKS: tuple[tuple[str, str], ...] = (
    (
        r"classif|rout|moderat|label|rank|relevan|sentiment|triage|detect|tagging|categor|scoring"
        r"|grading|intent_only",
        "classification",
    ),
    (r"extract|ner\b|entity|ocr|parsing", "extraction"),
    (r"summar", "summarization"),
    (r"translat|localis|localiz", "translation"),
    (r"structured|text_to_sql|sql|json|dsl|quer(y|ies)|schema", "structured_output"),
    (r"cod(e|ing)|program", "code"),
    (r"math|reason|multiple_choice|planning|forecast|diagnos", "reasoning"),
    (r"agent|tool|workflow|function_call|browser", "agent"),
    (r"qa\b|question|research|search|knowledge|document|helpdesk|faq|retriev", "knowledge_qa"),
    (r"intent", "classification"),
    (r"generat|writ|style|chat|assist|support|repl(y|ies)|dialog|conversation", "generation"),
)
"""Words of task_type -> our task, first match wins."""
QUALITIES: tuple[tuple[str, str], ...] = (
    (r"noisy|weak|unreviewed|scraped|crowd", "noisy"),
    (r"mixed|uneven|inconsistent|varying", "mixed"),
    (r"expert|review|check|curated|human|edited|adjudicat|verified|annotated|gold", "expert"),
    (r"synthetic|teacher|assist|outcome|click|production|log|augment|auto|generated", "mixed"),
)
"""Words of label_quality -> our code, first match wins."""
CHANGES: tuple[tuple[str, str], ...] = (
    (r"real.?time|hour|continuous", "hourly"),
    (r"dail", "daily"),
    (r"week", "weekly"),
    (r"month|quarter", "monthly"),
    (r"year|annual|static|unknown|stable|^$", "static"),
)
"""Words of change_rate -> our code; slower than monthly is static."""
GPUS: tuple[tuple[str, str], ...] = (
    (r"b200", "B200"),
    (r"h200", "H200_SXM"),
    (r"h100", "H100_SXM"),
    (r"a100.{0,5}40", "A100_40GB_SXM"),
    (r"a100", "A100_80GB_SXM"),
    (r"l40s", "L40S"),
    (r"\bl4\b", "L4"),
    (r"a10", "A10"),
    (r"4090", "RTX_4090"),
    (r"3090|24 ?gb", "RTX_3090"),
    (r"\bt4\b", "T4"),
)
"""Words of gpu -> name in the price book."""
SIZES = ((r"cluster|multi|\b[2-9]\d? ?x", "cluster"), (r"none|cpu", "none"), (r"\w", "single"))
"""Words of gpu -> size class, if `inputs_norm` does not specify it."""


def scenario_of(case: PublishedCase, day: date) -> Scenario:
    """Convert a case to a scenario.

    Raises:
        CaseError: a value is not valid in a scenario.
    """
    try:
        return scenario_from(_scenario_mapping(case, day), f"case {case.id}")
    except AdvisorError as error:
        raise CaseError(f"case {case.id}: {error}") from error


def _scenario_mapping(case: PublishedCase, day: date) -> dict[str, Any]:
    needs = {name: True for name in case.goals if name in Needs.model_fields}
    quality, knowledge = _quality(case), _knowledge(case)
    scenario: dict[str, Any] = {
        "name": case.id,
        "asked_on": day.isoformat(),
        "task": task_of(case),
        "needs": needs,
        "dataset": _dataset(case),
        "traffic": _traffic(case),
        "knowledge": knowledge,
        "quality": quality,
        "team": {"ml": _team(case)},
    }
    gpu = _hardware(case)
    if gpu:
        scenario["hardware"] = [gpu]
    paid, budget = (usd_per_month(case.inputs.get(key)) for key in ("current_cost", "budget"))
    if paid is not None:
        scenario["current"] = {"approach": "prompt", "monthly_cost_usd": paid}
    if budget is not None:
        scenario["limits"] = {"budget_monthly_usd": budget}
    return scenario


def task_of(case: PublishedCase) -> str:
    """Return the task: from the words of task_type, else from the needs."""
    words = case.text("task_type")
    for pattern, task in TASKS:
        if re.search(pattern, words):
            return task
    goals = case.goals
    by_need = (
        ("narrow_label_task", "classification"),
        ("agentic_tools", "agent"),
        ("needs_private_knowledge", "knowledge_qa"),
        ("needs_fresh_facts", "knowledge_qa"),
        ("complex_reasoning", "reasoning"),
        ("style_or_format", "generation"),
    )
    return next((task for need, task in by_need if goals.get(need)), "other")


def _dataset(case: PublishedCase) -> dict[str, Any]:
    values: dict[str, Any] = {
        "examples": case_number(case, "n_examples"),
        "label_quality": _match_code(QUALITIES, case.text("label_quality"), "unknown"),
    }
    many = case_number(case, "n_classes_or_adapters")
    is_labels = task_of(case) == "classification" or case.goals.get("narrow_label_task")
    return values | {"classes" if is_labels else "tenants": many}


def _traffic(case: PublishedCase) -> dict[str, Any]:
    per_day, read = case_number(case, "req_per_day"), case_number(case, "avg_in_tokens")
    values: dict[str, Any] = {
        "requests_per_month": None if per_day is None else per_day * DAYS_PER_MONTH,
        "completion_tokens": case_number(case, "avg_out_tokens"),
    }
    if read is None:
        return values
    prefix = min(INSTRUCTIONS, read / 2)
    rest = read - prefix
    corpus = _corpus(case)
    if corpus is not None and corpus <= CONTEXT_SLACK * rest:
        rest = max(rest - corpus, QUESTION)  # the prompt already includes the documents
    elif corpus is not None:
        rest = max(rest - RETRIEVED, min(rest, QUESTION))  # it includes retrieved text
    return values | {"prefix_tokens": round(prefix), "user_tokens": round(rest)}


def _knowledge(case: PublishedCase) -> dict[str, Any]:
    words = str(case.norm.get("change_rate") or case.text("change_rate")).lower()
    said = (case.inputs.get("permissions_per_user"), case.norm.get("permissions_per_user"))
    tried = case.inputs.get("rag_tried")
    return {
        "corpus_tokens": _corpus(case),
        "change": _match_code(CHANGES, words, "static"),
        "permissions_per_user": True in said,
        "retrieval_tried": tried if isinstance(tried, bool) else None,
    }


def _corpus(case: PublishedCase) -> float | None:
    return parse_number(case.norm.get("corpus_tokens"))


def _quality(case: PublishedCase) -> dict[str, Any]:
    effort = str(case.norm.get("prompt_effort") or "unknown")
    has_eval, result = case.inputs.get("has_eval"), case.norm.get("prompt_result")
    return {
        "has_eval": has_eval if isinstance(has_eval, bool) else None,
        "prompt_effort": effort if effort in ("none", "naive", "systematic") else "unknown",
        "prompting": result if result in ("meets", "gap") else "unknown",
    }


def _hardware(case: PublishedCase) -> dict[str, Any] | None:
    words = case.text("gpu")
    code = str(case.norm.get("gpu") or _match_code(SIZES, words, "unknown"))
    if code not in ("single", "cluster"):
        return None
    usual, count = SINGLE if code == "single" else CLUSTER
    named = _match_code(GPUS, words, usual)
    said = re.search(r"\b(\d{1,2}) ?x", words)
    if named != usual or said:
        count = int(said[1]) if said else count
    return {"gpu": named, "count": max(count, 1), "usd_per_hour": GPU_USD_PER_HOUR}


def _team(case: PublishedCase) -> str:
    said = str(case.norm.get("team_ml") or case.text("team_ml")).lower()
    if "vendor" in said:
        return "strong"
    return said if said in ("none", "some", "strong") else "some"


def usd_per_month(said: object) -> float | None:
    """Parse a plain amount of USD per month; None for anything else.

    >>> usd_per_month("~$400/month"), usd_per_month("$500-1500 per indicator per month")
    (400.0, None)
    """
    pattern = r"\s*~?\s*\$\s*([\d,]+(?:\.\d+)?)\s*(k?)\s*(?:/|per|a)\s*month\s*"
    found = re.fullmatch(pattern, str(said or ""), re.IGNORECASE)
    return float(found[1].replace(",", "")) * (1000 if found[2] else 1) if found else None


def case_number(case: PublishedCase, key: str) -> float | None:
    """Return a number of `inputs`; None if it is missing or not a number."""
    return parse_number(case.inputs.get(key))


MAX_VALUE = 1e15
"""A larger count of tokens, rows or calls is treated as an error in the case."""


def parse_number(said: object) -> float | None:
    """Parse a number of 0 or more; None for a range or for text without a number.

    >>> parse_number("~5,000"), parse_number("20k"), parse_number("hundreds"), parse_number(None)
    (5000.0, 20000.0, None, None)
    """
    if isinstance(said, bool):
        return None
    found = re.fullmatch(
        r"\s*[~<>=]*\s*(\d[\d,_]*(?:\.\d+)?(?:e\d+)?)\s*([km]?)\+?\s*", str(said), re.I
    )
    if found is None:
        return None
    factor = {"": 1.0, "k": 1e3, "m": 1e6}[found[2].lower()]
    value = float(found[1].replace(",", "").replace("_", "")) * factor
    return value if value <= MAX_VALUE else None


NUMBERS = ("n_examples", "avg_in_tokens", "avg_out_tokens", "req_per_day", "n_classes_or_adapters")


def unread_values(case: PublishedCase) -> list[str]:
    """List the values that cannot be parsed and count as not specified."""
    said = {f"inputs.{key}": case.inputs.get(key) for key in NUMBERS}
    said["inputs_norm.corpus_tokens"] = case.norm.get("corpus_tokens")
    odd = [
        f"{key}: expected a number, found {value!r}"
        for key, value in said.items()
        if value not in (None, "") and parse_number(value) is None
    ]
    goals = case.inputs.get("goals") or {}
    odd += [f"unknown need '{name}'" for name in goals if name not in Needs.model_fields]
    odd += [
        f"inputs.goals.{name}: expected true or false, found {value!r}"
        for name, value in goals.items()
        if value not in (True, False, None)
    ]
    return [f"case {case.id}: {one}" for one in odd]


def _match_code(table: tuple[tuple[str, str], ...], words: str, otherwise: str) -> str:
    return next((code for pattern, code in table if re.search(pattern, words)), otherwise)
