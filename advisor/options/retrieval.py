"""What retrieval buys: an embedding model, a vector store and a reranker of allowed providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from advisor.errors import UnknownPrice
from advisor.options.eligibility import EligibilityKey
from advisor.options.machines import (
    AvailableCpu,
    any_cpus,
    available_cpus,
    best_cpus,
    price_if_sold,
)
from advisor.options.option import StoreOffer
from advisor.prices.book import PriceBook
from advisor.prices.series import KINDS, Price, PriceTable

OWN_STORE = "own"
"""Name in `knowledge.store` of a store on your own machine."""
STORE_KINDS = (
    "vector_minimum_month",
    "vector_storage_gb_month",
    "vector_read",
    "vector_write",
)
OWN_DIMENSIONS = 384.0
"""Dimensions of a small open embedding model, all-MiniLM-L6-v2.
Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"""
RERANK_KINDS = ("rerank_tokens", "rerank_search")


@dataclass(frozen=True)
class RetrievalOffer:
    """The prices of retrieval by kind, and the vector stores to choose from."""

    prices: Mapping[str, Price]
    """Prices of stores end in `@` and the name of the store."""
    stores: tuple[StoreOffer, ...]


@lru_cache(maxsize=32)
def retrieval_offer(eligibility: EligibilityKey, book: PriceBook) -> RetrievalOffer | None:
    """Return the cheapest embedding model and reranker, and every vector store that is allowed.

    Where no allowed provider sells one, it runs on your own machine. Which store is cheapest
    depends on the size of the documents and on traffic, so it is chosen when costs are estimated.

    Raises:
        UnknownPrice: the store named in the scenario is not in the price book.
    """
    machines, are_own = available_cpus(eligibility, book), False
    if not machines:
        machines, are_own = any_cpus(eligibility, book), True
    embedding = _cheapest(eligibility, book, "embedding")
    dimensions = _dimensions(book, embedding)
    stores = _managed_stores(eligibility, book, dimensions)
    stores |= _own_stores(machines, are_own, dimensions)
    chosen = _chosen_stores(eligibility, book, stores)
    vcpu = _vcpu_hour(machines, are_own)
    prices: dict[str, Price] = {}
    if embedding:
        prices["embedding"] = embedding
    elif vcpu:
        prices["embedding_vcpu_hour"] = vcpu
    if not chosen or not prices:
        return None
    if eligibility.reranks:
        found = {kind: _cheapest(eligibility, book, kind) for kind in RERANK_KINDS}
        known = {kind: price for kind, price in found.items() if price}
        prices |= known or ({"rerank_vcpu_hour": vcpu} if vcpu else {})
    for store, priced in chosen.items():
        prices |= {f"{kind}@{store.name}": price for kind, price in priced.items()}
    return RetrievalOffer(prices, tuple(chosen))


Stores = dict[StoreOffer, dict[str, Price]]


def _dimensions(book: PriceBook, embedding: Price | None) -> float | None:
    """Dimensions of the vectors of an embedding model; of a small open model without one."""
    if embedding is None:
        return OWN_DIMENSIONS
    model = book.embeddings.get(embedding.item.rpartition("/")[0])
    return model.dimensions if model else None


def _managed_stores(
    eligibility: EligibilityKey, book: PriceBook, dimensions: float | None
) -> Stores:
    """Return the allowed managed stores whose costs are known, and the one that is named.

    Left out are free plans, and plans whose use has neither a price nor a limit.
    """
    found: Stores = {}
    for name in _store_names(book.prices):
        if not eligibility.allows(name.split("/")[0]):
            continue
        items = {kind: f"{name}/{kind}" for kind in STORE_KINDS}
        priced = {kind: price_if_sold(book, item, eligibility) for kind, item in items.items()}
        known = {kind: price for kind, price in priced.items() if price}
        plan = book.vector_stores.get(name)
        is_complete = "vector_read" in known or (plan is not None and plan.most_gb is not None)
        is_paid = any(price.value for price in known.values())
        if known and ((is_complete and is_paid) or eligibility.store == name):
            found[StoreOffer(name, dimensions, plan=plan)] = known
    return found


def _own_stores(
    machines: Sequence[AvailableCpu],
    are_own: bool,
    dimensions: float | None,
) -> Stores:
    """Return stores on the cheapest machine, and on the one with the cheapest memory."""
    found: Stores = {}
    for machine in best_cpus(machines, lambda cpu: cpu.memory_bytes):
        if machine.cpu is None:
            continue
        price, seller = machine.prices["cpu_hour"], machine.provider
        if are_own:
            price = _own_machine_price(machine)
            seller = OWN_STORE
        memory = float(machine.cpu.memory_bytes)
        store = StoreOffer(f"{seller}/{machine.name}", dimensions, memory)
        found[store] = {"cpu_hour": price}
    return found


def _own_machine_price(machine: AvailableCpu) -> Price:
    """Price of your own machine: that of the cheapest one for rent."""
    price = machine.prices["cpu_hour"]
    source = f"the price of a rented machine, {machine.provider}/{machine.name}: {price.source}"
    item = f"{OWN_STORE}/{machine.name}/cpu_hour"
    return price.model_copy(update={"item": item, "source": source})


def _vcpu_hour(machines: Sequence[AvailableCpu], are_own: bool) -> Price | None:
    """Price of a vCPU hour of the machine that is cheapest per vCPU."""
    found = best_cpus(machines, lambda cpu: cpu.vcpus)
    if not found or found[-1].cpu is None:
        return None
    machine, vcpus = found[-1], found[-1].cpu.vcpus
    price = machine.prices["cpu_hour"]
    if are_own:
        price = _own_machine_price(machine)
    item = f"{price.item.rpartition('/')[0]}/vcpu_hour"
    value = price.value / vcpus
    return price.model_copy(update={"item": item, "unit": KINDS["vcpu_hour"], "value": value})


def _chosen_stores(eligibility: EligibilityKey, book: PriceBook, stores: Stores) -> Stores:
    """Keep the store that the scenario names, by provider/product, by provider, or as `own`."""
    name = eligibility.store
    if name is None:
        return stores
    own = {store for store in stores if store.memory_bytes is not None}
    known = {*_store_names(book.prices), *(store.name for store in own), OWN_STORE}
    known |= {store.split("/")[0] for store in known}
    if name not in known:
        raise UnknownPrice("vector store", name, known)
    if name == OWN_STORE:
        return {store: stores[store] for store in stores if store in own}
    return {s: prices for s, prices in stores.items() if name in (s.name, s.name.split("/")[0])}


@lru_cache(maxsize=8)
def _store_names(prices: PriceTable) -> tuple[str, ...]:
    """Return provider/product of every managed vector store of the book."""
    stems = (item.rpartition("/") for item in prices.series)
    return tuple(dict.fromkeys(stem for stem, _, kind in stems if kind in STORE_KINDS))


def _cheapest(eligibility: EligibilityKey, book: PriceBook, kind: str) -> Price | None:
    """Return the cheapest price of a kind at the allowed providers; of equal ones by name."""
    items = [item for item in book.prices.series if item.endswith(f"/{kind}")]
    allowed = [item for item in items if eligibility.allows(item.split("/")[0])]
    found = [price for item in allowed if (price := price_if_sold(book, item, eligibility))]
    return min(found, key=lambda price: (price.value, price.item), default=None)
