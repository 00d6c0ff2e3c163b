"""Training plan for a job at a provider: its cost, and its cap."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from advisor.decision.answer import Answer
from advisor.errors import UsageError, did_you_mean
from advisor.estimate.line import first_value, total_cost
from advisor.estimate.sampling import LIKELY, WORST_CASE, Sampling
from advisor.estimate.tokens import evaluated_tokens
from advisor.estimate.tuning import TrainingSet, default_epochs, provider_training_lines
from advisor.options.batch import option_batches, token_factor_range
from advisor.options.eligibility import customer_type
from advisor.options.option import Option
from advisor.plan.training_plan import PlanData, PlannedCost, PlanSettings, TrainingPlan
from advisor.prices.display_names import provider_name
from advisor.units import round_up_to_cents

PROVIDERS_BILLING_VALIDATION = frozenset({"together"})
"""Providers that bill held-out rows once per evaluation. Source: the provider's pricing page."""
TRAINING_KIND = {"supervised": "training", "dpo": "dpo_training"}
MAX_AUTO_EPOCHS = 25
AUTO_MARGIN_EPOCHS = 2.0
"""Epochs that `auto` might choose relative to our estimate; our own judgement."""


def make_plan(
    answer: Answer,
    option: Option,
    data: PlanData,
    plan_settings: PlanSettings,
    planned_at: datetime,
) -> TrainingPlan:
    """Create the plan of one job: rows, settings, cost and cap.

    Raises:
        UsageError: the provider does not offer the method, or the cap is below the worst case.
    """
    offer = option.offer
    if offer is None:
        raise UsageError(option.id, "no provider trains this option.", option.launch_says)
    methods = ["supervised" if method == "sft" else method for method in offer.methods]
    if plan_settings.method not in methods:
        raise UsageError(
            f"--method {plan_settings.method}",
            f"not offered by {provider_name(offer.provider)} for {offer.base}.",
            did_you_mean(plan_settings.method, methods).strip(),
        )
    figure = planned_cost(option, data, plan_settings)
    return TrainingPlan(
        provider=offer.provider,
        base_model=offer.base,
        **plan_settings.model_dump(include={"method", "hyperparameters", "suffix", "grader"}),
        **data.model_dump(),
        figure=figure,
        cap_usd=plan_cap(plan_settings, figure),
        serving=offer.serving,
        option_id=option.id,
        question_sha256=answer.question_sha256,
        prices_sha256=answer.prices_sha256,
        planned_at=planned_at.isoformat(timespec="seconds"),
        organisation=customer_type(answer.question, offer.provider),
    )


def plan_cap(plan_settings: PlanSettings, figure: PlannedCost) -> str:
    """Return the cap of a plan: the user's, else its worst-case cost [USD].

    Raises:
        UsageError: the cap is below the worst-case cost.
    """
    cap = plan_settings.cap_usd or Decimal(figure.at_most)
    if cap < Decimal(figure.at_most):
        raise UsageError(
            f"--cap {cap}",
            f"this job may cost up to ${figure.at_most}, and its cap is ${cap}.",
            "Raise the cap, or train on fewer rows or epochs.",
        )
    return str(cap.quantize(Decimal("0.01")))


def planned_cost(option: Option, data: PlanData, plan_settings: PlanSettings) -> PlannedCost:
    """Return the cost of a job, from the same quantities as the answer.

    Raises:
        UsageError: the provider has no price for this method.
    """
    kind = TRAINING_KIND.get(plan_settings.method, "training")
    if kind not in option.prices:
        raise UsageError(
            f"--method {plan_settings.method}",
            f"{provider_name(option.provider)} has no {kind} price.",
            "Add your own under prices: in an overlay.",
        )
    price = option.prices[kind]
    priced = replace(option, prices={**option.prices, "training": price})
    likely, at_most = (
        _tokens_and_usd(priced, data, plan_settings, sampling) for sampling in (LIKELY, WORST_CASE)
    )
    factor = option.tokenizer_card.token_factor if option.tokenizer_card else None
    low = likely[1] * (Decimal(factor.low) / Decimal(factor.likely) if factor else 1)
    minimum = option.prices.get("job_minimum")
    least = Decimal(str(minimum.value)) if minimum else Decimal(0)
    return PlannedCost(
        item=price.item,
        price=str(price.value),
        unit=price.unit,
        since=str(price.since),
        source=price.source,
        read_on=str(price.read_on),
        own=price.own,
        trained_tokens=likely[0],
        trained_tokens_at_most=at_most[0],
        low=str(round_up_to_cents(max(low, least))),
        likely=str(round_up_to_cents(likely[1])),
        at_most=str(round_up_to_cents(at_most[1])),
        minimum=str(minimum.value) if minimum else None,
    )


def _tokens_and_usd(
    option: Option, data: PlanData, plan_settings: PlanSettings, sampling: Sampling
) -> tuple[int, Decimal]:
    rows, epochs = data.training.rows, plan_settings.hyperparameters.n_epochs
    passes = float(default_epochs(rows)) if epochs == "auto" else float(epochs)
    if epochs == "auto" and sampling is WORST_CASE:
        passes = min(MAX_AUTO_EPOCHS, max(passes * AUTO_MARGIN_EPOCHS, passes + 1))
    factor = first_value(sampling.value("tokens", *token_factor_range(option.tokenizer_card)))
    validation, evaluated = data.validation, 0.0
    if validation and option.provider in PROVIDERS_BILLING_VALIDATION:
        per_row = validation.tokens / validation.rows * factor
        evaluated = float(evaluated_tokens(passes, validation.rows, per_row))
    trained = data.training.tokens * factor * passes + evaluated
    (batch,) = option_batches([option])
    lines = provider_training_lines(batch, TrainingSet(rows, trained / passes / rows, passes))
    return round(trained), Decimal(repr(first_value(total_cost(lines, "once"))))
