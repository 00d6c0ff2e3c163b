"""Options tuned on rented or owned GPUs: adapters, full fine-tuning, encoders, the baseline."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from advisor.options.eligibility import EligibilityKey
from advisor.options.machines import (
    AvailableCpu,
    AvailableGpu,
    Billing,
    available_cpus,
    available_gpus,
    best_cpus,
    serverless_cpu,
)
from advisor.options.option import Option, RuledOutOption, rule_out, short_name
from advisor.prices.book import PriceBook
from advisor.prices.models import Gpu, ModelCard
from advisor.units import GIB, Approach

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
LEAST_CPU_BYTES = 2 * GIB
"""Memory of the smallest machine that serves an encoder; own judgement."""


def lacks_bf16(gpu: Gpu) -> str | None:
    """Return why models cannot be trained on a GPU without bf16, or None."""
    has = gpu.bf16_tflops is not None
    return None if has else f"{gpu.name} has no bf16, which training these models needs."


def gpu_tuning_options(
    eligibility: EligibilityKey, book: PriceBook, out: list[RuledOutOption]
) -> list[Option]:
    """List tuning on a GPU, one option per base model, method and machine."""
    billings: tuple[Billing, ...] = ("hour", "serverless")
    if eligibility.spot:
        billings = (*billings, "spot")
    machines = list(available_gpus(eligibility, book, billings, serves=True))
    combined: tuple[Approach, ...] = ("combo",) if eligibility.needs_knowledge else ()
    preferred: tuple[Approach, ...] = ("dpo",) if eligibility.pairs else ()
    methods = (*TUNING_APPROACHES, *combined, *preferred)
    options = []
    for machine in machines:
        lacks = lacks_bf16(machine.gpu)
        if lacks:
            option_id = f"lora:{machine.provider}:*:{machine.id_part}"
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
    return options + _classifiers(eligibility, book, machines)


def _classifiers(
    eligibility: EligibilityKey, book: PriceBook, machines: list[AvailableGpu]
) -> list[Option]:
    """List encoders on the cheapest GPU and on CPUs, and the baseline on the same CPUs."""
    encoder = book.model(ENCODER_MODEL)
    options = []
    for billing in ("hour", "serverless", "spot"):
        some = (machine for machine in machines if machine.billing == billing)
        cheapest = min(some, key=lambda m: (m.price.value, m.price.item), default=None)
        if cheapest:
            options.append(_option("encoder", encoder, cheapest))
    trainers = available_gpus(eligibility, book)
    cheapest = min(trainers, key=lambda m: (m.price.value, m.price.item), default=None)
    trained = _option("encoder", encoder, cheapest) if cheapest else None
    large_enough = [
        machine
        for machine in available_cpus(eligibility, book)
        if machine.cpu and machine.cpu.memory_bytes >= LEAST_CPU_BYTES
    ]
    cpus = best_cpus(large_enough, lambda cpu: cpu.vcpus)
    serverless = serverless_cpu(eligibility, book)
    for machine in (*cpus, *([serverless] if serverless else [])):
        if machine.cpu or trained:
            options.append(_on_cpu(encoder, machine, trained))
        options.append(_baseline(machine))
    if not cpus and trained and trained.gpu_usd_is_own:
        options.append(_own_baseline(trained))
    return options


def _on_cpu(encoder: ModelCard, machine: AvailableCpu, trained: Option | None) -> Option:
    """Return an encoder that is served on a CPU, trained on a GPU if one is available."""
    name = short_name(encoder.id)
    where = f"a {trained.gpu.name}" if trained and trained.gpu else "the same machine"
    says = f"It is trained on {where}, and served on {machine.name} at {machine.provider}."
    training = {}
    if trained:
        kinds = ("gpu_hour", "depreciation", "electricity_kwh")
        training = {kind: trained.prices[kind] for kind in kinds if kind in trained.prices}
    return Option(
        id=f"encoder:{machine.provider}:{name}:{machine.name}",
        approach="encoder",
        provider=machine.provider,
        model=name,
        launch=trained.launch if trained else "export",
        launch_says=says,
        tier="tiny",
        prices={**training, **machine.prices},
        base=encoder,
        objective="classification",
        gpu=trained.gpu if trained else None,
        gpu_usd_is_own=bool(trained and trained.gpu_usd_is_own),
        least_gpus=trained.least_gpus if trained else 1,
        kilowatts=trained.kilowatts if trained else 0.0,
        billing="hour" if machine.cpu else "serverless",
        cpu=machine.cpu,
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
        id=f"{approach}:{machine.provider}:{short_name(base.id)}:{machine.id_part}",
        approach=approach,
        provider=machine.provider,
        model=short_name(base.id),
        launch="local" if machine.is_own else "export",
        launch_says=says,
        tier="tiny",
        prices=machine.prices,
        base=base,
        objective={"encoder": "classification", "dpo": "dpo"}.get(approach, "sft"),  # type: ignore[arg-type]
        gpu=machine.gpu,
        gpu_usd_is_own=machine.is_own,
        billing=machine.billing,
        least_gpus=machine.least,
        kilowatts=machine.kilowatts,
        terms=machine.terms,
    )


def _prompted_option(approach: Approach, base: ModelCard, machine: AvailableGpu) -> Option:
    says = f"Serve the open weights on a {machine.gpu.name}; nothing is trained."
    if approach == "rag":
        says += " Documents are embedded on the same machine."
    option = _option(approach, base, machine)
    return replace(option, launch="by_hand", launch_says=says, tier=base.tier, objective=None)


def _baseline(machine: AvailableCpu) -> Option:
    """Return the baseline on a CPU machine; it trains there in about a minute."""
    return Option(
        id=f"encoder:{machine.provider}:{BASELINE_MODEL}:{machine.name}",
        approach="encoder",
        provider=machine.provider,
        model=BASELINE_MODEL,
        launch="local",
        launch_says="It trains on a CPU in about a minute.",
        tier="tiny",
        prices=machine.prices,
        objective="classification",
        billing="hour" if machine.cpu else "serverless",
        cpu=machine.cpu,
    )


def _own_baseline(encoder: Option) -> Option:
    """Return the baseline on the CPU of an own machine, which costs what the machine costs."""
    return replace(
        encoder,
        id=f"encoder:{encoder.provider}:{BASELINE_MODEL}",
        model=BASELINE_MODEL,
        launch="local",
        launch_says="It trains on a CPU in about a minute.",
        base=None,
        gpu=None,
    )
