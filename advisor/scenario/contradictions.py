"""Contradictions between the scenario and the dataset, such as a wrong number of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from advisor.dataset.profile import Profile
from advisor.scenario.scenario import Scenario
from advisor.units import Record

MIN_ROWS = 20
"""Minimum number of rows before a file can contradict the scenario."""
COUNT_TOLERANCE = 1.1
"""Counts within a tenth of each other are treated as equal."""
TOKEN_TOLERANCE = 3.0
"""Factor by which tokens of file and traffic may differ without a caveat."""
DUPLICATE_SHARE = 0.05
CONFLICT_SHARE = 0.02
DATED_ANSWER_SHARE = 0.2
MESSAGES = {
    "labels-found": "The scenario has the task {task}, but the answers in the file are {labels} "
    "different labels.",
    "labels-missing": "The scenario has a fixed set of labels, but the answers in the file are "
    "not labels: they are long, or rarely repeat.",
    "rows-differ": "The scenario has {said} examples, but the file has {rows} usable rows.",
    "classes-differ": "The scenario has {said} labels, but the file has {labels}.",
    "expert-duplicates": "The scenario has labels by experts, but {share} of the rows duplicate an "
    "earlier one.",
    "expert-conflicts": "The scenario has labels by experts, but {share} of the rows have the "
    "request of an earlier row and a different answer.",
    "facts-in-answers": "The scenario needs no outside facts, but {share} of the answers contain a "
    "date or price that is not in the request.",
    "request-differs": "The scenario has {said} tokens per request, but the file has {counted}.",
    "answer-differs": "The scenario has {said} tokens per answer, but the file has {counted}.",
    "one-language": "The scenario has the task translation, but requests and answers in the file "
    "are in the same language ({language}).",
    "two-languages": "The scenario has the task {task}, but the requests in the file are in one "
    "language ({asked}) and the answers in another ({answered}).",
    "pairs-found": "The scenario has no preferences, but the file has {pairs} pairs of a better "
    "and a worse answer.",
    "pairs-missing": "The scenario has preferences, but the file has no pairs of a better and a "
    "worse answer.",
    "tools-found": "The scenario has no tools, but {rows} rows of the file describe tools.",
}
"""Code -> message; other languages translate these."""


class Contradiction(Record):
    """A value of the scenario that the dataset contradicts."""

    code: str
    """Stable code."""
    says: str
    """Message."""
    paths: tuple[str, ...]
    """Paths of the scenario in doubt."""
    numbers: tuple[tuple[str, str], ...]
    """Values in the message, by name."""


Finding = tuple[str, tuple[str, ...], dict[str, str]]


def contradictions(scenario: Scenario, profile: Profile | None) -> tuple[Contradiction, ...]:
    """List contradictions between scenario and dataset; only values that are set are compared."""
    if profile is None or profile.examples < MIN_ROWS:
        return ()
    return tuple(
        Contradiction(
            code=code,
            says=MESSAGES[code].format(**numbers),
            paths=paths,
            numbers=tuple(numbers.items()),
        )
        for detect in DETECTORS
        for code, paths, numbers in detect(scenario, profile)
    )


def _labels(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    task, labels = scenario.task, profile.distinct_labels
    if labels and task not in (None, "classification"):
        yield "labels-found", ("task",), {"task": str(task), "labels": f"{labels}"}
    if not labels and (task == "classification" or scenario.needs.narrow_label_task):
        yield "labels-missing", ("task", "needs.narrow_label_task"), {}


def _counts(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    rows, counted = scenario.dataset.examples, profile.examples
    if rows is not None and _differ(rows, counted, COUNT_TOLERANCE):
        yield "rows-differ", ("dataset.examples",), {"said": f"{rows:.0f}", "rows": f"{counted}"}
    classes, labels = scenario.dataset.classes, profile.distinct_labels
    if classes and labels and _differ(classes, labels, COUNT_TOLERANCE):
        numbers = {"said": f"{classes:.0f}", "labels": f"{labels}"}
        yield "classes-differ", ("dataset.classes",), numbers


def _quality(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    if scenario.dataset.label_quality != "expert":
        return
    for code, count, many in (
        ("expert-duplicates", profile.duplicates, DUPLICATE_SHARE),
        ("expert-conflicts", profile.conflicting, CONFLICT_SHARE),
    ):
        if count >= many * profile.examples:
            share = f"{count / profile.examples:.0%}"
            yield code, ("dataset.label_quality",), {"share": share}


def _facts(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    needs, rows = scenario.needs, profile.looked_through
    set_to_no = "needs_fresh_facts" in needs.model_fields_set and not (
        needs.needs_fresh_facts or needs.needs_private_knowledge
    )
    if set_to_no and rows and profile.outside_facts >= DATED_ANSWER_SHARE * rows:
        share = f"{profile.outside_facts / rows:.0%}"
        yield "facts-in-answers", ("needs.needs_fresh_facts",), {"share": share}


def _tokens(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    traffic = scenario.traffic
    varying = max(profile.prompt_tokens_mean - profile.shared_prefix_tokens, 1.0)
    answer = profile.completion_tokens_mean
    for code, path, given, counted in (
        ("request-differs", "user_tokens", traffic.user_tokens, varying),
        ("answer-differs", "completion_tokens", traffic.completion_tokens, answer),
    ):
        if given is not None and counted and _differ(given, counted, TOKEN_TOLERANCE):
            yield code, (f"traffic.{path}",), {"said": f"{given:.0f}", "counted": f"{counted:.0f}"}


def _languages(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    asked, answered = profile.language, profile.answer_language
    if scenario.task is None or not asked or not answered or profile.distinct_labels:
        return
    if scenario.task == "translation" and asked == answered:
        yield "one-language", ("task",), {"language": asked}
    if scenario.task != "translation" and asked != answered:
        numbers = {"task": scenario.task, "asked": asked, "answered": answered}
        yield "two-languages", ("task",), numbers


def _forms(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    needs, given = scenario.needs, scenario.needs.model_fields_set
    preferences = needs.preference_hard_to_specify
    path = ("needs.preference_hard_to_specify",)
    if profile.pairs and "preference_hard_to_specify" in given and not preferences:
        yield "pairs-found", path, {"pairs": f"{profile.pairs}"}
    if preferences and not profile.pairs:
        yield "pairs-missing", path, {}
    is_set = scenario.task is not None or "agentic_tools" in given
    if profile.tool_rows and is_set and not needs.agentic_tools:
        yield "tools-found", ("needs.agentic_tools",), {"rows": f"{profile.tool_rows}"}


def _differ(first: float, second: float, factor: float) -> bool:
    """Whether two numbers differ by more than a factor."""
    low, high = sorted((max(first, 1e-9), max(second, 1e-9)))
    return high > low * factor


Detector = Callable[[Scenario, Profile], Iterator[Finding]]
DETECTORS: tuple[Detector, ...] = (_labels, _counts, _quality, _facts, _tokens, _languages, _forms)
"""Detectors, in the order of their messages."""
