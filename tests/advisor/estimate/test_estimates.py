"""Worked scenarios and published measurements, through the quantities themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.decision.answer import recommend
from advisor.decision.break_even import break_even_requests
from advisor.decision.evaluate import prepare
from advisor.estimate.costs import PERCENTILE_SHARES, batch_costs, option_costs, percentile_range
from advisor.estimate.sampling import LIKELY, WORST_CASE, Sampling
from advisor.estimate.tokens import (
    effective_hit_share,
    evaluated_tokens,
    hit_share_from_arrivals,
    trained_tokens,
)
from advisor.gpu.memory import allocated_bytes, peak_process_bytes, weights_bytes
from advisor.gpu.parameters import ModelShape, lora_parameters
from advisor.gpu.serving import mean_output_tokens_per_second, replicas_needed
from advisor.gpu.training_setup import TrainingSetup
from advisor.gpu.training_time import energy_kwh
from advisor.loading import example_question
from advisor.options.batch import option_batches
from advisor.prices.book import PriceBook
from advisor.scenario.paths import with_paths
from advisor.units import GIB, HOURS_PER_MONTH, WEEKS_PER_MONTH, usd


def shape(book: PriceBook, name: str) -> ModelShape:
    architecture = book.model(f"open/{name}").architecture
    assert architecture is not None
    return ModelShape.of(architecture)


def test_an_h100_that_never_sleeps_pays_from_a_million_requests_a_month() -> None:
    """1,800 tokens in at 1 USD and 200 out at 5 USD a million, against 730 h at 3.99."""
    hosted = HOURS_PER_MONTH * 3.99
    per_request = (1800 * 1.0 + 200 * 5.0) / 1e6

    assert usd(hosted) == "2912.70"
    assert break_even_requests(hosted, per_request) == 1_040_250


@pytest.mark.parametrize(("peak", "gpus"), [(9, 1), (10, 2)])
def test_one_gpu_carries_nine_times_the_mean_and_not_ten(peak: int, gpus: int) -> None:
    mean = mean_output_tokens_per_second(2_000_000, 200)

    assert replicas_needed(mean * peak, 1500) == gpus
    assert usd(float(gpus * HOURS_PER_MONTH * 3.99)) == {1: "2912.70", 2: "5825.40"}[gpus]


def test_a_weekly_retrained_model_costs_more_than_retrieval() -> None:
    """8M tokens x 3 epochs x 3 USD a million, once a week, and answers at 0.30 and 1.20."""
    training = float(trained_tokens(8_000_000, 3)) * 3 / 1e6
    monthly = training * 730 / 168
    answers = 90_000 * (40 * 0.30 + 50 * 1.20) / 1e6

    assert WEEKS_PER_MONTH == 730 / 168
    assert [usd(x) for x in (training, monthly, answers, monthly + answers)] == [
        "72.00", "312.86", "6.48", "319.34"]  # fmt: skip


def test_an_own_rtx_4090_trains_a_7b_within_two_hours_for_cents() -> None:
    hours = [10_500_000 / speed / 3600 for speed in (4000, 1500)]

    assert [f"{h:.2f}" for h in hours] == ["0.73", "1.94"]
    assert [usd(float(energy_kwh(h, 450)) * 0.30) for h in hours] == ["0.10", "0.26"]
    assert [usd(h * 0.74) for h in hours] == ["0.54", "1.44"]


def test_weights_of_quantised_and_plain_models_are_those_published(book: PriceBook) -> None:
    qwen, llama = shape(book, "Qwen/Qwen2.5-7B"), shape(book, "meta-llama/Llama-3.1-8B")

    assert f"{weights_bytes(qwen, 'qlora') / GIB:.2f}" == "5.17"
    assert f"{weights_bytes(qwen, 'lora') / GIB:.2f}" == "14.19"
    assert f"{weights_bytes(llama, 'qlora') / GIB:.2f}" == "5.31"
    assert f"{weights_bytes(llama, 'qlora', double_quantised=False) / GIB:.2f}" == "5.61"


def test_an_8b_adapter_run_fits_24_gib_as_measured(book: PriceBook) -> None:
    """Measured 19.14 GiB allocated, rank 16, 2,048 tokens, with a head that holds all logits.

    14 bytes for each of 2,048 x 128,256 logits are 3.4 GiB, which our fused head does not take.
    """
    llama = shape(book, "meta-llama/Llama-3.1-8B")
    logits = 14 * 2048 * 128_256 / GIB

    ours = float(allocated_bytes(llama, TrainingSetup("lora", 2048, rank=16))) / GIB

    assert ours + logits == pytest.approx(19.14, rel=0.08)
    assert float(peak_process_bytes(llama, "lora", 16, 2048)) < 24 * GIB


def test_adapters_have_the_trained_weights_that_peft_reports(book: PriceBook) -> None:
    """peft, Llama-3.2-3B, rank 32 on q and v: 9,175,040; the same sum over those two matrices."""
    llama = shape(book, "meta-llama/Llama-3.2-3B")
    q_and_v = 28 * 32 * ((3072 + 3072) + (3072 + 1024))

    assert q_and_v == 9_175_040
    assert lora_parameters(llama, 32) > q_and_v


def test_padding_is_billed_and_evaluations_are_not_padded() -> None:
    packed, padded = trained_tokens(50_000 * 900, 3), 50_000 * 4096 * 3
    evaluated = evaluated_tokens(5, 2500, 900)

    bills = [usd(float(tokens) * 0.48 / 1e6) for tokens in (packed, padded, evaluated)]
    assert bills == ["64.80", "294.91", "5.40"]
    assert usd(float(packed + evaluated) * 0.48 / 1e6) == "70.20"
    assert usd(float(padded + evaluated) * 0.48 / 1e6) == "300.31"


def test_cost_per_correct_answer_can_turn_the_order_round() -> None:
    assert (usd(300 / 0.92), usd(288 / 0.86)) == ("326.09", "334.88")


def test_one_call_in_a_quarter_of_an_hour_finds_little_in_the_cache() -> None:
    minutes_between = 730 * 60 / 3000

    assert f"{minutes_between:.1f}" == "14.6"
    assert 0.2 < float(hit_share_from_arrivals(3000, 300)) < 0.35


COUNTS = st.floats(min_value=1, max_value=1e7)


@settings(derandomize=True, deadline=None)
@given(COUNTS, COUNTS)
def test_more_requests_never_hit_the_cache_less(one: float, other: float) -> None:
    few, many = sorted((one, other))

    assert hit_share_from_arrivals(few, 300) <= hit_share_from_arrivals(many, 300)
    assert effective_hit_share(0.9, few, 1024) <= effective_hit_share(0.9, many, 1024)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.floats(min_value=16, max_value=30_000), min_size=2, max_size=6))
def test_an_array_is_the_same_sum_many_times(tokens: list[float]) -> None:
    llama = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)

    together = peak_process_bytes(llama, "qlora", 16, np.array(tokens))

    alone = [float(peak_process_bytes(llama, "qlora", 16, t)) for t in tokens]
    assert np.asarray(together).tolist() == alone
    assert sorted(alone) == [alone[i] for i in np.argsort(tokens, kind="stable")]


def test_an_hour_at_a_provider_carries_no_more_than_a_gpu_does() -> None:
    """Three hundred million answers a month do not fit one rented GPU, whoever rents it out."""
    question = replace(example_question("brand-voice"), with_sensitivity=False)
    hours: dict[str, list[float]] = {}
    for requests in (1_000, 300_000_000):
        scenario = with_paths(question.scenario, {"traffic.requests_per_month": requests})
        for option in recommend(replace(question, scenario=scenario)).options:
            if option.id.startswith("managed_lora:together"):
                line = next(line for line in option.bill if line.item.startswith("hosting"))
                hours.setdefault(option.id, []).append(float(line.quantity))

    assert hours
    assert all(few in {730.0, 1460.0} and many > few for few, many in hours.values())


@pytest.mark.parametrize(
    "sampling", [LIKELY, WORST_CASE, Sampling("draws", seed=1)], ids=lambda p: p.kind
)
@pytest.mark.parametrize("name", ["email-triage", "policy-faq"])
def test_options_side_by_side_cost_what_each_costs_alone(name: str, sampling: Sampling) -> None:
    """What one option has and its neighbour has not, such as a cache, does not spill over."""
    question = example_question(name)
    context, candidates = prepare(question, question.scenario)
    together, alone = {}, {}
    for found, batches in (
        (together, candidates.batches[:-1]), (alone, [one for o in candidates.options for one in option_batches([o])])
    ):  # fmt: skip
        for batch in batches:
            cost = batch_costs(batch, replace(context, sampling=sampling))
            found.update(zip(batch.ids, option_costs(cost, len(batch.options)), strict=True))

    assert together == alone
    assert set(together) == {option.id for option in candidates.options}
    assert sum(len(account.items) for account in together.values()) > 200


def test_percentiles_are_those_of_numpy_to_the_last_bit() -> None:
    draws = np.random.default_rng(5).lognormal(size=(40, 256))

    assert np.array_equal(percentile_range(draws), np.quantile(draws, PERCENTILE_SHARES, axis=-1))
