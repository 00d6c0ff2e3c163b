"""Preflight checks before anything is sent: age, prices, eligibility, sizes, shutdown, caps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from advisor.errors import PricingError
from advisor.plan.training_plan import PLAN_HOURS, DataFile, LocalJob, TrainingPlan
from advisor.prices.book import PriceBook
from advisor.prices.providers import TuningOffer
from trainer.clock import utc_datetime
from trainer.errors import Refused
from trainer.local.process import devices
from trainer.scripts.manifest import sha256_of

HOUR_SECONDS = 3600.0


def check_plan(plan: TrainingPlan, book: PriceBook, now: float) -> list[str]:
    """Check a plan; return one sentence for each check.

    Raises:
        Refused: a check failed, with what to do.
    """
    day = utc_datetime(now).date()
    if plan.local is not None:
        return [*_fresh(plan, book, now), *_local_requirements(plan.local), *_cap(plan)]
    offer = _offer(plan, book)
    fresh, is_open = _fresh(plan, book, now), _open(plan, offer, day)
    return [*fresh, *is_open, *_data(plan, offer), *_price(plan, book, day)]


def _offer(plan: TrainingPlan, book: PriceBook) -> TuningOffer:
    for offer in book.offers:
        if (offer.provider, offer.base) == (plan.provider, plan.base_model):
            return offer
    raise Refused(f"{plan.provider}: no longer tunes {plan.base_model}. Plan again.")


def _fresh(plan: TrainingPlan, book: PriceBook, now: float) -> Iterator[str]:
    hours = (now - datetime.fromisoformat(plan.planned_at).timestamp()) / HOUR_SECONDS
    if hours > PLAN_HOURS:
        raise Refused(
            f"plan {plan.plan_id[:12]}: it is {hours:.0f} hours old, and a plan expires "
            f"after {PLAN_HOURS:.0f}. Plan again with today's prices."
        )
    if plan.prices_sha256 != book.sha256:
        raise Refused(f"plan {plan.plan_id[:12]}: the price book has changed since. Plan again.")
    yield "the plan is less than a day old and its prices are current"


def _open(plan: TrainingPlan, offer: TuningOffer, day: date) -> Iterator[str]:
    if offer.open_window(plan.organisation, day) is None:
        says, source = offer.closed_reason(plan.organisation, day)
        raise Refused(f"closed: {says} ({source}) Choose an offer that is open to you.")
    yield f"{plan.provider} accepts jobs for {plan.base_model} on {day}"
    if offer.ends_on is not None:
        days = (offer.ends_on - day).days
        if days <= 0:
            raise Refused(
                f"closed: a model tuned from {plan.base_model} ended on "
                f"{offer.ends_on}. Choose another base."
            )
        yield f"the tuned model can be used for {days} days, until {offer.ends_on}"


def _data(plan: TrainingPlan, offer: TuningOffer) -> Iterator[str]:
    rows, longest = plan.training.rows, plan.training.longest_tokens
    if rows < offer.min_examples:
        raise Refused(
            f"{plan.provider}: needs {offer.min_examples} examples or more, found {rows}. "
            "Collect more."
        )
    yield f"{rows} examples, minimum {offer.min_examples}"
    most = offer.max_example_tokens
    if most is not None and longest > most:
        raise Refused(
            f"{plan.provider}: accepts examples of up to {most} tokens, the longest has "
            f"{longest}. Shorten or split it."
        )
    if plan.method == "reinforcement" and not plan.grader:
        raise Refused("reinforcement needs a grader. Give one with --grader FILE.")


def _local_requirements(local: LocalJob) -> Iterator[str]:
    if local.is_plain:
        yield "the TF-IDF baseline needs no base"
        return
    base = Path(local.base)
    if not (base / "config.json").is_file() or not list(base.glob("*.safetensors")):
        raise Refused(f"{base}: the base of the plan no longer exists. Restore it, or plan again.")
    if local.gpu != "cpu" and devices() == ["cpu"]:
        raise Refused(
            f"this machine has no {local.gpu}. `trainer export PLAN FOLDER` writes a "
            "folder that trains on one; `trainer import` reads the result back."
        )
    yield f"the base is in {base}"


def _price(plan: TrainingPlan, book: PriceBook, day: date) -> Iterator[str]:
    try:
        book.prices.on(plan.figure.item, day)
    except PricingError as error:
        raise Refused(f"unpriced: {error}") from error
    yield from _cap(plan)


def _cap(plan: TrainingPlan) -> Iterator[str]:
    if Decimal(plan.cap_usd) < Decimal(plan.figure.at_most):
        raise Refused(
            f"cap: ${plan.cap_usd} is less than the ${plan.figure.at_most} that "
            "the job may cost. Raise the cap."
        )
    own = ", your own price" if plan.figure.own else ""
    yield f"up to ${plan.figure.at_most}, under the cap of ${plan.cap_usd}{own}"


def check_file(data: DataFile, path: Path, most_bytes: int, provider: str) -> None:
    """Check that a file is the one in the plan.

    Raises:
        Refused: it was deleted or changed, or is larger than the provider accepts.
    """
    if not path.is_file():
        raise Refused(f"{path}: the rows of the plan no longer exist. Plan again.")
    if data.bytes > most_bytes:
        raise Refused(
            f"{provider}: accepts files of up to {most_bytes} bytes, this one has {data.bytes}. "
            "Train on fewer rows."
        )
    if sha256_of(path) != data.sha256:
        raise Refused(f"{path}: changed since the plan was created. Plan again.")
