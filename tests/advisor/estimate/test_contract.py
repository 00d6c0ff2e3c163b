"""Free tiers and commitments on bills: sums by hand, and what more traffic may never do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.decision.evaluate import Question, prepare
from advisor.estimate.by_month import usd_by_month
from advisor.estimate.costs import batch_costs, option_costs
from advisor.estimate.sampling import Sampling
from advisor.loading import load_evidence
from advisor.options.batch import option_batches
from advisor.prices.book import PriceBook
from advisor.prices.contract import Commitment, Contract, Discount, FreeTier
from advisor.prices.contract_sections import contracted
from advisor.prices.loader import load_prices
from advisor.prices.series import PriceTable
from advisor.scenario.scenario import scenario_from

PROMPT = "prompt:mistral:mistral-small-2603"
"""0.15 USD per 1M tokens read, 0.60 written: 100,000 requests of 150 and 100 cost 8.25."""
DAY = date(2026, 11, 20)


def question(contract: Contract, traffic: Mapping[str, Any], **more: Any) -> Question:
    sizes = {"prefix_tokens": 0, "user_tokens": 150, "completion_tokens": 100, "cache_hit_share": 0}
    scenario = scenario_from(
        {
            "asked_on": DAY.isoformat(),
            "task": "generation",
            "quality": {"held_out_examples": 0},
            "traffic": {"requests_per_month": 100_000} | sizes | dict(traffic),
            **more,
        }
    )
    return Question(scenario, book_with(contract), load_evidence())


def book_with(contract: Contract) -> PriceBook:
    book = load_prices()
    prices = contracted(book.prices.series, contract.discounts)
    return replace(book, prices=PriceTable(prices), contract=contract)


def costs(asked: Question, option_id: str = PROMPT) -> Any:
    """Return the costs of one option in the first variant."""
    context, candidates = prepare(asked, asked.scenario)
    (batch,) = option_batches([o for o in candidates.options if o.id == option_id])
    (found,) = option_costs(batch_costs(batch, context), 1)
    return found


def months(asked: Question, option_id: str = PROMPT) -> list[float]:
    """Return the USD of each month of one option."""
    context, candidates = prepare(asked, asked.scenario)
    (batch,) = option_batches([o for o in candidates.options if o.id == option_id])
    (found,) = option_costs(batch_costs(batch, context), 1)
    return [round(usd, 6) for usd in usd_by_month(batch, context, found)]


def tier(amount: float, unit: Any = "tokens", match: str = "mistral", **more: Any) -> FreeTier:
    return FreeTier(
        match=match, amount=Decimal(str(amount)), unit=unit, source="offer of spring", **more
    )


def spend(usd: float, provider: str = "mistral", **more: Any) -> Commitment:
    return Commitment(
        provider=provider, usd_per_month=Decimal(str(usd)), source="contract 1", **more
    )


def test_a_free_tier_above_the_use_leaves_nothing_to_pay_and_nothing_over() -> None:
    """25M tokens are used each month, and 30M are free."""
    found = costs(question(Contract(free_tiers=(tier(30e6),)), {}))

    assert found.monthly == 0
    assert [item.what for item in found.items if item.price] == ["input", "output"]
    assert sum(item.listed for item in found.items) == pytest.approx(8.25)


def test_a_credit_is_used_up_in_the_first_months() -> None:
    """20 USD: two months of 8.25, then 3.50 of the third."""
    asked = question(Contract(free_tiers=(tier(20, "USD", per="once"),)), {}, horizon_months=4)

    assert months(asked) == [0, 0, 4.75, 8.25]
    assert costs(asked).total == pytest.approx(4 * 8.25 - 20)


def test_a_monthly_tier_does_not_carry_over_where_traffic_grows() -> None:
    """Doubling from 25M tokens: 30M free each month, so 0, 20M, 70M tokens of 0.33 USD are paid."""
    asked = question(
        Contract(free_tiers=(tier(30e6),)), {"growth_per_month": 1.0}, horizon_months=3
    )

    assert months(asked) == [0, pytest.approx(20 * 0.33), pytest.approx(70 * 0.33)]
    assert costs(asked).total == pytest.approx(90 * 0.33)


def test_a_free_tier_that_ends_is_not_granted_later() -> None:
    """365 days are twelve of 24 months; 5M of 25M tokens are free in them."""
    free = tier(5e6, until=date(2027, 11, 19))
    asked = question(Contract(free_tiers=(free,)), {}, horizon_months=24)

    assert months(asked) == [6.6] * 12 + [8.25] * 12


def test_a_tier_begins_within_a_month() -> None:
    """Half of the first month: a fifth of the tokens is free on half of the days."""
    free = tier(5e6, since=date(2026, 12, 5), until=date(2026, 12, 5))
    asked = question(Contract(free_tiers=(free,)), {}, horizon_months=1)

    day = 12 / 365  # one day of a month
    assert costs(asked).monthly == pytest.approx(8.25 - day * 0.2 * 8.25)


def test_the_specific_tier_is_used_before_the_general_one() -> None:
    """10M written tokens are free first; of the 15M that are read 3M are left of the other."""
    general, specific = tier(3e6), tier(10e6, match="mistral/*/output")
    found = costs(question(load(general, specific), {}))

    assert {item.what: item.free for item in found.items if item.price} == {
        "input": pytest.approx(3e6),
        "output": pytest.approx(10e6),
    }
    assert found.monthly == pytest.approx(12 * 0.15)


def load(*tiers: FreeTier) -> Contract:
    from advisor.prices.contract import specificity

    ordered = sorted(tiers, key=lambda one: specificity(one.match), reverse=True)
    return Contract(free_tiers=tuple(ordered))


def test_one_off_costs_use_a_credit_first() -> None:
    """Training for 1.80 and use of 16.50 a month: 5 USD pay the training and 3.20 of the use."""
    asked = question(
        Contract(free_tiers=(tier(5, "USD", "openai", per="once"),)),
        {},
        dataset={"examples": 800},
        organisation={"openai": "active"},
        horizon_months=1,
        retrain_every_months=12,
    )

    found = costs(asked, "ft_api:openai:gpt-4o-mini")

    assert found.one_off == 0
    assert found.monthly == pytest.approx(16.50 - (5 - 1.80))


def test_a_commitment_is_paid_at_most_once_a_month() -> None:
    """Doubling from 8.25 with 20 committed: 20, 20, then what is used."""
    asked = question(
        Contract(commitments=(spend(20),)), {"growth_per_month": 1.0}, horizon_months=3
    )

    assert months(asked) == [20, 20, 33]
    assert costs(asked).total == pytest.approx(73)


def test_a_commitment_is_due_while_a_credit_pays_for_the_use() -> None:
    """20 USD of credit pay 8.25, 8.25 and 3.50 of three months; of 5 committed 0.25 is unused."""
    contract = Contract(free_tiers=(tier(20, "USD", per="once"),), commitments=(spend(5),))

    assert months(question(contract, {}, horizon_months=4)) == [5, 5, 5, 8.25]


def test_a_discount_that_ends_meets_a_free_tier() -> None:
    """A fifth of the tokens is free; of the rest 80% is paid for a year, then all of it."""
    discount = Discount(
        match="mistral", share=Decimal("0.2"), until=date(2027, 11, 19), source="order form 7"
    )
    contract = Contract(discounts=(discount,), free_tiers=(tier(5e6),))

    found = months(question(contract, {}, horizon_months=24))

    assert found == [round(8.25 * 0.8 * 0.8, 6)] * 12 + [round(8.25 * 0.8, 6)] * 12


def test_committed_units_are_due_at_the_discounted_price() -> None:
    """15M tokens are read and 25M committed, at 0.15 less 30%; what is written costs 6.00."""
    term = Commitment(
        match="mistral/*/input", units=Decimal(25_000_000), discount=Decimal("0.3"), source="deal 9"
    )

    found = costs(question(Contract(commitments=(term,)), {}))

    assert found.monthly == pytest.approx(25 * 0.15 * 0.7 + 6.00)


def test_one_off_costs_count_towards_the_commitment_of_the_first_month() -> None:
    """Training for 1.80 and use of 16.50, of 30 committed: 11.70 is unused."""
    asked = question(
        Contract(commitments=(spend(30, "openai"),)),
        {},
        dataset={"examples": 800},
        organisation={"openai": "active"},
        horizon_months=1,
        retrain_every_months=12,
    )

    found = costs(asked, "ft_api:openai:gpt-4o-mini")

    unused = next(item for item in found.items if item.what == "unused commitment")
    assert unused.amount == pytest.approx(11.70)
    assert (unused.listed, unused.contracted, unused.own_source) == (0, 0, "contract 1")
    assert found.total == pytest.approx(30)


def test_an_option_elsewhere_does_not_pay_a_commitment() -> None:
    plain, committed = (
        costs(question(contract, {}), "prompt:openai:gpt-5.4-mini").total
        for contract in (Contract(), Contract(commitments=(spend(20),)))
    )

    assert committed == plain


def test_terms_that_match_no_price_leave_every_figure_as_it_is() -> None:
    """The months are added up one by one under a contract, and must come to the same sums."""
    elsewhere = Contract(free_tiers=(tier(1e-6),))
    for traffic in ({}, {"growth_per_month": 0.1}):
        plain, tiny = (costs(question(c, traffic)) for c in (Contract(), elsewhere))

        assert tiny.monthly == pytest.approx(plain.monthly, rel=1e-9)
        assert {item.what for item in tiny.items} == {item.what for item in plain.items}


def test_list_contracted_and_effective_cost_are_ordered() -> None:
    contract = Contract(
        discounts=(Discount(match="mistral", share=Decimal("0.2"), source="order form 7"),),
        free_tiers=(tier(5e6),),
    )

    items = [item for item in costs(question(contract, {})).items if item.price]

    assert len(items) == 2
    assert all(item.listed > item.contracted > item.amount > 0 for item in items)


UNITS = {"tokens": 1e7, "requests": 1e5, "USD": 30.0}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """A contract with any of: a discount, two free tiers, a commitment."""
    matches = ("mistral", "mistral/mistral-small-2603", "mistral/*/output", "mistral/*/*input")
    tiers = []
    for _ in range(draw(st.integers(0, 2))):
        unit = draw(st.sampled_from(sorted(UNITS)))
        amount = UNITS[unit] * draw(st.floats(0.01, 3))
        ends = draw(st.sampled_from((None, date(2027, 1, 15), date(2027, 7, 1))))
        per = draw(st.sampled_from(("month", "once")))
        tiers.append(tier(amount, unit, draw(st.sampled_from(matches)), per=per, until=ends))
    share = Decimal(str(round(draw(st.floats(0, 0.9)), 3)))
    commitments = [spend(draw(st.floats(0.1, 60)), discount=share)] * draw(st.integers(0, 1))
    discount = Discount(match=draw(st.sampled_from(matches)), share=share, source="order form 7")
    discounts = (discount,) if draw(st.booleans()) else ()
    return Contract(discounts, load(*tiers).free_tiers, tuple(commitments))


def totals(
    contract: Contract, requests: list[float], kind: Any, share: float
) -> dict[str, np.ndarray]:
    """Total cost of every option at several numbers of requests: [variants, draws] by id."""
    asked = question(contract, {"batchable_share": share, "growth_per_month": 0.05})
    context, candidates = prepare(asked, asked.scenario)
    inputs = context.resolved.at({"traffic.requests_per_month": np.array(requests)})
    context = replace(context, inputs=inputs, sampling=Sampling(kind))
    batches = option_batches([o for o in candidates.options if o.provider == "mistral"])
    found: dict[str, np.ndarray] = {}
    for batch in batches:
        found |= zip(batch.ids, np.asarray(batch_costs(batch, context).total), strict=True)
    return found


@cache
def list_totals(requests: tuple[float, ...], share: float) -> dict[str, np.ndarray]:
    return totals(Contract(), list(requests), "likely", share)


REQUESTS = tuple(np.geomspace(10, 3e7, 60).tolist())


@settings(max_examples=60, deadline=None)
@given(contract=contracts(), kind=st.sampled_from(("likely", "draws")))
def test_more_traffic_never_costs_less(contract: Contract, kind: Any) -> None:
    for total in totals(contract, list(REQUESTS), kind, 0.0).values():
        assert (np.diff(total, axis=0) >= -1e-9 * np.abs(total[1:])).all()


@settings(max_examples=60, deadline=None)
@given(contract=contracts(), share=st.sampled_from((0.0, 0.5)))
def test_only_a_commitment_costs_more_than_the_list(contract: Contract, share: float) -> None:
    """Discounts and free tiers never make an option more expensive, and no cost is below zero."""
    without = replace(contract, commitments=())
    found = totals(without, list(REQUESTS), "likely", share)
    listed = list_totals(REQUESTS, share)
    committed = sum(float(term.usd_per_month or 0) for term in contract.commitments)
    with_commitment = totals(contract, list(REQUESTS), "likely", share)
    for option_id in found.keys() & listed.keys():
        total = found[option_id]
        assert (total >= 0).all()
        assert (total <= listed[option_id] * (1 + 1e-9)).all()
        assert (with_commitment[option_id] <= total + 12 * committed + 1e-6).all()
