"""Options tuned on rented or owned GPUs: adapters, full fine-tuning, encoders, the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import product
from operator import ge

from advisor.errors import PricingError
from advisor.options.eligibility import EligibilityKey
from advisor.options.option import Option, RuledOutOption, rule_out, short_name
from advisor.prices.book import PriceBook
from advisor.prices.models import Gpu, ModelCard
from advisor.prices.series import Price, PriceTable
from advisor.units import Approach

PROMPTED_OPEN_MODELS = (
    "open/Qwen/Qwen3-8B",
    "open/Qwen/Qwen3-32B",
    "open/meta-llama/Llama-3.3-70B",
)
"""Open models that are prompted unchanged where no provider may be used."""
PROMPTING_APPROACHES: tuple[Approach, ...] = ("prompt", "few_shot", "long_context", "rag")
BASE_MODELS = ("open/meta-llama/Llama-3.2-3B", "open/Qwen/Qwen3-8B")
ENCODER_MODEL = "open/FacebookAI/roberta-base"
TUNING_APPROACHES: tuple[Approach, ...] = ("lora", "qlora", "full_ft")
BASELINE_MODEL = "tfidf-logreg"


@dataclass(frozen=True)
class AvailableGpu:
    """An available GPU with its price per hour."""

    gpu: Gpu
    provider: str
    price: Price
    is_own: bool
    most: int = 8
    """Number of GPUs; a rented machine has up to eight."""


def lacks_bf16(gpu: Gpu) -> str | None:
    """Return why models cannot be trained on a GPU without bf16, or None."""
    has = gpu.bf16_tflops is not None
    return None if has else f"{gpu.name} has no bf16, which training these models needs."


def gpu_tuning_options(
    eligibility: EligibilityKey, book: PriceBook, out: list[RuledOutOption]
) -> list[Option]:
    """List tuning on a GPU, one option per base model, method and machine."""
    machines = list(available_gpus(eligibility, book))
    combined: tuple[Approach, ...] = ("combo",) if eligibility.needs_knowledge else ()
    preferred: tuple[Approach, ...] = ("dpo",) if eligibility.pairs else ()
    methods = (*TUNING_APPROACHES, *combined, *preferred)
    options = []
    for machine in machines:
        lacks = lacks_bf16(machine.gpu)
        if lacks:
            option_id = f"lora:{machine.provider}:*:{machine.gpu.name}"
            out.append(rule_out(option_id, "no-bf16", lacks, machine.gpu.source))
            continue
        for name in BASE_MODELS:
            base = book.model(name)
            if not _licence_allowed(eligibility, base):
                continue
            options += [_option(method, base, machine) for method in methods]
    if eligibility.must_self_host:
        with_documents = eligibility.has_documents or eligibility.needs_knowledge
        ways = [way for way in PROMPTING_APPROACHES if way != "rag" or with_documents]
        bases = [book.model(name) for name in PROMPTED_OPEN_MODELS]
        allowed = [base for base in bases if _licence_allowed(eligibility, base)]
        options += [_prompted_option(w, b, m) for b, m, w in product(allowed, machines, ways)]
    encoder = book.model(ENCODER_MODEL)
    cheapest = min(machines, key=lambda machine: machine.price.value, default=None)
    if cheapest:
        option = _option("encoder", encoder, cheapest)
        options += [option, _baseline(option)]
    return options


def available_gpus(eligibility: EligibilityKey, book: PriceBook) -> Iterator[AvailableGpu]:
    """List available GPUs: your own, and rented ones that no other dominates."""
    for own in eligibility.hardware:
        gpu = book.gpu(own.gpu)
        price = Price(
            item=f"own/{gpu.name}/gpu_hour",
            unit="USD/GPU hour",
            value=Decimal(repr(round(own.hour_usd(gpu.tdp_watts), 9))),
            since=eligibility.day,
            source="your scenario, hardware",
            read_on=eligibility.day,
            confidence="high",
            note=None,
            own=True,
            next_change=None,
        )
        yield AvailableGpu(gpu, "own", price, True, own.count)
    if not eligibility.data_may_leave:
        return
    rented = [offer for gpu in book.gpus.values() if (offer := _cheapest(eligibility, book, gpu))]
    merits = [_merits(machine) for machine in rented]
    for machine, own_merits in zip(rented, merits, strict=True):
        if not any(other != own_merits and all(map(ge, other, own_merits)) for other in merits):
            yield machine  # no other is at least as good in memory, speed and price


@lru_cache(maxsize=8)
def _clouds(prices: PriceTable) -> Mapping[str, list[str]]:
    """Return the clouds that rent out each GPU by the hour."""
    found: dict[str, list[str]] = {}
    for item in prices.series:
        if item.endswith("/gpu_hour"):
            cloud, gpu, _ = item.rsplit("/", 2)
            found.setdefault(gpu, []).append(cloud)
    return found


def _cheapest(eligibility: EligibilityKey, book: PriceBook, gpu: Gpu) -> AvailableGpu | None:
    """Find the cheapest cloud with this GPU, marketplaces of private machines excluded."""
    offers = []
    for cloud in _clouds(book.prices).get(gpu.name, ()):
        if cloud.endswith(("community", "median")) or (
            eligibility.providers and cloud not in eligibility.providers
        ):
            continue
        try:
            price = book.prices.on(f"{cloud}/{gpu.name}/gpu_hour", eligibility.day)
        except PricingError:
            continue  # not available on that day
        offers.append(AvailableGpu(gpu, cloud, price, False))
    return min(offers, key=lambda offer: (offer.price.value, offer.provider), default=None)


def _merits(machine: AvailableGpu) -> tuple[float, ...]:
    gpu = machine.gpu
    return (
        gpu.memory_bytes,
        gpu.bf16_tflops or 0.0,
        gpu.bandwidth_bytes_per_second,
        -float(machine.price.value),
    )


def _licence_allowed(eligibility: EligibilityKey, base: ModelCard) -> bool:
    return not eligibility.licences or (base.licence or "") in eligibility.licences


def _option(approach: Approach, base: ModelCard, machine: AvailableGpu) -> Option:
    says = f"It is trained on your {machine.gpu.name}."
    if not machine.is_own:
        says = (
            f"A folder with plan, data and script is written, to run on a {machine.gpu.name} "
            f"rented from {machine.provider}."
        )
    return Option(
        id=f"{approach}:{machine.provider}:{short_name(base.id)}:{machine.gpu.name}",
        approach=approach,
        provider=machine.provider,
        model=short_name(base.id),
        launch="local" if machine.is_own else "export",
        launch_says=says,
        tier="tiny",
        prices={"gpu_hour": machine.price},
        base=base,
        objective={"encoder": "classification", "dpo": "dpo"}.get(approach, "sft"),  # type: ignore[arg-type]
        gpu=machine.gpu,
        gpu_usd_is_own=machine.is_own,
    )


def _prompted_option(approach: Approach, base: ModelCard, machine: AvailableGpu) -> Option:
    says = f"Serve the open weights on a {machine.gpu.name}; nothing is trained."
    if approach == "rag":
        says += " Documents are embedded on the same machine."
    option = _option(approach, base, machine)
    return replace(option, launch="by_hand", launch_says=says, tier=base.tier, objective=None)


def _baseline(encoder: Option) -> Option:
    return replace(
        encoder,
        id=f"encoder:{encoder.provider}:{BASELINE_MODEL}",
        model=BASELINE_MODEL,
        launch="local",
        launch_says="It trains on a CPU in about a minute.",
        base=None,
        gpu=None,
        gpu_usd_is_own=False,
    )
