"""Scenario, profile, evidence -> ResolvedScenario: every input of the estimates, with defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.dataset.profile import Profile
from advisor.evidence import Evidence
from advisor.scenario.fields import NUMBER_FIELDS
from advisor.scenario.paths import get_path
from advisor.scenario.scenario import Scenario
from advisor.units import WEEKS_PER_MONTH, Number, Record, Task

Array = NDArray[np.float64]

COMPLETION_TOKENS = {
    "classification": 5.0,
    "extraction": 120.0,
    "structured_output": 150.0,
    "translation": 200.0,
    "knowledge_qa": 150.0,
    "reasoning": 300.0,
    "code": 400.0,
    "agent": 300.0,
}
"""Completion by task if not given [tokens]; own judgement."""
CHANGES_PER_MONTH = {
    "static": 0.0,
    "monthly": 1.0,
    "weekly": WEEKS_PER_MONTH,
    "daily": 7 * WEEKS_PER_MONTH,
    "hourly": 730.0,
}


class Assumption(Record):
    """A value that was not given, and what is assumed instead."""

    path: str
    """Path in the scenario."""
    value: str
    """Assumed value."""
    says: str
    """Explanation."""


@dataclass(frozen=True)
class Inputs:
    """Numbers of one or many variants, each of shape [variants or 1, 1]; NaN: not given.

    The names are those of the scenario; `INPUT_PATHS` maps each path to its field.
    """

    requests_per_month: Array
    peak_factor: Array
    batchable_share: Array
    prefix_tokens: Array
    context_tokens: Array
    user_tokens: Array
    completion_tokens: Array
    reasoning_tokens: Array
    tool_tokens: Array
    turns: Array
    cache_hit_share: Array
    tuned_prefix_tokens: Array
    flexible_share: Array
    growth_per_month: Array
    churn_per_month: Array
    spike_month: Array
    spike_factor: Array
    corpus_tokens: Array
    chunk_tokens: Array
    top_k: Array
    examples: Array
    target: Array
    changed_share: Array
    max_load_share: Array
    examples_to_label: Array
    judged_per_month: Array
    held_out_examples: Array
    monthly_cost_usd: Array
    budget_one_off_usd: Array
    budget_monthly_usd: Array
    latency_p95_ms: Array
    usd_per_hour: Array
    minutes_per_label: Array
    usd_per_label: Array
    horizon_months: Array
    retrain_every_months: Array

    @cached_property
    def shape(self) -> tuple[int, int]:
        """[variants, 1]."""
        return max(len(getattr(self, name)) for name in INPUT_PATHS.values()), 1

    def at(self, changes: Mapping[str, Array]) -> Inputs:
        """Return the inputs with the values of some paths replaced, each of shape [variants]."""
        given = {
            INPUT_PATHS[path]: np.asarray(v, np.float64)[:, None] for path, v in changes.items()
        }
        return replace(self, **given)

    def only(self, places: NDArray[np.intp]) -> Inputs:
        """Return the inputs of some of the variants."""
        values = {name: getattr(self, name) for name in INPUT_PATHS.values()}
        moved = {name: value[places] for name, value in values.items() if len(value) > 1}
        return replace(self, **moved)


def stack_inputs(inputs: Sequence[Inputs]) -> Inputs:
    """Combine the inputs of several variants; a field that is the same in all has one row."""
    columns = {
        name: np.concatenate([getattr(variant, name) for variant in inputs])
        for name in INPUT_PATHS.values()
    }
    return Inputs(**{name: _collapsed(column) for name, column in columns.items()})


def _collapsed(column: Array) -> Array:
    is_constant = (column == column[0]).all() or np.isnan(column).all()
    return column[:1] if is_constant else column


INPUT_PATHS = {path: field.name for path, field in NUMBER_FIELDS.items()}
"""Path in the scenario -> field of `Inputs`."""
NAN = float("nan")
STUB_TOKENS = 60.0
CHANGED_SHARE = 0.1
"""Share of the documents that differs after a change if not given; own judgement."""
MINUTES_PER_LABEL = 2.0
"""Time per label if not given [min]; own judgement."""
DEFAULT_CORPUS_TOKENS = 1e6
"""Size of the documents if not given [tokens]; own judgement."""
FIXED_ASSUMPTIONS: dict[str, tuple[float, str]] = {
    "traffic.requests_per_month": (
        10_000.0,
        "No traffic was given; it has a large effect on the decision.",
    ),
    "traffic.batchable_share": (0.0, "Every answer is needed at once; none can be batched."),
    "traffic.context_tokens": (0.0, "No extra context."),
    "traffic.user_tokens": (200.0, "A message of about 150 words."),
    "traffic.tool_tokens": (0.0, "No tools are called."),
    "traffic.turns": (1.0, "One question, one answer."),
    "traffic.flexible_share": (0.0, "No request can take a slower tier."),
    "traffic.growth_per_month": (0.0, "Traffic does not grow."),
    "traffic.churn_per_month": (0.0, "No traffic is lost."),
    "traffic.spike_factor": (1.0, "No month has a spike."),
    "knowledge.changed_share": (
        CHANGED_SHARE,
        "A tenth of the documents differs after each change.",
    ),
    "hosting.max_load_share": (0.7, "Machines are loaded to 70% at the peak."),
    "dataset.examples_to_label": (0.0, "Every example has its answer."),
    "quality.judged_per_month": (0.0, "No answers are graded by a judge model."),
    "team.minutes_per_label": (MINUTES_PER_LABEL, "Two minutes to write or check a label."),
    "knowledge.chunk_tokens": (400.0, "A chunk of about 300 words."),
    "knowledge.top_k": (5.0, "Five chunks before each question."),
    "dataset.examples": (0.0, "No examples were given."),
    "retrain_every_months": (6.0, "A tuned model is retrained twice a year."),
}
"""Path of a number -> value if not given, and why."""


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario with every default filled in: task, numbers, and what was assumed."""

    scenario: Scenario
    task: Task
    inputs: Inputs
    assumptions: tuple[Assumption, ...]
    measured: frozenset[str]
    """Fields of `Inputs` counted in the dataset: their tokens depend on the tokenizer."""
    tokens_per_example: float
    """Tokens of one training example; NaN: prefix, question and answer of the traffic."""
    labels: int
    """Different labels in the dataset; 0 if unknown."""
    longest_tokens: float
    """Tokens of the longest example; NaN if unknown."""
    variants: tuple[Scenario, ...] = ()
    """The scenario of each variant, where they differ in more than numbers."""

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """One scenario for all variants, or one for each."""
        return self.variants or (self.scenario,)

    def mask(self, read: Callable[[Scenario], bool]) -> NDArray[np.bool_]:
        """Return a condition of the scenario for each variant, of shape [variants or 1, 1]."""
        return np.array([read(scenario) for scenario in self.scenarios])[:, None]

    def column(self, read: Callable[[Scenario], float]) -> Array:
        """Return a number of the scenario for each variant, of shape [variants or 1, 1]."""
        return _collapsed(np.array([[read(scenario)] for scenario in self.scenarios]))

    def at(self, changes: Mapping[str, Array]) -> Inputs:
        """Return the inputs with some paths replaced, and what is assumed from them updated."""
        inputs = self.inputs.at(changes)
        is_given = self.scenario.traffic.tuned_prefix_tokens is not None
        if is_given or "traffic.prefix_tokens" not in changes:
            return inputs
        return replace(inputs, tuned_prefix_tokens=stub_tokens(inputs.prefix_tokens))


