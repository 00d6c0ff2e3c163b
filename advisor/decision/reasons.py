"""A ranking -> the reasons in words, each with the numbers it read, and what to measure next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.decision.evaluate import EvaluatedQuestion
from advisor.decision.ranking import OptionResult, lacks_minimum_information
from advisor.estimate.costs import OptionCost
from advisor.evidence import Evidence
from advisor.inputs import ResolvedScenario, needs_knowledge
from advisor.units import Record, usd


class Reason(Record):
    """One reason: a sentence, and the numbers it read."""

    code: str
    """Stable name."""
    says: str
    """In words."""
    numbers: tuple[tuple[str, str], ...]
    """Name and value of each number read."""
    source: str
    """Who says so."""


class BreakEven(Record):
    """From how much use on the option with training is no dearer."""

    option: str
    """The option with training."""
    against: str
    """What it is held against."""
    requests: int | None
    """Smallest whole number of requests in all, while it lives; none if it never is."""
    requests_per_month: int | None
    """The same as requests a month."""
    months: str | None
    """Months until what was spent once has come back, at this traffic."""


class LinearCost(NamedTuple):
    """A cost over the life of an option as a straight line in requests."""

    fixed: float
    per_request: float


def linear_cost(costs: OptionCost, requests_per_month: float) -> LinearCost:
    """Split a cost into what is paid anyhow and what each request adds [USD]."""
    monthly = {True: 0.0, False: 0.0}
    for item in costs.items:
        if item.cadence == "month":
            monthly[item.scales] += item.amount
    fixed = costs.one_off + monthly[False] * costs.months
    return LinearCost(fixed, monthly[True] / requests_per_month if requests_per_month else 0.0)


def break_even_requests(extra_usd: float, saving_per_request_usd: float) -> int:
    """Count the requests after which a saving has paid for what is paid more anyhow.

    requests = extra / saving per request, up to the next whole one

    >>> break_even_requests(13.23, 0.000147), break_even_requests(2912.70, 0.0028)
    (90000, 1040250)
    """
    return int(np.ceil(round(extra_usd / saving_per_request_usd, 6)))


def break_even(tuned: OptionResult, other: OptionResult, requests_per_month: float) -> BreakEven:
    """Find the smallest whole number of requests at which *tuned* is no dearer than *other*.

    requests = (fixed of tuned - fixed of other) / (per request of other - per request of tuned)
    """
    ours, theirs = (
        linear_cost(tuned.costs, requests_per_month),
        linear_cost(other.costs, requests_per_month),
    )
    saving = theirs.per_request - ours.per_request
    extra = ours.fixed - theirs.fixed
    months = tuned.costs.months
    requests = 0 if extra <= 0 <= saving else None
    if extra > 0 and saving > 0:
        requests = break_even_requests(extra, saving)
    monthly_saving = other.costs.monthly - tuned.costs.monthly
    once = tuned.costs.one_off - other.costs.one_off
    return BreakEven(
        option=tuned.option.id,
        against=other.option.id,
        requests=requests,
        requests_per_month=None if requests is None else int(np.ceil(requests / months - 1e-9)),
        months=_months(once, monthly_saving),
    )


def _months(once: float, monthly_saving: float) -> str | None:
    if monthly_saving <= 0:
        return None
    months = max(once, 0.0) / monthly_saving
    return usd(months, 1 if months >= 0.1 else 4)


def first_value(value: object) -> float:
    """Return the value of the first variant."""
    return float(np.asarray(value).flat[0])


def decision_reasons(evaluated: EvaluatedQuestion) -> tuple[Reason, ...]:
    """Explain why the winner won."""
    if evaluated.is_not_yet:
        return _why_not_yet(evaluated)
    resolved, candidates = evaluated.resolved, evaluated.candidates
    winner, others = evaluated.winner, evaluated.eligible
    evidence = evaluated.question.evidence
    made = [_quality_reason(winner, resolved), _cost_reason(winner, others)]
    if needs_knowledge(resolved.scenario, resolved.task):
        without = evidence.without_retrieval
        made.append(
            Reason(
                code="facts-need-retrieval",
                says=without.says,
                numbers=(("factor", f"{without.factor[1]:g}"),),
                source=without.source,
            )
        )
    trained = next((entry for entry in others if entry.option.trains), None)
    if trained and not winner.option.trains:
        made.append(_training_reason(winner, trained, evidence))
    closed = [one for one in candidates.ruled_out if one.rule == "closed-to-you"]
    organisation = resolved.scenario.organisation
    if closed and (organisation.openai or organisation.azure):
        made.append(
            Reason(
                code="closed-to-you",
                says=closed[0].says,
                numbers=(("offers closed", str(len(closed))),),
                source=closed[0].source,
            )
        )
    if winner.option.ends_on:
        months = winner.costs.months
        says = (
            f"{winner.option.model} ends on {winner.option.ends_on}: what is paid once is "
            f"spread over the {months:.1f} months that it can be used."
        )
        made.append(
            Reason(
                code="model-ends",
                says=says,
                numbers=(("months", f"{months:.1f}"),),
                source="price book, models",
            )
        )
    return tuple(made)


def _quality_reason(winner: OptionResult, resolved: ResolvedScenario) -> Reason:
    quality, target = winner.quality, first_value(resolved.inputs.target)
    ends = f"{first_value(quality.low):.0%} to {first_value(quality.high):.0%}"
    code, doubt = "reaches-target", ""
    if not winner.reaches:
        code, doubt = "may-reach-target", " Nothing is sure to reach that: try it on a part first."
    return Reason(
        code=code,
        says=f"It is expected to get {first_value(quality.likely):.0%} right ({ends}); "
        f"{target:.0%} is good enough.{doubt}",
        numbers=(("expected", f"{first_value(quality.likely):.3f}"), ("target", f"{target:g}")),
        source=f"{quality.basis}; {quality.source}",
    )


def _cost_reason(winner: OptionResult, others: tuple[OptionResult, ...]) -> Reason:
    numbers = [("a month", usd(winner.costs.per_month))]
    says = f"It costs {usd(winner.costs.per_month)} USD a month, all spread"
    rivals = [entry for entry in others[1:] if entry.option.approach != winner.option.approach]
    if rivals:
        rival = rivals[0]
        numbers.append((rival.option.id, usd(rival.costs.per_month)))
        says += f"; the next other way, {rival.option.id}, costs {usd(rival.costs.per_month)}"
    return Reason(
        code="cheapest-good-enough",
        says=says + ".",
        numbers=tuple(numbers),
        source="price book, see the bill",
    )


def _training_reason(winner: OptionResult, trained: OptionResult, evidence: Evidence) -> Reason:
    saving = winner.costs.per_month - trained.costs.per_month
    margins = evidence.margins
    verb = f"saves {usd(saving)}" if saving > 0 else f"costs {usd(-saving)} more"
    return Reason(
        code="training-does-not-pay",
        says=f"The cheapest way with training, {trained.option.id}, {verb} USD a month. "
        f"{margins.says}",
        numbers=(
            ("saving a month", usd(saving)),
            ("least share", f"{margins.share:g}"),
            ("least USD a month", f"{margins.usd_per_month:g}"),
        ),
        source=f"margins, {margins.basis} judgement",
    )


def _why_not_yet(evaluated: EvaluatedQuestion) -> tuple[Reason, ...]:
    resolved, scenario = evaluated.resolved, evaluated.resolved.scenario
    if lacks_minimum_information(scenario, resolved.task):
        return (
            Reason(
                code="too-little-to-decide-on",
                says="Neither the traffic nor what is good enough was given, and there is no way "
                "to "
                "measure it: any advice would be a guess.",
                numbers=(("examples", f"{first_value(resolved.inputs.examples):g}"),),
                source="your scenario",
            ),
        )
    noisy = scenario.dataset.label_quality == "noisy"
    if evaluated.eligible and noisy and scenario.quality.has_eval is not False:
        return (
            Reason(
                code="labels-too-noisy",
                says="Training would win, but the examples hold many mistakes, and a model learns "
                "those too: have them looked through first.",
                numbers=(("dataset.label_quality", scenario.dataset.label_quality),),
                source="https://www.canva.dev/blog/engineering/summarise-post-incident-reviews-with-gpt4/",
            ),
        )
    if evaluated.eligible:
        return (
            Reason(
                code="no-way-to-measure",
                says="Training would win, but there is no way to measure whether it helped: make "
                "an "
                "evaluation first.",
                numbers=(("quality.has_eval", str(scenario.quality.has_eval).lower()),),
                source="https://hamel.dev/blog/posts/fine_tuning_valuable.html",
            ),
        )
    best = max(evaluated.options, key=lambda entry: entry.quality.likely, default=None)
    says = "Nothing that is allowed is expected to reach the target."
    if best:
        says += f" The best, {best.option.id}, is expected to get {best.quality.likely:.0%} right."
    return (
        Reason(
            code="nothing-reaches-target",
            says=says,
            source="evidence",
            numbers=(("target", f"{first_value(resolved.inputs.target):g}"),),
        ),
    )


def next_measurements(evaluated: EvaluatedQuestion) -> tuple[str, ...]:
    """List what to find out next, most decisive first."""
    scenario = evaluated.resolved.scenario
    winner = None if evaluated.is_not_yet else evaluated.winner
    quality, traffic = scenario.quality, scenario.traffic
    verb = "Tune on a part of the examples" if winner and winner.option.trains else "Measure it"
    prompts = any(m.approach in ("prompt", "few_shot") for m in quality.measured)
    caches = winner is not None and "cached_input" in winner.option.prices
    is_noisy = scenario.dataset.label_quality == "noisy"
    wanted = {
        f"{verb} and measure before all is spent: trainer pilot.": winner is not None
        and not winner.reaches,
        "Look a hundred examples through and correct them: dataset.label_quality.": is_noisy,
        "Count the requests a month: traffic.requests_per_month.": traffic.requests_per_month
        is None,
        "Say what is good enough: quality.target.": quality.target is None,
        "Keep 200 examples back and measure on them: quality.has_eval.": not quality.has_eval,
        "Measure a worked-on prompt on them: quality.measured.": not prompts,
        "Read the cached tokens off a day's bills: traffic.cache_hit_share.": caches
        and traffic.cache_hit_share is None,
        "Collect 50 to 100 examples of good answers: dataset.path.": first_value(
            evaluated.resolved.inputs.examples
        )
        == 0,
    }
    return tuple(says for says, holds in wanted.items() if holds)
