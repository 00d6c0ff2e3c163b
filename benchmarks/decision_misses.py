"""Report of misses: answers that differ from the gold answer, with facts and deciding reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.scenario.scenario import Scenario
from benchmarks.decision_answers import Advice, why_not
from benchmarks.decision_cases import PublishedCase
from benchmarks.decision_scores import is_act_right, label_verdict


def list_misses(cases: Sequence[PublishedCase], given: Mapping[str, Advice], when: str) -> str:
    """List every case with the wrong act or a label that is not accepted.

    Args:
        cases: The cases.
        given: Case id -> advice.
        when: Date of the run, for the heading.
    """
    lines = [f"misses, {when}"]
    for case in cases:
        one = given[case.id]
        told = label_verdict(one.label, case)
        act = "act right" if is_act_right(one.label, case) else "act WRONG"
        if act == "act right" and told in ("best", "acceptable"):
            continue
        gold = case.gold
        lines += [
            f"  {case.id} ({case.year}{', ' + case.group if case.group else ''}): "
            f"given {one.label}, best {gold.best}; {act}, {told}",
            f"    accepted: {', '.join(gold.acceptable) or 'nothing else'}; "
            f"wrong: {', '.join(gold.wrong) or 'nothing'}",
            f"    facts: {scenario_facts(one.answer.question)}",
            f"    decided: {one.option}: {', '.join(one.reasons)}. {one.says}",
            f"    {gold.best}: {why_not(one, gold.best)}",
        ]
    return "\n".join(lines) + "\n\n"


def scenario_facts(scenario: Scenario) -> str:
    """Return the specified facts in one line."""
    told: list[str] = [str(scenario.task), *(name for name, yes in scenario.needs if yes)]
    rows: tuple[tuple[str, object], ...] = (
        ("examples", scenario.dataset.examples),
        ("labels", scenario.dataset.label_quality),
        ("classes", scenario.dataset.classes),
        ("tenants", scenario.dataset.tenants),
        ("per month", scenario.traffic.requests_per_month),
        ("prefix", scenario.traffic.prefix_tokens),
        ("user", scenario.traffic.user_tokens),
        ("out", scenario.traffic.completion_tokens),
        ("corpus", scenario.knowledge.corpus_tokens),
        ("change", scenario.knowledge.change),
        ("retrieval", scenario.knowledge.retrieval_tried),
        ("effort", scenario.quality.prompt_effort),
        ("eval", scenario.quality.has_eval),
        ("prompting", scenario.quality.prompting),
        ("target", scenario.quality.target),
        ("team", scenario.team.ml),
    )
    told += [
        f"{name} {_short_text(value)}" for name, value in rows if value not in (None, "unknown")
    ]
    told += [f"{m.approach} measured {m.value:g}" for m in scenario.quality.measured]
    told += [f"{own.count} x {own.gpu}" for own in scenario.hardware]
    return ", ".join(told)


def _short_text(value: object) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else str(value).lower()
