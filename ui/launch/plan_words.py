"""A plan -> what the page says of it: a line each, its price range, the amount to type."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import format_decimal

from advisor.plan import TrainingPlan
from ui import look

METHODS = {"supervised": "Tuning on answers", "dpo": "Tuning on preferences",
           "reinforcement": "Reinforcement"}  # fmt: skip
CENT = Decimal("0.01")
SERVED = {"per_token": "billed by the token", "per_hour": "billed by the hour, once it is deployed"}
SHOWN = ("epochs", "learning_rate", "micro_batch_rows", "accumulation_steps", "max_tokens",
         "lora_rank", "seed")  # fmt: skip


def exact(amount: str, locale: str) -> str:
    """Write an amount to its last digit, as a person types it.

    >>> exact("0.10", "en_US"), exact("1250.00", "de_DE")
    ('0.10', '1250,00')
    """
    return str(format_decimal(Decimal(amount), "0.00####", locale=locale))


def spent_words(amount: str, locale: str) -> str:
    """Write what was spent; less than a cent is said as that, not as 0.

    >>> spent_words("0.0017", "en_US"), spent_words("0", "en_US"), spent_words("2.5", "en_US")
    ('under $0.01', '$0.00', '$2.50')
    """
    if 0 < Decimal(amount) < CENT:
        return f"under {look.money('0.01', locale, cents=True)}"
    return look.money(amount, locale, cents=True)


def is_typed(text: str, amount: str, locale: str) -> bool:
    """Whether a person typed this very amount.

    >>> is_typed(" $0.10 ", "0.10", "en_US"), is_typed("0,1", "0.10", "de_DE")
    (True, False)
    """
    plain = text.replace("USD", "").replace("$", "").strip()
    return plain in (amount, exact(amount, locale))


def price_range(plan: TrainingPlan, locale: str) -> str:
    """Say what a job costs, as it stands on the button."""
    low, most, cap = (look.money(one, locale, cents=True) for one in (
        plan.figure.low, plan.figure.at_most, plan.cap_usd))  # fmt: skip
    amount = most if low == most else f"{low} to {most}"
    return f"Start: {amount}, cap {cap}"


@dataclass(frozen=True)
class Fact:
    """One line of a plan."""

    what: str
    says: str


def plan_facts(plan: TrainingPlan, locale: str) -> tuple[Fact, ...]:
    """Say what a plan holds, a line each."""
    figure, rows = plan.figure, look.number(plan.training.rows, locale)
    held = look.number(plan.held_out.rows, locale) if plan.held_out else "none"
    own = "your own price" if figure.own else f"since {figure.since}, read {figure.read_on}"
    return (
        Fact("What", f"{METHODS.get(plan.method, plan.method)} of {plan.base_model}, {_at(plan)}"),
        Fact("Rows", f"{rows} to learn from, {held} held out to measure with"),
        Fact("Settings", settings_of(plan)),
        Fact("Cost", f"{look.money(figure.likely, locale, cents=True)} likely; "
             f"{look.money(figure.low, locale, cents=True)} to "
             f"{look.money(figure.at_most, locale, cents=True)}"),
        Fact("Price", f"{figure.price} {figure.unit}, {own}"),
        Fact("Source", figure.source),
        Fact("Afterwards", "served from this machine" if plan.local else SERVED[plan.serving]),
        Fact("Plan", f"{plan.plan_id[:12]}, attempt {plan.attempt}; good for a day"),
    )  # fmt: skip


def settings_of(plan: TrainingPlan) -> str:
    """Say the settings that a person looks at first."""
    if plan.local is None:
        given: dict[str, Any] = plan.hyperparameters.model_dump(exclude_none=True)
    elif plan.local.is_plain:
        return "none: it has no settings"
    else:
        given = {name: getattr(plan.local.recipe, name) for name in SHOWN}
    return ", ".join(f"{name.removeprefix('n_').replace('_', ' ')} {value}"
                     for name, value in given.items())  # fmt: skip


def _at(plan: TrainingPlan) -> str:
    if plan.local is None:
        return f"at {plan.provider}"
    where = "the CPU of this machine" if plan.local.gpu == "cpu" else f"this {plan.local.gpu}"
    return f"on {where}"
