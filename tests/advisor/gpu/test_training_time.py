"""Seconds of a training step: what the formulas say, and how far they are from published runs."""

from __future__ import annotations

from statistics import mean, median

import numpy as np
import pytest

from advisor.estimate.tokens import longest_of_batch
from advisor.gpu.flops import attention_flops, head_flops, matmul_flops
from advisor.gpu.parameters import ModelShape
from advisor.gpu.throughput import CPU, TIME_RANGE, prior_speeds
from advisor.gpu.training_setup import TrainingSetup
from advisor.gpu.training_time import busy_share, energy_kwh, mean_watts, step_seconds
from advisor.prices.book import PriceBook
from benchmarks.time_fit import fit_constants, start_values
from benchmarks.time_rows import TimingCase, cases_of
from benchmarks.train_time import score_line, score_rows, with_past_run

LLAMA = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)
LORA = TrainingSetup("lora", 4096.0, 1024.0)


@pytest.fixture(scope="module")
def cases() -> list[TimingCase]:
    return cases_of(None)[0]


def seconds(book: PriceBook, gpu: str, setup: TrainingSetup, micro_batches: float = 4.0) -> float:
    return float(step_seconds(LLAMA, setup, prior_speeds(gpu, book.gpu(gpu)), micro_batches))


def test_published_runs_of_other_gpus_lie_in_the_range(cases: list[TimingCase]) -> None:
    tested = [one for one in cases if one.part == "test" and not one.other_kernels]
    found = score_rows(tested)

    assert len(found) == 80
    assert 0.85 <= mean(one.low <= one.measured <= one.high for one in found) <= 0.97
    assert median(one.high / one.low for one in found) <= 3
    assert mean(abs(one.off) for one in found) < 0.25


def test_nine_of_ten_rows_that_the_rules_leave_are_scored() -> None:
    found, out = cases_of(None)
    cannot = sum(count for why, count in out.items() if why.startswith("cannot"))

    assert sum(out.values()) + len(found) == 494
    assert len(found) / (len(found) + cannot) >= 0.85


def test_a_past_run_of_the_host_is_not_scored_and_moves_the_others(cases: list[TimingCase]) -> None:
    tuned = [one for one in cases if one.row["source"] == "torchtune-readme-ablation"]

    assert len(with_past_run(tuned)) == len(tuned) - 3  # one each of full, lora and qlora
    assert "torchtune" not in score_line(score_rows(tuned))


def test_the_constants_in_the_code_are_those_that_fit(cases: list[TimingCase]) -> None:
    rows = [case for case in cases if case.part == "fit" and not case.other_kernels]
    in_code = start_values()

    fitted = fit_constants(rows)

    np.testing.assert_allclose(fitted, in_code, atol=0.2)
    np.testing.assert_array_equal(start_values(), in_code)  # the engine has its own values again


def test_a_lora_step_takes_two_thirds_of_the_flops_of_full_tuning() -> None:
    setups = [LORA.with_changes(method=method, checkpointing=False, head="all")
              for method in ("full", "lora")]  # fmt: skip
    parts = (matmul_flops, head_flops, attention_flops)

    full, lora = (sum(float(part(LLAMA, setup)) for part in parts) for setup in setups)

    assert 0.66 < lora / full < 0.70


def test_what_costs_more_takes_longer(book: PriceBook) -> None:
    once = seconds(book, "L40S", LORA)

    assert seconds(book, "L40S", LORA.with_changes(checkpointing=False)) < once
    assert seconds(book, "L40S", LORA.with_changes(method="qlora")) > once
    assert seconds(book, "L40S", LORA.with_changes(objective="dpo")) > 2 * once
    assert seconds(book, "L40S", LORA.with_changes(attention="eager")) > once
    assert seconds(book, "T4", LORA) > 4 * once
    assert seconds(book, "H100_SXM", LORA) < once


def test_a_tiny_batch_waits_for_the_host(book: PriceBook) -> None:
    speeds = prior_speeds("H100_SXM", book.gpu("H100_SXM"))
    tiny = LORA.with_changes(tokens=32.0, longest=32.0)

    assert float(busy_share(LLAMA, tiny, speeds)) < 0.3
    assert float(busy_share(LLAMA, LORA.with_changes(tokens=32768.0), speeds)) > 0.95
    one, two = (
        seconds(book, "H100_SXM", tiny.with_changes(tokens=tokens)) for tokens in (32.0, 64.0)
    )
    assert two < 1.1 * one


def test_a_gpu_without_bf16_is_reckoned_in_fp16(book: PriceBook) -> None:
    assert book.gpu("T4").bf16_tflops is None
    assert prior_speeds("T4", book.gpu("T4")).matmul == pytest.approx(0.24 * 65e12)


def test_options_side_by_side_come_out_as_each_alone(book: PriceBook) -> None:
    both = [prior_speeds(name, book.gpu(name)) for name in ("A100_80GB_SXM", "RTX_4090")]
    columns = type(both[0])(*(np.array(one)[:, None] for one in zip(*both, strict=True)))
    tokens = np.array([[512.0, 4096.0]])

    found = step_seconds(LLAMA, LORA.with_changes(tokens=tokens, longest=tokens / 4), columns, 4.0)

    assert np.shape(found) == (2, 2)
    alone = step_seconds(LLAMA, LORA.with_changes(tokens=512.0, longest=128.0), both[1], 4.0)
    assert np.asarray(found)[1, 0] == pytest.approx(float(alone))


def test_sharding_over_a_slow_link_takes_longer_than_a_copy_each(book: PriceBook) -> None:
    apart = LORA.with_changes(sharding="ddp", gpus=2.0)

    assert seconds(book, "RTX_4090", apart.with_changes(sharding="zero3")) > seconds(
        book, "RTX_4090", apart
    )


def test_on_a_cpu_everything_takes_its_turn() -> None:
    tiny = ModelShape(2, 64, 128, 4, 2, 16, 512, True, 100_000)
    setup = TrainingSetup("full", 64.0, 64.0, weight_bytes=4.0)
    slower = CPU._replace(launch_seconds=CPU.launch_seconds + 1.0)

    gap = step_seconds(tiny, setup, slower) - step_seconds(tiny, setup, CPU)
    assert float(gap) == pytest.approx(2 * (3 + 1 + 0.5))


def test_rows_of_one_length_are_not_padded() -> None:
    assert longest_of_batch(np.full(9, 70), 4) == pytest.approx(70)
    assert longest_of_batch(np.array([10, 20, 30]), 1) == pytest.approx(20)


def test_energy_counts_the_machine_and_what_waits() -> None:
    assert float(mean_watts(700.0, 0.0)) == pytest.approx(420)
    assert float(energy_kwh(2.0, mean_watts(700.0, 1.0))) == pytest.approx(1.512)


def test_the_range_is_at_most_three_times_wide() -> None:
    assert TIME_RANGE[2] / TIME_RANGE[0] <= 3
