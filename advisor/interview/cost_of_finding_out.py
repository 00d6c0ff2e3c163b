"""Cost of finding out the answer to a question: hours of work, tokens, USD."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from advisor.decision.answer import Question, evaluate
from advisor.decision.break_even import linear_cost
from advisor.estimate.evaluation import MEASURED_EXAMPLES
from advisor.estimate.line import first_value
from advisor.inputs import resolve
from advisor.interview.questions import FindingOutEffort, InterviewQuestion
from advisor.scenario.paths import with_paths
from advisor.units import Money, Record, usd

Hours = tuple[float, float, float]
MINUTES_PER_HOUR = 60.0


class FindingOutCost(Record):
    """Cost of finding out the answer to a question."""

    question: str
    """Code of the question."""
    hours: Hours
    """Hours of work: low, likely, high."""
    labels: tuple[float, float] | None
    """Minimum and maximum number of examples to label, if any."""
    minutes: tuple[float, float] | None
    """Minimum and maximum minutes per label."""
    tokens: Money | None
    """Cost of the held-out requests: cheapest, median and most expensive model [USD]."""
    requests: float
    """Number of held-out requests."""
    rate: float | None
    """Labor rate per hour [USD]; null if not specified."""
    usd: Money | None
    """Labor plus requests [USD]; null without a labor rate."""


def finding_out_cost(asked: InterviewQuestion, question: Question) -> FindingOutCost:
    """Return the cost of a "don't know".

    hours = as specified, or set-up of the approach, or examples * minutes / 60
    USD   = hours * team.usd_per_hour + 200 requests * price of a request

    Leaves out: waiting times, and the cost of a wrong decision.

    Source: set-up hours and numbers of examples from the evidence; tokens from the price book;
    other hours and minutes per label are our own judgement, in questions.yaml.
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
        usd=None if rate is None else _total(hours, rate, tokens),
    )


def _labels(unknown: FindingOutEffort, question: Question) -> tuple[float, float] | None:
    """Return how many examples to label, or to review if there is a file."""
    if unknown.label is None:
        return None
    if unknown.label == "evaluation":
        return MEASURED_EXAMPLES, MEASURED_EXAMPLES
    if question.profile:
        count = min(MEASURED_EXAMPLES, float(question.profile.examples))
        return count, count
    resolved = resolve(question.scenario, question.profile, question.evidence)
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
        hours: Hours = getattr(question.evidence.labour_hours, unknown.hours_of)
        return hours
    return unknown.hours or (0.0, 0.0, 0.0)


def _tokens(unknown: FindingOutEffort, question: Question) -> Money | None:
    """Return the cost of held-out requests over all allowed models, or None if none is allowed."""
    if unknown.pilot is None:
        return None
    assumed: dict[str, float] = {}
    if not question.scenario.traffic.requests_per_month:
        assumed["traffic.requests_per_month"] = MEASURED_EXAMPLES
    if unknown.pilot == "rag" and not question.scenario.knowledge.corpus_tokens:
        assumed["knowledge.corpus_tokens"] = 1.0  # so that retrieval is priced
    scenario = with_paths(question.scenario, assumed) if assumed else question.scenario
    evaluated = evaluate(replace(question, scenario=scenario))
    requests = first_value(evaluated.resolved.inputs.requests_per_month)
    costs = [
        linear_cost(entry.costs, requests).per_request * MEASURED_EXAMPLES
        for entry in evaluated.options
        if entry.option.approach == unknown.pilot and not entry.option.is_current
    ]
    if not costs:
        return None
    return Money(low=usd(min(costs)), likely=usd(median(costs)), high=usd(max(costs)))


def _total(hours: Hours, rate: float, tokens: Money | None) -> Money:
    extra = (tokens.low, tokens.likely, tokens.high) if tokens else ("0", "0", "0")
    low, likely, high = (
        usd(time * rate + float(spent)) for time, spent in zip(hours, extra, strict=True)
    )
    return Money(low=low, likely=likely, high=high)
