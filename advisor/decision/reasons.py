"""Reasons for a decision, with the numbers they are based on; what to measure next."""

from __future__ import annotations

from advisor.decision.evaluate import EvaluatedQuestion
from advisor.decision.ranking import OptionResult, lacks_minimum_information
from advisor.estimate.line import first_value
from advisor.inputs import needs_knowledge
from advisor.prices.display_names import model_name, option_name
from advisor.units import Record, money_text, usd

Numbers = tuple[tuple[str, str], ...]


class Reason(Record):
    """One reason for the decision."""

    code: str
    """Stable name."""
    says: str
    """Explanation."""
    numbers: Numbers
    """Name and value of each number that was read."""
    source: str
    """Source."""


def decision_reasons(evaluated: EvaluatedQuestion) -> tuple[Reason, ...]:
    """Explain the decision."""
    if evaluated.is_not_yet:
        return (_why_not_yet(evaluated),)
    winner, resolved = evaluated.winner, evaluated.resolved
    reasons = [_quality_reason(evaluated), _cost_reason(evaluated)]
    if needs_knowledge(resolved.scenario, resolved.task):
        without = evaluated.question.evidence.without_retrieval
        factor = (("factor", f"{without.factor[1]:g}"),)
        reasons.append(_reason("facts-need-retrieval", without.says, factor, without.source))
    trained = next((entry for entry in evaluated.eligible if entry.option.trains), None)
    if trained and not winner.option.trains:
        reasons.append(_training_reason(evaluated, trained))
    closed = [o for o in evaluated.candidates.ruled_out if o.rule == "closed-to-you"]
    organisation = resolved.scenario.organisation
    if closed and (organisation.openai or organisation.azure):
        count = (("offers closed", str(len(closed))),)
        reasons.append(_reason("closed-to-you", closed[0].says, count, closed[0].source))
    if winner.option.ends_on:
        months = f"{winner.costs.months:.1f}"
        says = (
            f"{model_name(winner.option.model)} is shut down on {winner.option.ends_on}: one-off "
            f"costs are spread over the {months} months of use."
        )
        reasons.append(_reason("model-ends", says, (("months", months),), "price book, models"))
    return tuple(reasons)


def _reason(code: str, says: str, numbers: Numbers, source: str) -> Reason:
    return Reason(code=code, says=says, numbers=numbers, source=source)


def _quality_reason(evaluated: EvaluatedQuestion) -> Reason:
    winner, target = evaluated.winner, first_value(evaluated.resolved.inputs.target)
    quality = winner.quality
    likely, low, high = map(first_value, (quality.likely, quality.low, quality.high))
    says = (
        f"Expected quality: {likely:.0%} of answers correct ({low:.0%} to {high:.0%}); the target "
        f"is {target:.0%}."
    )
    code = "reaches-target"
    if not winner.reaches:
        code = "may-reach-target"
        says += " No option is certain to reach it: try it on part of the data first."
    numbers = (("expected", f"{likely:.3f}"), ("target", f"{target:g}"))
    return _reason(code, says, numbers, f"{quality.basis}; {quality.source}")


def _cost_reason(evaluated: EvaluatedQuestion) -> Reason:
    winner = evaluated.winner
    per_month, currency = winner.costs.per_month, evaluated.context.currency
    numbers = [("a month", usd(per_month))]
    says = f"It costs {money_text(per_month, currency)} per month, one-off costs included"
    others = evaluated.eligible[1:]
    rival = next((e for e in others if e.option.approach != winner.option.approach), None)
    if rival:
        cost = rival.costs.per_month
        numbers.append((rival.option.id, usd(cost)))
        price = money_text(cost, currency)
        says += f"; the best other approach costs {price}: {option_name(rival.option.id)}"
    return _reason("cheapest-good-enough", f"{says}.", tuple(numbers), "price book, see the bill")


