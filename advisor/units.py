"""What every number rests on: the base record, units of size and time, rounding of money."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

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


class Record(BaseModel):
    """A value: never changed after it is made, never holding a field nobody declared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True
    )


class Money(Record):
    """A sum of USD as a range: fifth percentile, likely, ninety-fifth percentile."""

    low: str
    """Only one draw in twenty is cheaper [USD]."""
    likely: str
    """Every input at its likely value [USD]."""
    high: str
    """Only one draw in twenty is dearer [USD]."""


AMBIGUOUS_AMOUNT = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""A separator and three digits: thousands for one reader, decimals for another."""


def parse_usd(text: str, where: str) -> Decimal:
    """Parse an amount of USD of 0 or more, as typed.

    Raises:
        UsageError: it is not an amount, or can be read in two ways.

    >>> parse_usd(" 0,10 USD ", "cap")
    Decimal('0.10')
    """
    from advisor.errors import UsageError

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
    """Write an amount of USD, half up; the one place where a float becomes money.

    The ninth decimal takes the float's own noise away first, so that 0.125 is 0.13 by any road.

    >>> usd(0.125)
    '0.13'
    >>> usd(312.857142857)
    '312.86'
    """
    exact = Decimal(repr(round(float(amount), 9)))
    return str(exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP))
