"""Token prices, and the cost of paid calls before the first one: likely and worst case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal

from advisor.prices.book import PriceBook
from advisor.units import round_up_to_cents

MILLION = Decimal(1_000_000)
TOKENIZER_SLACK = Decimal("1.5")
"""Worst-case ratio of the provider's token count to ours, as tokenizers differ; own judgement."""


@dataclass(frozen=True)
class TokenPrices:
    """Prices of a chat model [USD per million tokens]."""

    input: Decimal
    output: Decimal
    long_from: float | None = None
    """Longer prompts are billed at the long-context prices [tokens]."""
    long_input: Decimal | None = None
    long_output: Decimal | None = None

    def usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return the cost of one request.

        >>> TokenPrices(Decimal(2), Decimal(8)).usd(500_000, 1000)
        Decimal('1.008')
        """
        is_long = self.long_from is not None and prompt_tokens > self.long_from
        price_in = self.long_input if is_long and self.long_input is not None else self.input
        price_out = self.long_output if is_long and self.long_output is not None else self.output
        return (prompt_tokens * price_in + completion_tokens * price_out) / MILLION

    def usd_at_most(self, counted_tokens: int, max_answer_tokens: int) -> Decimal:
        """Return the worst case of one request whose prompt we counted."""
        return self.usd(max_token_count(counted_tokens), max_answer_tokens)


def token_prices(model: str, book: PriceBook, day: date, tuned: bool = False) -> TokenPrices:
    """Look up the prices of a chat model.

    Raises:
        PricingError: the book lacks one; the message names the line to add.
    """
    kind = "tuned_" if tuned else ""
    price_in = book.prices.on(f"{model}/{kind}input", day).value
    price_out = book.prices.on(f"{model}/{kind}output", day).value
    card = book.models.get(model)
    long_from = card.long_context_from_tokens if card and not tuned else None
    if long_from is None:
        return TokenPrices(price_in, price_out)
    long_prices = [
        book.prices.on(item, day).value if book.prices.has(item) else None
        for item in (f"{model}/long_input", f"{model}/long_output")
    ]
    return TokenPrices(price_in, price_out, long_from, *long_prices)


def max_token_count(counted: int) -> int:
    """Return the most tokens that the provider may count in a text, whatever its tokenizer.

    >>> max_token_count(101)
    152
    """
    return int((counted * TOKENIZER_SLACK).to_integral_value(ROUND_UP))


@dataclass(frozen=True)
class BillPart:
    """Cost of what is still to be done for one purpose."""

    what: str
    """Arm of a pilot, `embedding`, `training` or `distil`."""
    provider: str
    requests: int
    tokens: int
    """Tokens of the prompts, or trained tokens."""
    likely: Decimal
    at_most: Decimal


@dataclass(frozen=True)
class Bill:
    """Cost of all that is still to be done."""

    parts: tuple[BillPart, ...]

    @property
    def likely(self) -> Decimal:
        """Likely total, rounded up to cents."""
        return round_up_to_cents(sum((part.likely for part in self.parts), Decimal(0)))

    @property
    def at_most(self) -> Decimal:
        """Worst-case total, rounded up to cents per provider; caps are checked against it."""
        return sum((self.at_most_for(provider) for provider in self.providers), Decimal("0.00"))

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers with at least one request."""
        return tuple(dict.fromkeys(part.provider for part in self.parts if part.requests))

    def at_most_for(self, provider: str) -> Decimal:
        """Return the worst case of one provider."""
        return round_up_to_cents(
            sum((part.at_most for part in self.parts if part.provider == provider), Decimal(0))
        )


def chat_part(
    what: str,
    provider: str,
    prices: TokenPrices,
    prompts: Sequence[int],
    answers: Sequence[int],
    max_answer_tokens: int,
) -> BillPart:
    """Estimate the cost of chat requests from the counted tokens of each prompt and likely answer.

    Retrieved passages count at their longest; *max_answer_tokens* is sent with each request.
    """
    pairs = zip(prompts, answers, strict=True)
    costs = (prices.usd(prompt, min(answer, max_answer_tokens)) for prompt, answer in pairs)
    likely = sum(costs, Decimal(0))
    at_most = sum((prices.usd_at_most(prompt, max_answer_tokens) for prompt in prompts), Decimal(0))
    return BillPart(what, provider, len(prompts), sum(prompts), likely, at_most)


def embedding_part(provider: str, usd_per_million: Decimal, counts: Sequence[int]) -> BillPart:
    """Estimate the cost of embedding texts of the given token counts."""
    likely, at_most = (
        usd_per_million * tokens / MILLION
        for tokens in (sum(counts), sum(map(max_token_count, counts)))
    )
    return BillPart("embedding", provider, len(counts), sum(counts), likely, at_most)
