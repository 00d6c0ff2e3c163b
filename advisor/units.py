"""Units and money: the base record, sizes and times, how amounts of USD are parsed and written."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from advisor.errors import UsageError

Task = Literal[
    "classification",
    "extraction",
    "generation",
    "summarization",
    "translation",
    "knowledge_qa",
    "structured_output",
    "code",
    "reasoning",
    "agent",
    "other",
]

Approach = Literal[
    "prompt",
    "few_shot",
    "long_context",
    "rag",
    "ft_api",
    "managed_lora",
    "lora",
    "qlora",
    "full_ft",
    "dpo",
    "encoder",
    "distill",
    "combo",
    "not_yet",
]

Tasks = get_args(Task)


Number = float | NDArray[np.float64]
"""A quantity: one number, or an array of variants and draws that broadcasts."""

HOURS_PER_MONTH = 730.0
DAYS_PER_MONTH = 365.0 / 12.0
WEEKS_PER_MONTH = 730.0 / 168.0
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600.0
GIB = 1024**3
MILLION = 1_000_000.0
CENT = Decimal("0.01")


class Record(BaseModel):
    """Base of all records: immutable, without undeclared fields; docstrings are descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True
    )


class Money(Record):
    """An amount with its 90% range."""

    low: str
    """5th percentile of the simulations [USD]."""
    likely: str
    """With every input at its most likely value [USD]."""
    high: str
    """95th percentile of the simulations [USD]."""


AMBIGUOUS_AMOUNT = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""A separator and three digits: thousands for one reader, decimals for another."""


def parse_usd(text: str, where: str) -> Decimal:
    """Parse an amount of USD of 0 or more, as typed.

    Raises:
        UsageError: it is not an amount, or can be read in two ways.

    >>> parse_usd(" 0,10 USD ", "cap")
    Decimal('0.10')
    """
    plain = text.strip().removesuffix("USD").strip().removeprefix("$").removesuffix("$").strip()
    if AMBIGUOUS_AMOUNT.fullmatch(plain):
        raise UsageError(f"{where} {text}", "it can be read in two ways.", "Write 1250, or 1.25.")
    try:
        amount = Decimal(plain.replace(",", "."))
    except InvalidOperation as error:
        raise UsageError(f"{where} {text}", "not an amount in USD.", "Write 25.00.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{where} {text}", "an amount is 0 or more.", "Write 25.00.")
    return amount


def usd(amount: float, digits: int = 2) -> str:
    """Write an amount of USD, rounded half up; the only place where a float becomes money.

    Rounding to nine decimals first removes the noise of the float, so 0.125 always becomes 0.13.

    >>> usd(0.125)
    '0.13'
    >>> usd(312.857142857)
    '312.86'
    """
    exact = Decimal(repr(round(float(amount), 9)))
    return str(exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP))


def dollars(amount: str | float | Decimal) -> str:
    """Write an amount of USD for people.

    >>> dollars("1234.5"), dollars(-3.0)
    ('$1,234.50', '-$3.00')
    """
    value = Decimal(str(amount))
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def dollar_range(money: Money) -> str:
    """Write the most likely amount with its 90% range.

    >>> dollar_range(Money(low="1", likely="2.5", high="3"))
    '$2.50 ($1.00 to $3.00)'
    """
    if money.low == money.high:
        return dollars(money.likely)
    return f"{dollars(money.likely)} ({dollars(money.low)} to {dollars(money.high)})"


def round_up_to_cents(amount: Decimal) -> Decimal:
    """Round up to whole cents: a cap must never be below what it covers.

    >>> round_up_to_cents(Decimal("0.001"))
    Decimal('0.01')
    """
    return amount.quantize(CENT, rounding=ROUND_UP)
