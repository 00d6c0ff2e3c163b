"""Machines that a scenario may use: GPUs by the hour, spot and serverless, and CPU machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from operator import ge
from typing import Literal

from advisor.errors import PricingError
from advisor.options.eligibility import EligibilityKey
from advisor.prices.book import PriceBook
from advisor.prices.models import Cpu, Gpu
from advisor.prices.series import KINDS, Price, PriceTable
from advisor.prices.services import ServerlessTerms
from advisor.scenario.scenario import Hardware

Billing = Literal["hour", "spot", "serverless"]
"""How machine time is billed: while rented, the same at short notice, or only while running."""
GPU_PRICE_KINDS: Mapping[Billing, str] = {
    "hour": "gpu_hour",
    "spot": "spot_gpu_hour",
    "serverless": "serverless_gpu_hour",
}
JOB_SELLERS = frozenset({"hf_jobs"})
"""Sellers whose machines run jobs, and serve no requests."""
DATABASE_MACHINES = ("rds.", "postgres.")
"""Start of the names of machines that run a managed database only."""
UNKNOWN_START_SECONDS = 360.0
"""Start and idle time of a seller without published terms; own judgement."""
SERVERLESS_CPU = "serverless"
"""Name of serverless CPU in the id of an option."""
SERVERLESS_CPU_KINDS = ("vcpu_hour", "gib_hour", "request")


@dataclass(frozen=True)
class AvailableGpu:
    """An available GPU with its price per hour."""

    gpu: Gpu
    provider: str
    price: Price
    """Price of one GPU hour; of an own GPU with electricity and depreciation."""
    is_own: bool
    most: int = 8
    """Number of GPUs; a rented machine has up to eight."""
    billing: Billing = "hour"
    least: int = 1
    """GPUs of the smallest machine."""
    split: Mapping[str, Price] = field(default_factory=dict)
    """Depreciation and electricity of an own GPU, if they are known separately."""
    kilowatts: float = 0.0
    """Power draw of one own GPU under load [kW]."""
    training_price: Price | None = None
    """Price of a GPU hour of training, if it differs."""
    terms: ServerlessTerms | None = None
    """When a serverless machine stops and how long it takes to start, if that is known."""

    @property
    def prices(self) -> Mapping[str, Price]:
        """Prices of an option on this machine, by kind."""
        if self.split:
            return self.split
        if self.billing == "serverless":
            return {
                "gpu_hour": self.training_price or self.price,
                "serverless_gpu_hour": self.price,
            }
        return {"gpu_hour": self.price}

    @property
    def id_part(self) -> str:
        """Last part of the id of an option on this machine."""
        return self.gpu.name if self.billing == "hour" else f"{self.gpu.name}:{self.billing}"


@dataclass(frozen=True)
class AvailableCpu:
    """An available machine without a GPU, or serverless CPU."""

    provider: str
    name: str
    prices: Mapping[str, Price]
    cpu: Cpu | None
    """None: serverless."""

    @property
    def usd_per_hour(self) -> float:
        """Price of one hour."""
        return float(self.prices["cpu_hour"].value)


def own_price(item: str, value: float, eligibility: EligibilityKey, source: str = "") -> Price:
    """Return a price that follows from the scenario."""
    return Price(
        item=item,
        unit=KINDS[item.rsplit("/", 1)[-1]],
        value=Decimal(repr(round(value, 9))),
        since=eligibility.day,
        source=source or "your scenario, hardware",
        read_on=eligibility.day,
        confidence="high",
        note=None,
        own=True,
        next_change=None,
    )


def available_gpus(
    eligibility: EligibilityKey,
    book: PriceBook,
    billings: Sequence[Billing] = ("hour",),
    serves: bool = False,
) -> Iterator[AvailableGpu]:
    """List available GPUs: your own, and rented ones that no other dominates.

    With *serves*, only machines that can serve requests; some sellers run jobs only.
    """
    for own in eligibility.hardware:
        gpu = book.gpu(own.gpu)
        price = own_price(f"own/{gpu.name}/gpu_hour", own.hour_usd(gpu.tdp_watts), eligibility)
        watts = gpu.tdp_watts if own.watts is None else own.watts
        split, kilowatts = _split_price(own, watts, eligibility), watts / 1000
        yield AvailableGpu(gpu, "own", price, True, own.count, split=split, kilowatts=kilowatts)
    if not eligibility.data_may_leave:
        return
    for billing in billings:
        found = [_cheapest(eligibility, book, gpu, billing, serves) for gpu in book.gpus.values()]
        rented = [offer for offer in found if offer]
        merits = [_merits(machine) for machine in rented]
        for machine, own_merits in zip(rented, merits, strict=True):
            if not any(other != own_merits and all(map(ge, other, own_merits)) for other in merits):
                yield machine  # no other is at least as good in memory, speed and price


def _split_price(own: Hardware, watts: float, eligibility: EligibilityKey) -> Mapping[str, Price]:
    """Return depreciation and electricity of a GPU hour; empty if the user gave their sum."""
    if own.usd_per_hour is not None:
        return {}
    usd = own.model_copy(update={"usd_per_kwh": 0.0}).hour_usd(watts)
    electricity = own.usd_per_kwh or 0.0
    return {
        "depreciation": own_price(f"own/{own.gpu}/gpu_hour", usd, eligibility),
        "electricity_kwh": own_price("own/grid/electricity_kwh", electricity, eligibility),
    }


@lru_cache(maxsize=32)
def _sellers(prices: PriceTable, kind: str) -> Mapping[str, list[str]]:
    """Return the providers that sell each item of a kind."""
    found: dict[str, list[str]] = {}
    for item in prices.series:
        if item.endswith(f"/{kind}"):
            seller, name, _ = item.rsplit("/", 2)
            found.setdefault(name, []).append(seller)
    return found


def _cheapest(
    eligibility: EligibilityKey, book: PriceBook, gpu: Gpu, billing: Billing, serves: bool
) -> AvailableGpu | None:
    """Find the cheapest cloud with this GPU, marketplaces of private machines excluded."""
    offers, kind = [], GPU_PRICE_KINDS[billing]
    for cloud in _sellers(book.prices, kind).get(gpu.name, ()):
        if cloud.endswith(("community", "median")) or not eligibility.allows(cloud):
            continue
        if serves and cloud in JOB_SELLERS:
            continue
        price = price_if_sold(book, f"{cloud}/{gpu.name}/{kind}", eligibility)
        if price is None:
            continue
        least = 1 if billing == "serverless" else book.min_gpus(cloud, gpu.name)
        terms = book.serverless.get(cloud) if billing == "serverless" else None
        machine = AvailableGpu(gpu, cloud, price, False, billing=billing, least=least, terms=terms)
        offers.append(machine)
    cheapest = min(offers, key=_usd_of_smallest, default=None)
    if cheapest and billing == "serverless":
        item = f"{cheapest.provider}/{gpu.name}/gpu_hour"
        training = price_if_sold(book, item, eligibility)
        if training and book.min_gpus(cheapest.provider, gpu.name) == 1:
            return replace(cheapest, training_price=training)
    return cheapest


def _usd_of_smallest(machine: AvailableGpu) -> tuple[float, str]:
    """Price of an hour of the smallest machine, or of a request to one that has stopped."""
    usd = float(machine.price.value) * machine.least
    if machine.billing == "serverless":
        usd *= _seconds_per_start(machine.terms) / 3600.0
    return usd, machine.provider


def _seconds_per_start(terms: ServerlessTerms | None) -> float:
    """Seconds that one request to a stopped machine is billed for, without its own."""
    if terms is None or terms.idle_seconds is None:
        return UNKNOWN_START_SECONDS
    return terms.idle_seconds + terms.cold_start_seconds[1]


def price_if_sold(book: PriceBook, item: str, eligibility: EligibilityKey) -> Price | None:
    """Return the price of the day, or None if the item is not sold or has no price."""
    if not book.prices.has(item):
        return None
    try:
        return book.prices.on(item, eligibility.day)
    except PricingError:
        return None  # not available on that day


def _merits(machine: AvailableGpu) -> tuple[float, ...]:
    gpu = machine.gpu
    return (
        gpu.memory_bytes,
        gpu.bf16_tflops or 0.0,
        gpu.bandwidth_bytes_per_second,
        -_usd_of_smallest(machine)[0],
    )


def available_cpus(eligibility: EligibilityKey, book: PriceBook) -> list[AvailableCpu]:
    """List CPU machines by the hour of the allowed providers."""
    if not eligibility.data_may_leave:
        return []
    return _cpus(eligibility, book, eligibility.allows)


def any_cpus(eligibility: EligibilityKey, book: PriceBook) -> list[AvailableCpu]:
    """List CPU machines of all providers: what your own machine is compared with."""
    return _cpus(eligibility, book, lambda _: True)


def _cpus(
    eligibility: EligibilityKey, book: PriceBook, allows: Callable[[str], bool]
) -> list[AvailableCpu]:
    found = []
    for name, sellers in _sellers(book.prices, "cpu_hour").items():
        if name.startswith(DATABASE_MACHINES):
            continue
        for seller in sellers:
            if seller in JOB_SELLERS:
                continue
            price = price_if_sold(book, f"{seller}/{name}/cpu_hour", eligibility)
            if price and name in book.cpus and allows(seller):
                found.append(AvailableCpu(seller, name, {"cpu_hour": price}, book.cpus[name]))
    return sorted(found, key=lambda m: (m.usd_per_hour, m.provider, m.name))


def best_cpus(machines: Sequence[AvailableCpu], size: Callable[[Cpu], float]) -> list[AvailableCpu]:
    """Return the cheapest machine, and the one with the lowest price per unit of size."""

    def usd_per_unit(machine: AvailableCpu) -> float:
        return machine.usd_per_hour / size(machine.cpu) if machine.cpu else float("inf")

    if not machines:
        return []
    cheapest, most_for_it = machines[0], min(machines, key=usd_per_unit)
    return [cheapest] if most_for_it is cheapest else [cheapest, most_for_it]


def serverless_cpu(eligibility: EligibilityKey, book: PriceBook) -> AvailableCpu | None:
    """Return the cheapest serverless CPU that bills requests and the time they take."""
    if not eligibility.data_may_leave:
        return None
    found = []
    for name, sellers in _sellers(book.prices, "request").items():
        for seller in sellers:
            items = {kind: f"{seller}/{name}/{kind}" for kind in SERVERLESS_CPU_KINDS}
            priced = {k: price_if_sold(book, item, eligibility) for k, item in items.items()}
            known = {kind: price for kind, price in priced.items() if price}
            if "request" in known and len(known) > 1 and eligibility.allows(seller):
                found.append(AvailableCpu(seller, f"{SERVERLESS_CPU}-{name}", known, None))
    return min(found, key=_serverless_usd, default=None)


def _serverless_usd(machine: AvailableCpu) -> tuple[float, str]:
    """Price of an hour of one vCPU and two GiB."""
    weights = {"vcpu_hour": 1.0, "gib_hour": 2.0, "request": 0.0}
    usd = sum(weights[kind] * float(price.value) for kind, price in machine.prices.items())
    return usd, machine.provider
