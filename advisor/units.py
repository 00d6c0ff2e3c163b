"""Units and money: the base record, sizes and times, how amounts are parsed and written."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

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


class Currency(Record):
    """A currency in which amounts are printed, with its rate of a day."""

    code: str
    """ISO 4217 code."""
    usd: Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    """USD for one unit of the currency."""
    on: date | None
    """Day of the rate; null for USD."""
    source: str | None
    """Source of the rate; null for USD."""

    @property
    def note(self) -> str:
        """What the amounts are in, for the line below a table.

        >>> US_DOLLARS.note
        'US dollars'
        """
        if self.code == US_DOLLARS.code:
            return "US dollars"
        return f"{self.code}, at {self.usd:f} USD for 1 {self.code} on {self.on} ({self.source})"


US_DOLLARS = Currency(code="USD", usd=Decimal(1), on=None, source=None)
SYMBOLS = {"USD": "$", "EUR": "\u20ac", "GBP": "\u00a3"}
"""Sign in front of an amount; for other currencies the code and a space."""
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


def in_currency(amount_usd: str | float | Decimal, currency: Currency) -> Decimal:
    """Convert an amount of USD.

    >>> rate = Currency(code="EUR", usd=Decimal("1.16"), on=None, source="ECB")
    >>> f"{in_currency('11.6', rate):.2f}"
    '10.00'
    """
    return Decimal(str(amount_usd)) / currency.usd


def amount_text(
    amount_usd: str | float | Decimal, currency: Currency = US_DOLLARS, digits: int = 2
) -> str:
    """Write an amount of USD in a currency, for a table that names the currency.

    >>> amount_text("1234.5")
    '1,234.50'
    """
    return f"{in_currency(amount_usd, currency):,.{digits}f}"


def money_text(
    amount_usd: str | float | Decimal, currency: Currency = US_DOLLARS, digits: int = 2
) -> str:
    """Write an amount of USD in a currency, for people.

    >>> money_text("1234.5"), money_text(-3.0)
    ('$1,234.50', '-$3.00')
    """
    value = in_currency(amount_usd, currency)
    sign = SYMBOLS.get(currency.code, f"{currency.code} ")
    return f"{'-' if value < 0 else ''}{sign}{abs(value):,.{digits}f}"


def dollars(amount: str | float | Decimal) -> str:
    """Write an amount of USD for people, where no other currency is chosen.

    >>> dollars("1234.5")
    '$1,234.50'
    """
    return money_text(amount)


def rounded_money_text(amount_usd: float, currency: Currency = US_DOLLARS) -> str:
    """Write an amount of USD in a currency for a sentence, without cents from 1,000 on.

    >>> rounded_money_text(1234.5), rounded_money_text(292.01)
    ('$1,234', '$292.01')
    """
    is_large = abs(in_currency(amount_usd, currency)) >= 1000
    return money_text(amount_usd, currency, 0 if is_large else 2)


def small_money_text(amount_usd: float, currency: Currency = US_DOLLARS) -> str:
    """Write an amount of USD in a currency, below 1 with two significant digits.

    >>> small_money_text(1.5), small_money_text(0.01234)
    ('$1.50', '$0.012')
    """
    value = in_currency(amount_usd, currency)
    places = 2 if value >= 1 or value <= 0 else max(1 - value.adjusted(), 2)
    return money_text(amount_usd, currency, places)


def money_range_text(money: Money, currency: Currency = US_DOLLARS) -> str:
    """Write the most likely amount with its 90% range.

    >>> money_range_text(Money(low="1", likely="2.5", high="3"))
    '$2.50 ($1.00 to $3.00)'
    """
    low, likely, high = (money_text(end, currency) for end in (money.low, money.likely, money.high))
    return likely if money.low == money.high else f"{likely} ({low} to {high})"


def round_up_to_cents(amount: Decimal) -> Decimal:
    """Round up to whole cents: a cap must never be below what it covers.

    >>> round_up_to_cents(Decimal("0.001"))
    Decimal('0.01')
    """
    return amount.quantize(CENT, rounding=ROUND_UP)
