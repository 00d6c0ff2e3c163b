"""The price book: prices, models, providers, GPUs and CPU machines, with lookups by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from advisor.errors import UnknownPrice
from advisor.prices.contract import NO_CONTRACT, Contract
from advisor.prices.models import Cpu, Gpu, ModelCard, Sourced
from advisor.prices.providers import Provider, TuningOffer
from advisor.prices.series import PriceTable
from advisor.prices.services import (
    EmbeddingModel,
    ProvisionedUnits,
    ServerlessTerms,
    SpotTerms,
    VectorStorePlan,
)
from advisor.units import Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class PriceBook:
    """Prices, models, providers, machines and services of one or two price files."""

    prices: PriceTable
    models: Mapping[str, ModelCard]
    providers: Mapping[str, Provider]
    gpus: Mapping[str, Gpu]
    sha256: str
    cpus: Mapping[str, Cpu] = field(default_factory=dict)
    smallest_machines: Mapping[str, int] = field(default_factory=dict)
    """Least number of GPUs that a provider rents out, by provider/GPU, where it is above one."""
    embeddings: Mapping[str, EmbeddingModel] = field(default_factory=dict)
    """By provider/model."""
    vector_stores: Mapping[str, VectorStorePlan] = field(default_factory=dict)
    """Plans of managed vector stores, by provider/plan."""
    serverless: Mapping[str, ServerlessTerms] = field(default_factory=dict)
    """By provider."""
    spot_interruptions: Mapping[str, SpotTerms] = field(default_factory=dict)
    """By provider/GPU."""
    provisioned: Mapping[str, ProvisionedUnits] = field(default_factory=dict)
    """By provider."""
    contract: Contract = NO_CONTRACT
    """What was agreed with providers; its discounts are in the prices already."""

    def model(self, name: str) -> ModelCard:
        """Return a model, or raise UnknownPrice with the nearest names."""
        return _known("model", name, self.models)

    def provider(self, name: str) -> Provider:
        """Return a provider, or raise UnknownPrice with the nearest names."""
        return _known("provider", name, self.providers)

    def gpu(self, name: str) -> Gpu:
        """Return a GPU, or raise UnknownPrice with the nearest names."""
        return _known("GPU", name, self.gpus)

    def cpu(self, name: str) -> Cpu:
        """Return a CPU machine, or raise UnknownPrice with the nearest names."""
        return _known("CPU machine", name, self.cpus)

    def min_gpus(self, provider: str, gpu: str) -> int:
        """Least number of GPUs in a machine that a provider rents out."""
        return self.smallest_machines.get(f"{provider}/{gpu}", 1)

    @property
    def with_architecture(self) -> Mapping[str, ModelCard]:
        """Models whose config is known."""
        return {name: card for name, card in self.models.items() if card.architecture}

    @property
    def offers(self) -> tuple[TuningOffer, ...]:
        """Every offer of every provider."""
        return tuple(offer for provider in self.providers.values() for offer in provider.tuning)

    def facts_on(self, day: date) -> Iterator[tuple[str, Sourced]]:
        """Yield the facts of a day that age, on models, offers, providers, services, by name."""
        for name, card in self.models.items():
            yield from ((f"{name}: {key}", fact) for key, fact in card.on(day).facts.items())
        for provider in self.providers.values():
            yield provider.name, provider
        for offer in self.offers:
            stem = f"{offer.provider}/{offer.base}"
            yield from ((f"{stem}: {key}", fact) for key, fact in offer.facts.items())
        services: Mapping[str, Mapping[str, Sourced]] = {
            "embedding": self.embeddings,
            "vector store": self.vector_stores,
            "serverless": self.serverless,
            "spot": self.spot_interruptions,
            "provisioned": self.provisioned,
        }
        for key, facts in services.items():
            yield from ((f"{name}: {key}", fact) for name, fact in facts.items())

    def clouds(self, gpu: str) -> tuple[str, ...]:
        """List the providers that rent out a GPU by the hour."""
        ending = f"/{gpu}/gpu_hour"
        return tuple(i.removesuffix(ending) for i in self.prices.series if i.endswith(ending))


def _known(kind: str, name: str, known: Mapping[str, R]) -> R:
    if name not in known:
        raise UnknownPrice(kind, name, known)
    return known[name]
