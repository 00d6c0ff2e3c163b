"""A base, rows and a machine -> hours and money of a training, as low, likely and at most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from advisor.catalog import Book
from advisor.errors import PricingError, UsageError
from advisor.estimate.memory import Method as MemoryMethod
from advisor.estimate.memory import Shape, parameter_count, peak_process_bytes
from advisor.estimate.training import hfu_prior, tokens_per_second, train_flops_per_token
from advisor.models import Gpu
from advisor.plan import Figure
from advisor.prices import Price
from advisor.recipe import Method, Recipe
from trainer.errors import Refused

CENT = Decimal("0.01")
CPU_FLOPS = (100e9, 10e9, 1e9)
"""Multiplications and additions a second on a few cores, as low, likely, at most (of the time).
Own measurement: a model of 256 thousand weights trained at 3e9 on two cores."""
STEP_SECONDS = (0.02, 0.2, 1.0)
SETUP_SECONDS = (20.0, 60.0, 300.0)
"""Loading libraries, checking, answering the held-out rows; own measurement and judgement."""
MEMORY_METHODS: Mapping[Method, MemoryMethod] = {"full": "full", "qlora": "qlora"}


@dataclass(frozen=True)
class Machine:
    """What trains, and what an hour of it costs."""

    name: str
    """GPU as in the price book, or `cpu`."""
    gpu: Gpu | None
    usd_per_hour: Decimal
    source: str
    since: str
    read_on: str
    own: bool


def machine_of(
    book: Book, scenario: Mapping[str, Any], where: str, gpu: str, usd: Decimal | None
) -> Machine:
    """Find what an hour costs: as the user says, as the scenario does, or as a cloud asks.

    Raises:
        UsageError: nobody says it.
    """
    known = None if gpu == "cpu" else book.gpu(gpu)
    said = "your own price (--usd-per-hour)"
    for own in scenario.get("hardware") or ():
        if usd is None and own.get("gpu") == gpu:
            usd, said = Decimal(str(own["usd_per_hour"])), "your scenario, hardware"
    if usd is not None:
        return Machine(gpu, known, usd, said, "today", "today", own=True)
    price = _rented(book, where, gpu, scenario)
    if price is None:
        raise UsageError("--usd-per-hour", f"nobody says what an hour of this {gpu} costs.",
                         "Give it, power too: 0.3 kW at 0.30 USD/kWh is 0.09.")  # fmt: skip
    return Machine(gpu, known, Decimal(str(price.value)), price.source, str(price.since),
                   str(price.read_on), price.own)  # fmt: skip


def _rented(book: Book, where: str, gpu: str, scenario: Mapping[str, Any]) -> Price | None:
    if where not in book.clouds(gpu):
        return None
    try:
        return book.prices.on(f"{where}/{gpu}/gpu_hour", scenario["asked_on"])
    except PricingError:
        return None


def hours_of(
    machine: Machine, recipe: Recipe, config: Mapping[str, Any], rows: int, tokens: int
) -> tuple[float, float, float]:
    """Work out how long it takes, as low, likely and at most [h].

    Args:
        machine: What trains.
        recipe: Every setting.
        config: config.json of the base.
        rows: Rows that are learned from.
        tokens: All their tokens.

    Raises:
        Refused: it would not fit the memory of the GPU.
    """
    shape = shape_of_config(config)
    method = MEMORY_METHODS.get(recipe.method, "lora")
    if machine.gpu is not None:
        need = float(peak_process_bytes(shape, method, recipe.lora_rank,
                                        recipe.micro_batch_rows * recipe.max_tokens))  # fmt: skip
        if need > machine.gpu.memory_bytes:
            raise Refused(f"{machine.name}: the training needs {need / 2**30:.1f} GiB, and it has "
                          f"{machine.gpu.memory_bytes / 2**30:.1f}. Take qlora, a smaller "
                          "micro_batch_rows or max_tokens, or another GPU.")  # fmt: skip
    trained = tokens * recipe.epochs
    flops = float(train_flops_per_token(shape, method, tokens / max(rows, 1)))
    steps = math.ceil(rows / recipe.rows_per_step) * recipe.epochs
    steps = min(steps, recipe.most_steps or steps)
    if machine.gpu is None:
        speeds = [total / flops for total in CPU_FLOPS]
    else:
        peak = machine.gpu.bf16_tflops or machine.gpu.fp16_tflops
        low, likely, high = hfu_prior(machine.name, method)
        speeds = [float(tokens_per_second(flops, peak, s)) for s in (high, likely, low / 2)]
    bounds = zip(speeds, STEP_SECONDS, SETUP_SECONDS, strict=True)
    hours = [(trained / speed + steps * step + setup) / 3600.0 for speed, step, setup in bounds]
    return hours[0], hours[1], hours[2]


def figure_of(machine: Machine, hours: tuple[float, float, float], trained_tokens: int) -> Figure:
    """Turn hours into money, rounded up to a cent."""
    usd = [(machine.usd_per_hour * Decimal(repr(hour))).quantize(CENT, ROUND_UP) for hour in hours]
    return Figure(
        item=f"local/{machine.name}/gpu_hour", price=str(machine.usd_per_hour), unit="USD/hour",
        since=machine.since, source=machine.source, read_on=machine.read_on, own=machine.own,
        trained_tokens=trained_tokens, trained_tokens_at_most=trained_tokens,
        low=str(usd[0]), likely=str(usd[1]), at_most=str(max(usd[2], CENT)), minimum=None,
    )  # fmt: skip


def shape_of_config(config: Mapping[str, Any]) -> Shape:
    """Read what the formulas need out of a config.json, of a decoder or an encoder."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    shape = Shape(
        layers=int(config["num_hidden_layers"]), hidden_size=hidden,
        intermediate_size=int(config.get("intermediate_size") or 4 * hidden),
        attention_heads=heads, kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden // heads),
        vocabulary=int(config["vocab_size"]),
        tied_embeddings=bool(config.get("tie_word_embeddings", False)), parameters=0,
    )  # fmt: skip
    return shape._replace(parameters=parameter_count(shape))
