"""Token prices, and the worst case of a request."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from advisor.prices.loader import load_prices
from tests.support.pilots import TOKENS, make_case
from trainer.paid_calls.cost import TokenPrices, chat_part, max_token_count, token_prices
from trainer.pilot.prompts import Prompts, tokens_of


def test_the_dear_end_covers_every_request_at_its_longest() -> None:
    prices = TokenPrices(Decimal(2), Decimal(8))
    case = make_case(1, question="word " * 500)
    counted = tokens_of([Prompts("").messages("zero_shot", case)], TOKENS)[0]

    part = chat_part("zero_shot", "own", prices, [counted] * 3, [1] * 3, 50)

    assert part.at_most == 3 * prices.usd(max_token_count(counted), 50)
    assert part.likely < part.at_most
    assert counted > 500


def test_a_long_prompt_is_reckoned_at_the_long_rates() -> None:
    book, day = load_prices(), date(2026, 11, 20)
    named = next(card.id for card in book.models.values() if card.long_context_from_tokens
                 and book.prices.has(f"{card.id}/long_input"))  # fmt: skip

    prices = token_prices(named, book, day)

    edge = int(prices.long_from or 0)
    assert prices.usd(edge + 1, 0) / (edge + 1) > prices.usd(edge, 0) / edge
