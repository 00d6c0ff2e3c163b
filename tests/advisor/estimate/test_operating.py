"""Machines, retrieval and work: what the worked cases do not pin down to one sum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.decision.evaluate import EvaluatedQuestion, Question, evaluate
from advisor.errors import UnknownPrice
from advisor.estimate.costs import CostItem
from advisor.estimate.machine_hours import awake_hours, request_hours, starts_per_month
from advisor.evidence import Evidence
from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import GpuSet, ServingSetup
from advisor.gpu.serving import answer_seconds, output_tokens_per_second
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import scenario_from
from advisor.units import HOURS_PER_MONTH
from tests.support.cases import case_book

LORA = "lora:acme:meta-llama/Llama-3.2-3B:L4"
LLAMA = "open/meta-llama/Llama-3.2-3B"
GENERATION: dict[str, Any] = {
    "asked_on": "2026-11-20", "task": "generation", "horizon_months": 1,
    "limits": {"providers": ["acme"]}, "dataset": {"examples": 500},
    "traffic": {"requests_per_month": 1_000, "peak_factor": 3, "tuned_prefix_tokens": 60,
                "user_tokens": 200, "completion_tokens": 100},
}  # fmt: skip
FACTS: dict[str, Any] = {
    "asked_on": "2026-11-20", "task": "knowledge_qa", "horizon_months": 1,
    "needs": {"needs_private_knowledge": True}, "dataset": {"examples": 2_000},
    "knowledge": {"corpus_tokens": 4_000_000, "rerank": True, "retrieval_tried": True},
    "quality": {"judged_per_month": 100},
}  # fmt: skip
SMALL: dict[str, Any] = {
    "cpus": {"small": {"vcpus": 2, "memory_gib": 4}},
    "prices": {"acme/small/cpu_hour": 0.001, "acme/embed/embedding": 0.001},
}


def evaluated(
    book: PriceBook, evidence: Evidence, mapping: dict[str, Any], **sections: Any
) -> EvaluatedQuestion:
    changed = {
        name: {**mapping.get(name, {}), **value} if isinstance(value, dict) else value
        for name, value in sections.items()
    }
    return evaluate(Question(scenario_from({**mapping, **changed}), book, evidence))


def lines(found: EvaluatedQuestion, option_id: str) -> dict[str, CostItem]:
    items = {entry.option.id: entry.costs.items for entry in found.options}[option_id]
    return {item.what: item for item in items}


def l4_book(book: PriceBook, **more: float) -> PriceBook:
    return case_book({"prices": {"acme/L4/gpu_hour": 1.0, **more}}, book)


def llama_on_l4(book: PriceBook) -> ServingSetup:
    architecture = book.model(LLAMA).architecture
    assert architecture is not None
    return ServingSetup(ModelShape.of(architecture), GpuSet.of(book.gpu("L4")))


RATES = st.floats(min_value=0.1, max_value=1e8)
SECONDS = st.floats(min_value=1, max_value=4_000)


@settings(derandomize=True, deadline=None)
@given(RATES, RATES, SECONDS, SECONDS)
def test_more_requests_never_let_a_machine_sleep_more(
    one: float, other: float, on: float, cold: float
) -> None:
    few, many = sorted((one, other))

    assert awake_hours(few, on, cold) <= awake_hours(many, on, cold) * (1 + 1e-12)
    assert awake_hours(many, on, cold) <= HOURS_PER_MONTH


@settings(derandomize=True, deadline=None)
@given(RATES, RATES, st.floats(min_value=0.001, max_value=10), st.floats(min_value=0, max_value=60))
def test_more_requests_never_take_less_serverless_time(
    one: float, other: float, each: float, cold: float
) -> None:
    few, many = sorted((one, other))

    least, most = (float(request_hours(n, each, 900, cold)) for n in (few, many))
    assert least <= most * (1 + 1e-9)
    assert most * 3600 >= many * each * (1 - 1e-9)


def test_starts_are_the_gaps_longer_than_the_idle_time() -> None:
    """Counted in simulated Poisson arrivals: 20,000 a month, 60 s."""
    gaps = np.random.default_rng(3).exponential(HOURS_PER_MONTH * 3600 / 20_000, 200_000)

    assert float(starts_per_month(20_000, 60)) == pytest.approx(
        20_000 * np.mean(gaps > 60), rel=0.01
    )


def test_a_serverless_gpu_is_billed_for_answers_idle_time_and_starts(
    book: PriceBook, evidence: Evidence
) -> None:
    """An unknown seller: 300 s idle, 60 s of start. Hours = 730 (1 - e^-x) + starts x 60 / 3600."""
    priced = l4_book(book, **{"acme/L4/serverless_gpu_hour": 1.2})
    found = evaluated(priced, evidence, GENERATION)

    item = lines(found, f"{LORA}:serverless")["hosting, serverless"]

    on = 300 + float(answer_seconds(llama_on_l4(book), 260, 100))
    x = 1_000 * on / (HOURS_PER_MONTH * 3600)
    hours = HOURS_PER_MONTH * (1 - np.exp(-x)) + 1_000 * np.exp(-x) * 60 / 3600
    assert item.amount == pytest.approx(hours * 1.2, rel=1e-9)
    assert lines(found, f"{LORA}:serverless")["GPU hours of training"].rate == 1.0


def test_a_serverless_gpu_with_constant_load_costs_no_more_than_one_that_is_always_on(
    book: PriceBook, evidence: Evidence
) -> None:
    priced = l4_book(book, **{"acme/L4/serverless_gpu_hour": 1.0})
    found = evaluated(priced, evidence, GENERATION, traffic={"requests_per_month": 400_000})

    assert lines(found, f"{LORA}:serverless")["hosting, serverless"].amount == pytest.approx(730.0)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.35])
def test_head_room_is_a_share_of_what_a_machine_carries(
    book: PriceBook, evidence: Evidence, share: float
) -> None:
    traffic, hosting = {"requests_per_month": 40_000_000}, {"max_load_share": share}
    found = evaluated(l4_book(book), evidence, GENERATION, traffic=traffic, hosting=hosting)

    item = lines(found, LORA)["hosting"]

    peak = 3 * 40_000_000 * 100 / (HOURS_PER_MONTH * 3600)
    capacity = float(output_tokens_per_second(llama_on_l4(book), 260, 100))
    assert item.machines == np.ceil(peak / (capacity * share)) > 1
    assert item.quantity == item.machines * HOURS_PER_MONTH


def test_machines_of_eight_are_rented_in_eights(book: PriceBook, evidence: Evidence) -> None:
    """One copy runs on one GPU of eight; training uses four of them, and eight are paid."""
    ones = l4_book(book)
    eights = replace(ones, smallest_machines={"acme/L4": 8})
    one, eight = (evaluated(b, evidence, GENERATION) for b in (ones, eights))
    spare = evaluated(eights, evidence, GENERATION, hosting={"high_availability": True})

    assert [lines(x, LORA)["hosting"].quantity for x in (one, eight, spare)] == [730, 5840, 11680]
    single, shared = (lines(x, LORA)["GPU hours of training"].quantity for x in (one, eight))
    assert shared == pytest.approx(8 * ((single - 0.3) / 4 + 0.3))


def test_a_rented_gpu_in_a_nightly_batch_is_set_up_every_night(
    book: PriceBook, evidence: Evidence
) -> None:
    """730 / 24 nights x 0.3 h, and 10,000 x 100 tokens at full load."""
    traffic = {"requests_per_month": 10_000, "batchable_share": 1}
    found = evaluated(l4_book(book), evidence, GENERATION, traffic=traffic)

    busy = 10_000 * 100 / float(output_tokens_per_second(llama_on_l4(book), 260, 100)) / 3600
    assert lines(found, LORA)["hosting"].amount == pytest.approx(730 / 24 * 0.3 + busy)


def test_unmerged_adapters_of_many_tenants_are_slower(book: PriceBook, evidence: Evidence) -> None:
    traffic = {"requests_per_month": 60_000_000}
    one, two = (
        evaluated(l4_book(book), evidence, GENERATION, traffic=traffic, dataset={"tenants": n})
        for n in (1, 2)
    )

    alone, many = (lines(found, LORA)["hosting"].machines for found in (one, two))

    slowed = evidence.operations.shared_adapters.speed_share[1]
    peak = 3 * 60_000_000 * 100 / (HOURS_PER_MONTH * 3600)
    capacity = float(output_tokens_per_second(llama_on_l4(book), 260, 100))
    assert many == np.ceil(peak / (capacity * 0.7 * slowed)) > alone


@pytest.mark.parametrize("option", [LORA, f"{LORA}:serverless"])
@pytest.mark.parametrize("sections", [{}, {"dataset": {"tenants": 30}}, {"hosting": {"high_availability": True}}])  # fmt: skip
def test_more_traffic_never_costs_less(
    book: PriceBook, evidence: Evidence, option: str, sections: dict[str, Any]
) -> None:
    priced = l4_book(book, **{"acme/L4/serverless_gpu_hour": 1.2})
    amounts = []
    for requests in 10.0 ** np.arange(0, 9, 0.5):
        traffic = {"requests_per_month": float(requests)}
        found = evaluated(priced, evidence, GENERATION, traffic=traffic, **sections)
        amounts.append(sum(i.amount for w, i in lines(found, option).items() if "hosting" in w))

    assert amounts == sorted(amounts)
    assert amounts[0] < amounts[-1]


@pytest.mark.parametrize("providers", [["google"], ["anthropic"], ["openai", "fireworks"], ["mistral", "aws"], ["together"]])  # fmt: skip
def test_a_bill_has_no_provider_that_is_not_allowed(
    book: PriceBook, evidence: Evidence, providers: list[str]
) -> None:
    found = evaluated(case_book(SMALL, book), evidence, FACTS, limits={"providers": providers})

    items = [i for entry in found.options for i in entry.costs.items if i.price]
    sellers = {item.price.item.split("/")[0] for item in items if item.price}
    assert sellers <= {*providers, "own"}
    assert any(entry.option.approach == "rag" for entry in found.options)
    assert all(not i.price.source.startswith("own") for i in items if i.price)


def test_hours_are_on_every_bill_without_a_price(book: PriceBook, evidence: Evidence) -> None:
    found = evaluated(book, evidence, FACTS)

    for entry in found.options:
        hours = [item for item in entry.costs.items if item.what == "hours of work"]
        assert [item.amount for item in hours] == [0.0]
        assert hours[0].quantity > 0


def test_a_store_survives_the_loss_of_a_machine_where_that_is_asked_for(
    book: PriceBook, evidence: Evidence
) -> None:
    for spare, machines in ((False, 1), (True, 2)):
        priced = case_book(SMALL, book)
        found = evaluated(priced, evidence, FACTS, hosting={"high_availability": spare})
        option = next(e.option.id for e in found.options if e.option.approach == "rag")
        assert lines(found, option)["vector store on acme/small"].machines == machines


def test_a_store_that_is_not_sold_is_an_error_with_the_nearest_names(
    book: PriceBook, evidence: Evidence
) -> None:
    with pytest.raises(UnknownPrice, match="pinecone"):
        evaluated(book, evidence, FACTS, knowledge={"store": "pinecon/standard"})


def test_nothing_is_embedded_again_where_documents_do_not_change(
    book: PriceBook, evidence: Evidence
) -> None:
    found = evaluated(case_book(SMALL, book), evidence, FACTS, knowledge={"change": "static"})

    whats = {item.what for entry in found.options for item in entry.costs.items}
    assert "embedding the documents" in whats
    assert "embedding changed documents" not in whats


def test_tfidf_is_never_on_a_gpu(book: PriceBook, evidence: Evidence) -> None:
    mapping = {**GENERATION, "task": "classification", "limits": {}, "dataset": {"examples": 900}}
    found = evaluated(case_book(SMALL, book), evidence, mapping)

    baselines = [e.option for e in found.options if e.option.model == "tfidf-logreg"]
    assert baselines
    assert all(o.gpu is None and "gpu_hour" not in o.prices for o in baselines)
