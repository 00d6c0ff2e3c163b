"""Tuning on rented or owned GPUs: adapters, full weights, encoders, and the plain baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from advisor.catalog import Book
from advisor.errors import PricingError
from advisor.facts import Resolved
from advisor.models import Gpu, ModelCard
from advisor.options.option import Launch, Option, RuledOut, rule_out, short
from advisor.prices import Price
from advisor.scenario import Approach

BASES = ("open/meta-llama/Llama-3.2-3B", "open/Qwen/Qwen3-8B")
ENCODER = "open/FacebookAI/roberta-base"
METHODS: tuple[Approach, ...] = ("lora", "qlora", "full_ft")
BASELINE = "tfidf-logreg"


@dataclass(frozen=True)
class Machine:
    """A GPU to be had, and what an hour of it costs."""

    gpu: Gpu
    provider: str
    price: Price
    is_own: bool


def local_options(resolved: Resolved, book: Book, out: list[RuledOut], pairs: int) -> list[Option]:
    """List tuning on a GPU of one's own choice, one option per base, method and machine."""
    machines = list(_machines(resolved, book))
    made = []
    for machine in machines:
        if machine.gpu.bf16_tflops is None:
            says = f"{machine.gpu.name} has no bf16, in which these models are trained."
            out.append(rule_out(f"lora:{machine.provider}:*:{machine.gpu.name}", "no-bf16", says,
                                machine.gpu.source))  # fmt: skip
            continue
        for name in BASES:
            base = book.model(name)
            if not _licence_will_do(resolved, base):
                continue
            made += [_option(method, base, machine) for method in METHODS]
            if pairs:
                made.append(_option("dpo", base, machine))
    encoder = book.model(ENCODER)
    cheapest = min(machines, key=lambda machine: machine.price.value, default=None)
    if cheapest:
        made.append(_option("encoder", encoder, cheapest))
        made.append(_baseline(cheapest))
    return made


def _machines(resolved: Resolved, book: Book) -> Iterator[Machine]:
    scenario = resolved.scenario
    for own in scenario.hardware:
        gpu = book.gpu(own.gpu)
        price = Price(
            item=f"own/{gpu.name}/gpu_hour", unit="USD/GPU hour", value=_decimal(own.usd_per_hour),
            since=scenario.asked_on, source="your scenario, hardware", read_on=scenario.asked_on,
            confidence="high", note=None, own=True, next_change=None,
        )  # fmt: skip
        yield Machine(gpu, "own", price, True)
    if not scenario.limits.data_may_leave:
        return
    rented = [offer for gpu in book.gpus.values() if (offer := _cheapest(resolved, book, gpu))]
    yield from (one for one in rented if not any(_beats(other, one) for other in rented))


def _cheapest(resolved: Resolved, book: Book, gpu: Gpu) -> Machine | None:
    """The cheapest cloud that rents this GPU; marketplaces of strangers' machines left out."""
    offers = []
    for cloud in book.clouds(gpu.name):
        allowed = resolved.scenario.limits.providers
        if cloud.endswith(("community", "median")) or (allowed and cloud not in allowed):
            continue
        try:
            price = book.prices.on(f"{cloud}/{gpu.name}/gpu_hour", resolved.scenario.asked_on)
        except PricingError:
            continue  # not rented out on that day
        offers.append(Machine(gpu, cloud, price, False))
    return min(offers, key=lambda offer: (offer.price.value, offer.provider), default=None)


def _beats(other: Machine, one: Machine) -> bool:
    """Whether *other* is at least as good in memory, speed and price, and better in one."""
    ours, theirs = _merits(one), _merits(other)
    return theirs != ours and all(t >= o for t, o in zip(theirs, ours, strict=True))


def _merits(machine: Machine) -> tuple[float, ...]:
    gpu = machine.gpu
    return (gpu.memory_bytes, gpu.bf16_tflops or 0.0, gpu.bandwidth_bytes_per_second,
            -float(machine.price.value))  # fmt: skip


def _licence_will_do(resolved: Resolved, base: ModelCard) -> bool:
    allowed = resolved.scenario.limits.licences
    return not allowed or (base.licence or "") in allowed


def _option(approach: Approach, base: ModelCard, machine: Machine) -> Option:
    launch, says = _launch(machine)
    return Option(
        id=f"{approach}:{machine.provider}:{short(base.id)}:{machine.gpu.name}",
        approach=approach, provider=machine.provider, model=short(base.id), launch=launch,
        launch_says=says, tier="tiny", prices={"gpu_hour": machine.price}, base=base,
        objective={"encoder": "classification", "dpo": "dpo"}.get(approach, "sft"),  # type: ignore[arg-type]
        gpu=machine.gpu, gpu_usd_is_own=machine.is_own,
    )  # fmt: skip


def _baseline(machine: Machine) -> Option:
    return Option(
        id=f"encoder:{machine.provider}:{BASELINE}", approach="encoder",
        provider=machine.provider, model=BASELINE, launch="local",
        launch_says="It trains on a CPU in a minute.", tier="tiny", objective="classification",
        prices={"gpu_hour": machine.price},
    )  # fmt: skip


def _launch(machine: Machine) -> tuple[Launch, str]:
    if machine.is_own:
        return "local", f"It is trained on your own {machine.gpu.name}."
    return "export", (
        f"A folder with plan, data and script is written; it runs on a {machine.gpu.name} "
        f"rented at {machine.provider}."
    )


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
