"""Which GPUs are chosen for a training and for traffic, and why others are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from advisor.cli.gpus import GpuFlags, select_gpus, show_gpus
from advisor.decision.evaluate import prepare
from advisor.errors import UsageError
from advisor.estimate.gpu_choice import (
    GpuChoice,
    ServingWorkload,
    TrainingWorkload,
    cheapest,
    fastest,
    fastest_within_budget,
    serving_choices,
    serving_workload,
    training_choices,
    training_workload,
)
from advisor.gpu.serving_engines import PRECISIONS
from advisor.gpu.training_setup import TrainingSetup
from advisor.loading import example_question
from advisor.options.eligibility import eligibility_key
from advisor.options.machines import AvailableGpu, available_gpus
from advisor.options.option import RuledOutOption
from advisor.prices.book import PriceBook
from advisor.prices.series import Price
from advisor.scenario.paths import with_paths

QWEN, LLAMA = "open/Qwen/Qwen3-8B", "open/meta-llama/Llama-3.3-70B"


def machine(
    book: PriceBook, gpu: str, usd: str = "1.00", most: int = 8, own: bool = False
) -> AvailableGpu:
    price = Price(
        item=f"cloud/{gpu}/gpu_hour", unit="USD/GPU hour", value=Decimal(usd),
        since=date(2026, 11, 1), source="a test", read_on=date(2026, 11, 1), confidence="high",
        note=None, next_change=None,
    )  # fmt: skip
    return AvailableGpu(book.gpu(gpu), "own" if own else "cloud", price, own, most)


def training(
    book: PriceBook, base: str = QWEN, method: str = "lora", row: float = 1000.0
) -> TrainingWorkload:
    setup = TrainingSetup(method, 4 * row, row)  # type: ignore[arg-type]
    return TrainingWorkload(book.model(base), setup, 1e7, row, 4.0)


def split(
    found: Iterable[GpuChoice | RuledOutOption],
) -> tuple[list[GpuChoice], list[RuledOutOption]]:
    every = list(found)
    return ([one for one in every if isinstance(one, GpuChoice)],
            [one for one in every if isinstance(one, RuledOutOption)])  # fmt: skip


def test_a_gpu_without_bf16_is_never_chosen_to_train(book: PriceBook) -> None:
    chosen, out = split(training_choices(training(book), [machine(book, "T4", "0.01")]))

    assert not chosen
    assert [(one.rule, one.id) for one in out] == [("dtype", "gpu:cloud:Qwen/Qwen3-8B:T4")]
    assert cheapest(chosen) is None


def test_a_licence_that_was_not_named_rules_every_gpu_out(book: PriceBook) -> None:
    machines = [machine(book, "H100_SXM"), machine(book, "RTX_4090")]
    chosen, out = split(training_choices(training(book, LLAMA, "qlora"), machines, ["apache-2.0"]))

    assert not chosen
    assert {one.rule for one in out} == {"licence"}
    assert "allowed: apache-2.0" in out[0].says
    assert split(training_choices(training(book), machines, ["apache-2.0"]))[0]


def test_a_training_that_does_not_fit_one_gpu_is_shared_out_over_several(book: PriceBook) -> None:
    full = training(book, QWEN, "full")
    small, _ = split(training_choices(full, [machine(book, "RTX_4090")]))
    large, _ = split(training_choices(full, [machine(book, "A100_80GB_SXM")]))

    assert min(one.count for one in small) > 1
    assert min(one.count for one in large) == 1
    assert all(one.memory_bytes <= one.machine.gpu.memory_bytes for one in small + large)


def test_a_training_that_fits_nowhere_says_what_it_needs(book: PriceBook) -> None:
    found = training_choices(training(book, LLAMA, "full"), [machine(book, "RTX_4090")])
    chosen, out = split(found)

    assert not chosen
    assert out[0].rule == "gpu-memory"
    assert "GiB on each of 8 GPUs, and a RTX_4090 has 24 GiB" in out[0].says


def test_of_your_own_gpus_no_more_are_taken_than_there_are(book: PriceBook) -> None:
    own = machine(book, "RTX_4090", "0.20", most=2, own=True)
    chosen, _ = split(training_choices(training(book), [own]))
    _, out = split(serving_choices(ServingWorkload(book.model(QWEN), 300, 200, 1e6), [own]))

    assert [one.count for one in chosen] == [1, 2]
    assert "2 are available" in out[0].says


def test_cheapest_fastest_and_within_a_budget_are_three_answers(book: PriceBook) -> None:
    machines = [machine(book, "RTX_4090", "0.50"), machine(book, "H100_SXM", "3.20")]
    chosen, _ = split(training_choices(training(book), machines))

    least, quickest = cheapest(chosen), fastest(chosen)

    assert least is not None
    assert quickest is not None
    assert (least.name, quickest.name) == ("1 x RTX_4090 at cloud", "8 x H100_SXM at cloud")
    middle = fastest_within_budget(chosen, (least.usd[2] + quickest.usd[2]) / 2)
    assert middle is not None
    assert quickest.seconds[1] < middle.seconds[1] <= least.seconds[1]
    assert middle.usd[2] <= (least.usd[2] + quickest.usd[2]) / 2
    assert fastest_within_budget(chosen, 0.001) is None


def test_a_choice_is_priced_by_time_and_hour_with_its_set_up(book: PriceBook) -> None:
    chosen, _ = split(training_choices(training(book), [machine(book, "H100_SXM", "2.00", most=1)]))

    (one,) = chosen

    assert one.usd[1] == pytest.approx(2.0 * (one.seconds[1] / 3600 + 0.3))
    assert one.usd[0] < one.usd[1] < one.usd[2]


def test_the_peak_decides_how_many_gpus_serve(book: PriceBook) -> None:
    h100 = [machine(book, "H100_SXM", "2.00")]
    calm, busy = (
        split(serving_choices(ServingWorkload(book.model(QWEN), 300, 200, peak), h100))[0][0]
        for peak in (100.0, 30_000.0)
    )

    assert calm.count == 1
    assert busy.count > 2
    assert busy.usd[1] == pytest.approx(busy.count * 2.0 * 730)
    assert busy.usd[0] < busy.usd[2]


def test_adapters_beside_the_weights_take_more_gpus_for_the_same_peak(book: PriceBook) -> None:
    h100 = [machine(book, "H100_SXM")]
    merged, beside = (
        split(
            serving_choices(
                ServingWorkload(book.model(QWEN), 300, 200, 60_000.0, unmerged=apart), h100
            )
        )[0][0]
        for apart in (False, True)
    )

    assert beside.tokens_per_second / beside.count < merged.tokens_per_second / merged.count
    assert beside.count > merged.count


def test_a_model_too_large_for_one_gpu_is_served_on_several(book: PriceBook) -> None:
    load = ServingWorkload(book.model(LLAMA), 300, 200, 10.0)
    chosen, out = split(serving_choices(load, [machine(book, "H100_SXM"), machine(book, "T4")]))

    assert [one.count for one in chosen] == [2]
    assert "One copy needs 16 T4" in out[0].says


def test_weights_are_not_served_in_a_precision_without_kernels(book: PriceBook) -> None:
    load = ServingWorkload(book.model(QWEN), 300, 200, 10.0, precision=PRECISIONS["fp8"])
    _, out = split(serving_choices(load, [machine(book, "T4")]))

    assert [one.rule for one in out] == ["dtype"]
    assert "compute capability 7.5" in out[0].says


def test_a_model_without_an_architecture_is_refused(book: PriceBook) -> None:
    closed = next(card for card in book.models.values() if card.architecture is None)
    load = ServingWorkload(closed, 300, 200, 10.0)

    with pytest.raises(UsageError, match="does not contain its architecture"):
        list(serving_choices(load, [machine(book, "H100_SXM")]))


def test_a_bundled_question_gets_a_choice_of_rented_gpus() -> None:
    question = example_question("email-triage")
    context = prepare(question, question.scenario)[0]
    resolved = context.resolved
    machines = list(available_gpus(eligibility_key(resolved, question.profile), question.book))
    base = question.book.model(QWEN)

    trained, _ = split(training_choices(training_workload(resolved, base, "qlora"), machines))
    served, _ = split(serving_choices(serving_workload(context, base), machines))

    for choices in (trained, served):
        least = cheapest(choices)
        assert least is not None
        assert least.usd[1] == min(one.usd[1] for one in choices)
        assert least.machine.price.value > 0


def test_the_tables_name_the_choice_and_what_a_million_tokens_costs(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    question = example_question("email-triage")

    show_gpus(question, GpuFlags(), "text")
    text = capsysbinary.readouterr().out.decode()
    show_gpus(question, GpuFlags(), "json")
    trained, served = orjson.loads(capsysbinary.readouterr().out)

    gpus, _, _ = trained["picks"]["cheapest"].partition("at ")
    assert f"cheapest: {gpus}at " in text
    assert "USD per 1M output tokens" in text
    assert {one["rule"] for one in trained["ruled_out"]} == {"dtype"}
    assert served["choices"][0]["usd"][1] > 0


def test_a_budget_of_the_scenario_is_asked_of_the_gpus() -> None:
    question = example_question("email-triage")
    asked = with_paths(question.scenario, {"limits.budget_one_off_usd": 5})

    trained, served = select_gpus(replace(question, scenario=asked), GpuFlags())

    pick = trained.picks["fastest within 5 USD"]
    assert pick is not None
    assert pick.usd[2] <= 5
    assert set(served.picks) == {"cheapest", "fastest"}


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="qlora"):
        select_gpus(example_question("email-triage"), GpuFlags(method="qlor"))


def test_a_gpu_too_small_is_drawn_with_the_change_that_makes_the_training_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = GpuFlags("open/meta-llama/Llama-3.2-3B", "full", gpu="L4")
    show_gpus(example_question("brand-voice"), wanted, "text")

    printed = capsys.readouterr().out
    assert "does not fit" in printed
    assert "It fits with optimizer adamw_8bit" in printed


def test_the_base_may_be_a_config_file(tmp_path: Path) -> None:
    config = tmp_path / "mine" / "config.json"
    config.parent.mkdir()
    config.write_bytes(orjson.dumps({
        "model_type": "qwen3", "num_hidden_layers": 28, "hidden_size": 1024,
        "intermediate_size": 3072, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": True,
        "max_position_embeddings": 40960,
    }))  # fmt: skip

    training, _ = select_gpus(example_question("brand-voice"), GpuFlags(str(config)))

    assert training.work.startswith("Training open/mine, qlora")
    assert training.memory_picture
    assert training.memory_picture.fits