def stub_tokens(prefix_tokens: Number) -> Array:
    """Prefix that remains in front of a tuned model: a stub, at most the given prefix.

    >>> [float(stub_tokens(tokens)) for tokens in (20.0, 700.0, float("nan"))]
    [20.0, 60.0, 60.0]
    """
    given = np.asarray(prefix_tokens)
    return np.where(given > 0, np.fmin(given, STUB_TOKENS), STUB_TOKENS)


def resolve(scenario: Scenario, profile: Profile | None, evidence: Evidence) -> ResolvedScenario:
    """Fill in every number: as given, else as counted in the dataset, else as assumed."""
    assumptions: list[Assumption] = []
    task = scenario.task or _task(scenario, profile, assumptions)
    given = {path: number_at(scenario, path) for path in INPUT_PATHS}
    counted = _counted(profile, task)
    for path, (value, says) in _assumed(scenario, task, profile, given, evidence).items():
        if given[path] is None and path not in counted:
            given[path] = value
            assumptions.append(Assumption(path=path, value=f"{value:g}", says=says))
    if given["traffic.peak_factor"] is None:
        assumptions.append(_assumed_peak(evidence))
    measured = {path: value for path, value in counted.items() if given[path] is None}
    given |= measured
    inputs = Inputs(
        **{
            INPUT_PATHS[path]: np.full((1, 1), NAN if value is None else float(value))
            for path, value in given.items()
        }
    )
    per_example = profile.total_tokens / profile.examples if profile and profile.examples else NAN
    labels = profile.distinct_labels if profile and profile.labels else 0
    labels = labels or int(scenario.dataset.classes or 0)
    longest = float(profile.max_tokens) if profile and profile.examples else NAN
    names = frozenset(INPUT_PATHS[path] for path in measured)
    return ResolvedScenario(
        scenario, task, inputs, tuple(assumptions), names, per_example, labels, longest
    )


