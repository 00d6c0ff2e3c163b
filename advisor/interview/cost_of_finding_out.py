"""A question that nobody can answer -> what finding out would cost: hours, tokens, and how so."""

from __future__ import annotations

from statistics import median

from advisor.decision.answer import Question, prepare
from advisor.decision.ranking import rank
from advisor.decision.reasons import first_value, linear_cost
from advisor.estimate.costs import MEASURED_EXAMPLES
from advisor.estimate.sampling import LIKELY
from advisor.interview.questions import FindingOutEffort, InterviewQuestion
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario
from advisor.units import Money, Record, usd

Hours = tuple[float, float, float]
MINUTES_PER_HOUR = 60.0


class FindingOutCost(Record):
    """What it would cost to know what a question asks."""

    question: str
    """Code of the question."""
    hours: Hours
    """Hours of work: low, likely, high."""
    labels: tuple[float, float] | None
    """Fewest and most examples to label, where that is the work."""
    minutes: tuple[float, float] | None
    """Least and most minutes a label takes."""
    tokens: Money | None
    """What the held-out requests cost at the cheapest, the middle and the dearest model [USD]."""
    requests: float
    """How many requests that is."""
    rate: float | None
    """What an hour of work costs; none where nobody said [USD]."""
    usd: Money | None
    """Hours times rate and the requests together; none where an hour has no price [USD]."""


def finding_out_cost(asked: InterviewQuestion, question: Question) -> FindingOutCost:
    """Price a "don't know".

    hours = given, or of setting the approach up, or examples * minutes / 60
    USD   = hours * team.usd_per_hour + 200 requests * price of a request

    Leaves out: waiting for people, and what a wrong decision costs.

    Source: hours of set-up and numbers of examples from the evidence; tokens from the price book;
    hours of asking and minutes of a label are own judgement, in questions.yaml.

    Args:
        asked: The question.
        question: The scenario so far, with prices and evidence.
    """
    unknown, scenario = asked.unknown, question.scenario
    labels = _labels(unknown, question)
    hours = _hours(unknown, question, labels)
    tokens = _tokens(unknown, question)
    rate = scenario.team.usd_per_hour
    return FindingOutCost(
        question=asked.code,
        hours=hours,
        labels=labels,
        minutes=(unknown.minutes[0], unknown.minutes[2]) if labels else None,
        tokens=tokens,
        requests=MEASURED_EXAMPLES if tokens else 0.0,
        rate=rate,
        usd=None if rate is None else _together(hours, rate, tokens),
    )


def _labels(unknown: FindingOutEffort, question: Question) -> tuple[float, float] | None:
    """Say how many examples would be labelled, or looked through where there is a file."""
    if unknown.label is None:
        return None
    if unknown.label == "evaluation":
        return MEASURED_EXAMPLES, MEASURED_EXAMPLES
    if question.profile:
        some = min(MEASURED_EXAMPLES, float(question.profile.examples))
        return some, some
    resolved, _ = prepare(question, question.scenario)
    kind = question.evidence.of(resolved.task)
    return kind.tune_from_examples, kind.comfortable_examples


def _hours(
    unknown: FindingOutEffort, question: Question, labels: tuple[float, float] | None
) -> Hours:
    if labels:
        fewest, most = labels
        low, likely, high = unknown.minutes
        return (
            fewest * low / MINUTES_PER_HOUR,
            fewest * likely / MINUTES_PER_HOUR,
            most * high / MINUTES_PER_HOUR,
        )
    if unknown.hours_of:
        found: Hours = getattr(question.evidence.labour_hours, unknown.hours_of)
        return found
    return unknown.hours or (0.0, 0.0, 0.0)


def _tokens(unknown: FindingOutEffort, question: Question) -> Money | None:
    """Price held-out requests over every model that is allowed; none where none may be used."""
    if unknown.pilot is None:
        return None
    resolved, candidates = prepare(question, _pilot_scenario(question.scenario, unknown.pilot))
    ranking = rank(candidates.batches, resolved, resolved.inputs, question.evidence, LIKELY)
    requests = first_value(resolved.inputs.requests_per_month)
    found = [
        linear_cost(entry.costs, requests).per_request * MEASURED_EXAMPLES
        for entry in ranking.entries
        if entry.option.approach == unknown.pilot and not entry.option.is_current
    ]
    if not found:
        return None
    return Money(low=usd(min(found)), likely=usd(median(found)), high=usd(max(found)))


def _pilot_scenario(scenario: Scenario, approach: str) -> Scenario:
    """Return the scenario with requests, and with documents where retrieval is priced."""
    made = scenario
    if not made.traffic.requests_per_month:
        made = with_paths(made, {"traffic.requests_per_month": MEASURED_EXAMPLES})
    if approach == "rag" and not made.knowledge.corpus_tokens:
        made = with_paths(made, {"knowledge.corpus_tokens": 1.0})
    return made


def _together(hours: Hours, rate: float, tokens: Money | None) -> Money:
    extra = (tokens.low, tokens.likely, tokens.high) if tokens else ("0", "0", "0")
    low, likely, high = (
        usd(some * rate + float(more)) for some, more in zip(hours, extra, strict=True)
    )
    return Money(low=low, likely=likely, high=high)
