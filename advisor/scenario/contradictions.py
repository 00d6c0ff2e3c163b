"""What was said and what the dataset shows -> where the two do not fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from advisor.dataset.profile import Profile
from advisor.scenario.scenario import Scenario
from advisor.units import Record

MIN_ROWS = 20
"""Below this many rows a file shows too little to contradict anybody."""
COUNT_TOLERANCE = 1.1
"""Counts within a tenth of each other are the same count."""
TOKEN_TOLERANCE = 3.0
"""Tokens of the file and of the traffic that differ by more are worth a word."""
DUPLICATE_SHARE = 0.05
CONFLICT_SHARE = 0.02
DATED_ANSWER_SHARE = 0.2
MESSAGES = {
    "labels-found": "The task was said to be {task}, and the answers in the file are "
    "{labels} different labels.",
    "labels-missing": "One of a fixed set of labels was said to be the answer, and the answers in "
    "the file are no labels: they are long, or hardly any repeats.",
    "rows-differ": "{said} examples were said to be there, and the file has {rows} that can be "
    "used.",
    "classes-differ": "{said} labels were said to be in the set, and the file has {labels}.",
    "expert-duplicates": "Experts were said to have made the answers, and {share} of the rows "
    "repeat an earlier one.",
    "expert-conflicts": "Experts were said to have made the answers, and {share} of the rows ask "
    "what an earlier one asks and answer it otherwise.",
    "facts-in-answers": "No outside facts were said to be needed, and {share} of the answers hold "
    "a date or a price that does not stand in the request.",
    "request-differs": "A request was said to have {said} tokens, and in the file it has "
    "{counted}.",
    "answer-differs": "An answer was said to have {said} tokens, and in the file it has {counted}.",
    "one-language": "The task was said to be translation, and the file asks and answers in one "
    "language ({language}).",
    "two-languages": "The task was said to be {task}, and the file asks in one language ({asked}) "
    "and answers in another ({answered}).",
    "pairs-found": "Better was not said to be easier to point at than to describe, and the file "
    "has {pairs} pairs of a better and a worse answer.",
    "pairs-missing": "Better was said to be easier to point at than to describe, and the file has "
    "no pairs of a better and a worse answer.",
    "tools-found": "No tools were said to be called, and {rows} rows of the file describe some.",
}
"""Code -> what is said; other languages translate these."""


class Contradiction(Record):
    """One thing that was said and does not fit what the dataset shows."""

    code: str
    """Stable name."""
    says: str
    """In words."""
    paths: tuple[str, ...]
    """What of the scenario is in doubt."""
    numbers: tuple[tuple[str, str], ...]
    """What the words hold, by name."""


Finding = tuple[str, tuple[str, ...], dict[str, str]]


def contradictions(scenario: Scenario, profile: Profile | None) -> tuple[Contradiction, ...]:
    """Point out where what was said does not fit what the dataset shows.

    Only what was said is held against the file; what nobody said is not.

    Args:
        scenario: What was said.
        profile: What the dataset holds, if there is one.
    """
    if profile is None or profile.examples < MIN_ROWS:
        return ()
    return tuple(
        Contradiction(
            code=code,
            says=MESSAGES[code].format(**numbers),
            paths=paths,
            numbers=tuple(numbers.items()),
        )
        for look in DETECTORS
        for code, paths, numbers in look(scenario, profile)
    )


def _labels(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    said, labels = scenario.task, profile.distinct_labels
    if labels and said not in (None, "classification"):
        yield "labels-found", ("task",), {"task": str(said), "labels": f"{labels}"}
    if not labels and (said == "classification" or scenario.needs.narrow_label_task):
        yield "labels-missing", ("task", "needs.narrow_label_task"), {}


def _counts(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    rows, classes = scenario.dataset.examples, scenario.dataset.classes
    if rows is not None and _apart(rows, profile.examples, COUNT_TOLERANCE):
        numbers = {"said": f"{rows:.0f}", "rows": f"{profile.examples}"}
        yield "rows-differ", ("dataset.examples",), numbers
    if (
        classes
        and profile.distinct_labels
        and _apart(classes, profile.distinct_labels, COUNT_TOLERANCE)
    ):
        numbers = {"said": f"{classes:.0f}", "labels": f"{profile.distinct_labels}"}
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
    needs, looked = scenario.needs, profile.looked_through
    said_none = "needs_fresh_facts" in needs.model_fields_set and not (
        needs.needs_fresh_facts or needs.needs_private_knowledge
    )
    if said_none and looked and profile.outside_facts >= DATED_ANSWER_SHARE * looked:
        share = f"{profile.outside_facts / looked:.0%}"
        yield "facts-in-answers", ("needs.needs_fresh_facts",), {"share": share}


def _tokens(scenario: Scenario, profile: Profile) -> Iterator[Finding]:
    traffic = scenario.traffic
    varying = max(profile.prompt_tokens_mean - profile.shared_prefix_tokens, 1.0)
    for code, path, said, counted in (
        ("request-differs", "user_tokens", traffic.user_tokens, varying),
        (
            "answer-differs",
            "completion_tokens",
            traffic.completion_tokens,
            profile.completion_tokens_mean,
        ),
    ):
        if said is not None and counted and _apart(said, counted, TOKEN_TOLERANCE):
            yield code, (f"traffic.{path}",), {"said": f"{said:.0f}", "counted": f"{counted:.0f}"}


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
    needs, said = scenario.needs, scenario.needs.model_fields_set
    taste = needs.preference_hard_to_specify
    path = ("needs.preference_hard_to_specify",)
    if profile.pairs and "preference_hard_to_specify" in said and not taste:
        yield "pairs-found", path, {"pairs": f"{profile.pairs}"}
    if taste and not profile.pairs:
        yield "pairs-missing", path, {}
    says_tools = scenario.task is not None or "agentic_tools" in said
    if profile.tool_rows and says_tools and not needs.agentic_tools:
        yield "tools-found", ("needs.agentic_tools",), {"rows": f"{profile.tool_rows}"}


def _apart(one: float, other: float, factor: float) -> bool:
    """Whether two numbers differ by more than a factor."""
    low, high = sorted((max(one, 1e-9), max(other, 1e-9)))
    return high > low * factor


Detector = Callable[[Scenario, Profile], Iterator[Finding]]
DETECTORS: tuple[Detector, ...] = (_labels, _counts, _quality, _facts, _tokens, _languages, _forms)
"""In this order."""
