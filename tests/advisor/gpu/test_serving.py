"""Serving speeds: measured rows, limits that hold whatever the constants, and the benchmark's rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import UsageError
from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import (
    GpuSet,
    ServingSetup,
    concurrency_bound,
    decode_step_seconds,
    prefill_seconds,
    served_weight_bytes,
    weight_bytes_read,
)
from advisor.gpu.serving import (
    answer_seconds,
    gpus_per_copy,
    output_range,
    output_tokens_per_second,
    usd_per_million_tokens,
    with_adapters,
)
from advisor.gpu.serving_engines import (
    ENGINES,
    NEWEST_ENGINE,
    PRECISIONS,
    engine_named,
    precision_named,
)
from advisor.prices.book import PriceBook
from advisor.units import GIB
from benchmarks.rows import read_rows
from benchmarks.serving import main
from benchmarks.serving_fit import LLAMA, fit_constants
from benchmarks.serving_rows import (
    DATA_FILE,
    NEEDED,
    cases_of,
    exclusion_reason,
    serving_case,
    unscored_reason,
)

LLAMA_8B = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)
A100 = GpuSet(40 * GIB, 1.555e12, 312.0, link=3e11)
ON_A100 = ServingSetup(LLAMA_8B, A100)
DATA = Path("benchmarks/data") / DATA_FILE


def mixtral(book: PriceBook) -> ModelShape:
    architecture = book.model("open/mistralai/Mixtral-8x7B-v0.1").architecture
    assert architecture is not None
    return ModelShape.of(architecture)


def test_a_stream_and_eight_of_them_are_as_fast_as_was_measured_on_an_a100() -> None:
    """vLLM 0.23, 1,024 tokens in and 128 out: 75 tokens a second for one, 495 for eight."""
    one = 1 / float(decode_step_seconds(ON_A100, 1.0, 1088.0))
    eight = float(output_tokens_per_second(ON_A100, 1024, 128, 8))

    assert one == pytest.approx(75, rel=0.1)
    assert eight == pytest.approx(495, rel=0.15)


def test_a_long_prompt_is_read_in_three_seconds_as_measured() -> None:
    """28,650 tokens, Llama-3.1-8B on A100: 2.8 to 3.2 s until the first token."""
    assert 2.7 < float(prefill_seconds(ON_A100, 28_650)) < 3.3


def test_as_many_sequences_run_as_memory_holds_beside_the_weights() -> None:
    room = 0.9 * 40 * GIB - 2 * 8030261248

    assert float(concurrency_bound(ON_A100, 28_906)) == pytest.approx(room / (131_072 * 28_906))
    assert float(concurrency_bound(ON_A100, 300)) == NEWEST_ENGINE.max_sequences


COUNTS = st.floats(min_value=1, max_value=256)


@settings(derandomize=True, deadline=None)
@given(COUNTS, COUNTS)
def test_more_requests_at_once_never_make_fewer_tokens_a_second(one: float, other: float) -> None:
    few, many = sorted((one, other))

    slow, fast = (float(output_tokens_per_second(ON_A100, 300, 200, n)) for n in (few, many))

    assert slow <= fast * (1 + 1e-9)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(min_value=1, max_value=30_000), min_size=1, max_size=5))
def test_an_array_of_prompts_is_the_same_sum_many_times(prompts: list[float]) -> None:
    together = output_tokens_per_second(ON_A100, np.array(prompts), 200)

    alone = [float(output_tokens_per_second(ON_A100, prompt, 200)) for prompt in prompts]
    assert np.asarray(together).tolist() == pytest.approx(alone, rel=1e-12)


def test_one_token_reads_two_experts_and_many_read_all(book: PriceBook) -> None:
    serving = ServingSetup(mixtral(book), A100)

    one, many = (float(weight_bytes_read(serving, batch)) for batch in (1.0, 256.0))

    assert one == pytest.approx(2 * 12.7e9, rel=0.02)
    assert many == pytest.approx(float(served_weight_bytes(serving)), rel=0.01)


def test_two_gpus_are_faster_than_one_and_slower_than_twice() -> None:
    one = float(output_tokens_per_second(ON_A100, 300, 200, 64))
    linked = float(output_tokens_per_second(ServingSetup(LLAMA_8B, A100._replace(gpu_count=2.0)),
                                            300, 200, 64))  # fmt: skip
    apart = float(output_tokens_per_second(
        ServingSetup(LLAMA_8B, A100._replace(gpu_count=2.0, link=12e9)), 300, 200, 64
    ))  # fmt: skip

    assert one < linked < 2 * one
    assert apart < linked


def test_quantised_weights_are_smaller_and_multiplied_natively_where_the_gpu_can() -> None:
    packed = ON_A100._replace(precision=PRECISIONS["fp8"], engine=ENGINES["vllm-2025"])
    on_h100 = packed._replace(cards=A100._replace(compute_capability=9.0))

    assert float(served_weight_bytes(packed)) < 0.6 * float(served_weight_bytes(ON_A100))
    assert float(prefill_seconds(on_h100, 4096)) < 0.6 * float(prefill_seconds(packed, 4096))


def test_a_range_goes_up_and_is_wider_for_an_engine_without_rows() -> None:
    widths = {}
    for name in ("vllm-2026", "tensorrt-llm-2025"):
        low, likely, high = output_range(ON_A100._replace(engine=ENGINES[name]), 300, 200, 8)
        assert float(low) < float(likely) < float(high)
        widths[name] = float(high) / float(low)

    assert widths["tensorrt-llm-2025"] > 1.2 * widths["vllm-2026"]


def test_newer_engines_are_faster_on_the_same_gpu() -> None:
    old, new = (
        float(output_tokens_per_second(ON_A100._replace(engine=ENGINES[name]), 265, 188, 8))
        for name in ("vllm-2025", "vllm-2026")
    )

    assert 1.1 < new / old < 1.5


def test_adapters_that_are_not_merged_cost_what_was_measured() -> None:
    """vLLM pull request 11267: 2,694 tokens a second without, 1,788 with one adapter."""
    old = ENGINES["servers-2024"]

    assert float(with_adapters(2694.0, 1.0, old)) == pytest.approx(1788, rel=0.01)
    assert float(with_adapters(2694.0, 0.0, old)) == 2694.0


def test_an_idle_gpu_costs_as_much_as_a_busy_one() -> None:
    speed = output_tokens_per_second(ON_A100, 300, 200)

    costs = usd_per_million_tokens(1.79, speed, np.array([0.05, 0.5]))

    assert np.asarray(costs)[0] == pytest.approx(10 * np.asarray(costs)[1])


def test_a_copy_takes_room_for_its_longest_request_too() -> None:
    short, long = (int(gpus_per_copy(LLAMA_8B, 24 * GIB, live)) for live in (500, 120_000))

    assert (short, long) == (1, 2)
    assert int(gpus_per_copy(LLAMA_8B, 24 * GIB, 120_000, PRECISIONS["w4a16"])) == 1


def test_an_answer_takes_its_prompt_and_a_step_for_each_token() -> None:
    one, ten = (float(answer_seconds(ON_A100, 300, tokens)) for tokens in (1, 10))

    assert ten - one == pytest.approx(9 * float(decode_step_seconds(ON_A100, 1.0, 305.0)), rel=0.01)


@pytest.mark.parametrize("named", [engine_named, precision_named])
def test_an_unknown_name_is_refused_with_those_there_are(named: object) -> None:
    assert callable(named)
    with pytest.raises(UsageError, match=r"Known: |Did you mean"):
        named("zzz")


def test_rows_are_left_out_by_the_rules_alone_and_most_others_are_scored(book: PriceBook) -> None:
    rows = read_rows(DATA, NEEDED, DATA_FILE)
    out = {row["id"]: why for row in rows if (why := exclusion_reason(row))}
    rest = [row for row in rows if row["id"] not in out]

    scored = [serving_case(row, book) for row in rest if not unscored_reason(row, book)]

    assert set(out.values()) == {"confidence D", "no speed measured"}
    assert len(scored) >= 0.85 * len(rest)
    assert {one.row["gpu"] for one in scored if one.part == "fit"} >= {"Tesla T4", "A100 80GB"}
    assert not any("4090" in one.row["gpu"] for one in scored if one.part == "fit")


def test_the_constants_are_those_that_the_fit_finds() -> None:
    cases, _ = cases_of(None)
    rows = [one for one in cases if one.engine.name == "llama.cpp-2024" and one.part == "fit"]

    _, values = fit_constants(rows, LLAMA)

    engine = ENGINES["llama.cpp-2024"]
    assert values == pytest.approx([engine.step_seconds, engine.bandwidth_share], rel=0.01)


def test_within_a_generation_rows_that_were_fitted_on_are_met_within_a_tenth() -> None:
    cases, _ = cases_of(None)
    for name in ("vllm-2025", "vllm-2026", "sglang-2026", "servers-2024", "eager-2024"):
        off = [abs(one.estimated / one.measured - 1) for one in cases
               if one.engine.name == name and one.part == "fit"]  # fmt: skip
        assert off
        assert np.mean(off) < 0.10


def test_the_table_counts_fitted_and_tested_rows_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["serving", str(DATA)])
    main()
    lines = capsys.readouterr().out.splitlines()

    assert any(line.startswith("vllm-2025          fit ") for line in lines)
    assert any(line.startswith("vllm-2025          test ") for line in lines)
    assert any("rule: confidence D" in line for line in lines)


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,source\n1,here\n")

    with pytest.raises(SystemExit, match="missing column date, engine, model"):
        cases_of(str(tmp_path / "rows.csv"))