def _assumed_peak(evidence: Evidence) -> Assumption:
    peak = evidence.peak_factor
    says = f"{peak.says} Between {peak.p10:g} and {peak.p90:g} for four out of five."
    return Assumption(path="traffic.peak_factor", value=f"{peak.p50:g}", says=says)


def number_at(scenario: Scenario, path: str) -> float | None:
    """Return the number at a path of `INPUT_PATHS`, if given."""
    value = get_path(scenario, path)
    return None if value is None else float(value)


def _task(scenario: Scenario, profile: Profile | None, notes: list[Assumption]) -> Task:
    needs = scenario.needs
    task: Task = "generation"
    why = "No task was given, and the dataset does not show one."
    if needs.narrow_label_task or (profile and profile.labels):
        task, why = "classification", "The answers are labels from a small set."
    elif needs.needs_private_knowledge or needs.needs_fresh_facts:
        task, why = "knowledge_qa", "The answers are based on documents."
    notes.append(Assumption(path="task", value=task, says=why))
    return task


def _counted(profile: Profile | None, task: Task) -> dict[str, float]:
    if profile is None or not profile.examples:
        return {}
    counted = {
        "dataset.examples": float(profile.examples),
        "traffic.completion_tokens": profile.completion_tokens_mean,
        "traffic.user_tokens": max(profile.prompt_tokens_mean - profile.shared_prefix_tokens, 0.0),
    }
    if profile.shared_prefix_tokens >= (50 if task == "classification" else 1):
        counted["traffic.prefix_tokens"] = profile.shared_prefix_tokens
    return counted


def _assumed(
    scenario: Scenario,
    task: Task,
    profile: Profile | None,
    given: Mapping[str, float | None],
    evidence: Evidence,
) -> dict[str, tuple[float, str]]:
    labels = profile.distinct_labels if profile else int(scenario.dataset.classes or 0)
    documents, says = 0.0, "No documents were given."
    if needs_knowledge(scenario, task):
        documents, says = DEFAULT_CORPUS_TOKENS, "Corpus size not given; assumed about 2,500 pages."
    prefix, why = 300.0, "Instructions of about 200 words."
    if task == "classification" and labels:
        prefix, why = (
            150.0 + 10.0 * labels,
            f"Instructions and {labels} labels with a short description each.",
        )
    stub = float(stub_tokens(given["traffic.prefix_tokens"] or NAN))
    target = assumed_target(evidence, task, scenario)
    return {
        **FIXED_ASSUMPTIONS,
        "traffic.prefix_tokens": (prefix, why),
        "traffic.completion_tokens": (COMPLETION_TOKENS.get(task, 250.0), f"Typical for {task}."),
        "traffic.tuned_prefix_tokens": (stub, "A short prefix remains in front of a tuned model."),
        "knowledge.corpus_tokens": (documents, says),
        "quality.target": (target, "Expected quality of a systematic prompt on a small model."),
    }


def assumed_target(evidence: Evidence, task: Task, scenario: Scenario) -> float:
    """Quality target if none is given: the expected quality of a good prompt on a small model.

    If prompting was measured, the best of those measurements is used instead.
    """
    prompting = [m.value for m in scenario.quality.measured if m.approach in ("prompt", "few_shot")]
    if prompting:
        return max(prompting)
    shift = getattr(evidence.prompt_effort, scenario.quality.prompt_effort)
    year = evidence.model_year.of(scenario.asked_on.year)
    weaker = year.prompt[1] if year else 0.0
    retrieval = evidence.retrieval.factor[1] if needs_knowledge(scenario, task) else 1.0
    small = evidence.of(task).prompt.small[1] + float(shift[1]) + weaker
    return round(small * retrieval - 0.02, 2)


def prompting_fell_short(scenario: Scenario) -> bool:
    """Whether a systematic prompt is known not to reach the target."""
    quality = scenario.quality
    return quality.prompting == "gap" and quality.prompt_effort not in ("none", "naive")


def needs_knowledge(scenario: Scenario, task: Task) -> bool:
    """Whether answers need documents."""
    needs = scenario.needs
    facts = needs.needs_fresh_facts or needs.needs_private_knowledge or needs.needs_citations
    return facts or task == "knowledge_qa"