def _training_reason(evaluated: EvaluatedQuestion, trained: OptionResult) -> Reason:
    saving = evaluated.winner.costs.per_month - trained.costs.per_month
    margins = evaluated.question.evidence.margins
    amount = money_text(abs(saving), evaluated.context.currency)
    change = f"{amount} {'less' if saving > 0 else 'more'}"
    numbers = (
        ("saving a month", usd(saving)),
        ("least share", f"{margins.share:g}"),
        ("least USD a month", f"{margins.usd_per_month:g}"),
    )
    return _reason(
        "training-does-not-pay",
        f"The cheapest option with training costs {change} per month: "
        f"{option_name(trained.option.id)}. {margins.says}",
        numbers,
        f"margins, {margins.basis} judgement",
    )


def _why_not_yet(evaluated: EvaluatedQuestion) -> Reason:
    resolved, scenario = evaluated.resolved, evaluated.resolved.scenario
    if lacks_minimum_information(scenario, resolved.task):
        return _reason(
            "too-little-to-decide-on",
            "Traffic, quality target and an evaluation are all missing: any advice would be a "
            "guess.",
            (("examples", f"{first_value(resolved.inputs.examples):g}"),),
            "your scenario",
        )
    is_noisy = scenario.dataset.label_quality == "noisy"
    if evaluated.eligible and is_noisy and scenario.quality.has_eval is not False:
        return _reason(
            "labels-too-noisy",
            "Training would win, but the examples contain many errors, and a model learns those "
            "too: review them first.",
            (("dataset.label_quality", scenario.dataset.label_quality),),
            "https://www.canva.dev/blog/engineering/summarise-post-incident-reviews-with-gpt4/",
        )
    if evaluated.eligible:
        return _reason(
            "no-way-to-measure",
            "Training would win, but its effect cannot be measured: create an evaluation first.",
            (("quality.has_eval", str(scenario.quality.has_eval).lower()),),
            "https://hamel.dev/blog/posts/fine_tuning_valuable.html",
        )
    says = "No allowed option is expected to reach the quality target."
    best = max(evaluated.options, key=lambda entry: entry.quality.likely, default=None)
    if best:
        says += f" {option_name(best.option.id)} comes closest: {best.quality.likely:.0%} correct."
    target = (("target", f"{first_value(resolved.inputs.target):g}"),)
    return _reason("nothing-reaches-target", says, target, "evidence")


def next_measurements(evaluated: EvaluatedQuestion) -> tuple[str, ...]:
    """List what to find out next, most decisive first; each ends with its field or command."""
    scenario, winner = evaluated.resolved.scenario, evaluated.winner
    quality, traffic = scenario.quality, scenario.traffic
    is_chosen = not evaluated.is_not_yet
    verb = "Tune on part of the examples" if is_chosen and winner.option.trains else "Measure it"
    is_noisy = scenario.dataset.label_quality == "noisy"
    has_prompting = any(m.approach in ("prompt", "few_shot") for m in quality.measured)
    caches = is_chosen and "cached_input" in winner.option.prices
    has_examples = first_value(evaluated.resolved.inputs.examples) > 0
    wanted = {
        f"{verb} and measure before the full run: trainer pilot.": is_chosen and not winner.reaches,
        "Review and correct a hundred examples: dataset.label_quality.": is_noisy,
        "Count the requests per month: traffic.requests_per_month.": traffic.requests_per_month
        is None,
        "Set a quality target: quality.target.": quality.target is None,
        "Hold out 200 examples and measure on them: quality.has_eval.": not quality.has_eval,
        "Measure a systematic prompt on held-out examples: quality.measured.": not has_prompting,
        "Read the cached tokens from a daily bill: traffic.cache_hit_share.": caches
        and traffic.cache_hit_share is None,
        "Collect 50 to 100 examples of good answers: dataset.path.": not has_examples,
    }
    return tuple(says for says, is_open in wanted.items() if is_open)
