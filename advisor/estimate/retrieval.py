"""Costs of retrieval: embeddings, the cheapest vector store, and reranking."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from advisor.estimate.encoder_serving import cpu_speed
from advisor.estimate.line import Cadence, CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import EstimateContext
from advisor.inputs import CHANGES_PER_MONTH
from advisor.operations import OwnVectorStore
from advisor.options.batch import OptionBatch
from advisor.options.option import StoreOffer
from advisor.prices.services import VectorStorePlan
from advisor.units import HOURS_PER_MONTH, Number

RERANK_NAMES = {"rerank_tokens": "reranking", "rerank_search": "reranking, by search"}
EMBEDDING_ENCODER = "minilm_l6"
"""Small open model that embeds and reranks on your own machine."""
CHUNKS_PER_SEARCH = 100.0
"""Chunks that one billed search of a reranker covers. Source: https://cohere.com/pricing"""


@dataclass(frozen=True)
class IndexLoad:
    """Size and use of the index of a month."""

    vectors: Number
    dimensions: float
    text_bytes: Number
    """Bytes of the text of one chunk."""
    queries: Number
    written: Number
    """Vectors written again per month."""


@dataclass(frozen=True)
class StoreCost:
    """Cost of one vector store per month, and the lines it would have."""

    usd: Number
    """Infinite where the documents do not fit."""
    lines: tuple[CostLine, ...]


def retrieval_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the cost of embedding, of the vector store and of reranking.

    Only documents that changed are embedded again. Of the stores, the cheapest is used.

    Leaves out: overlap of chunks, deletions, and network traffic.
    """
    return [
        *_embedding_lines(batch, context),
        *_store_lines(batch, context),
        *_rerank_lines(batch, context),
    ]


def _changed_share(context: EstimateContext) -> Number:
    """Share of the documents that is embedded again per month; above 1 if they change often."""
    changes = context.resolved.column(lambda scenario: CHANGES_PER_MONTH[scenario.knowledge.change])
    return changes * context.inputs.changed_share


def _embedding_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    inputs, prices = context.inputs, batch.prices
    changed = inputs.corpus_tokens * _changed_share(context)
    questions = inputs.requests_per_month * inputs.user_tokens
    of_chunk: Number = 1.0
    of_question: Number = 1.0
    price = prices.get("embedding")
    if price is None:
        price = prices["embedding_vcpu_hour"]
        of_chunk = _vcpu_hours(1.0, inputs.chunk_tokens, context) / inputs.chunk_tokens
        asked = np.maximum(inputs.user_tokens, 1.0)
        of_question = _vcpu_hours(1.0, asked, context) / asked
    return [
        priced_line("embedding the documents", inputs.corpus_tokens * of_chunk, price, "once"),
        priced_line("embedding changed documents", changed * of_chunk, price),
        *scaling_lines([priced_line("embedding the questions", questions * of_question, price)]),
    ]


def _vcpu_hours(texts: Number, tokens: Number, context: EstimateContext) -> Number:
    """Hours of one vCPU that embed texts with a small open model."""
    model = context.evidence.encoder_cpu.encoders[EMBEDDING_ENCODER]
    weights, width = model.parameters_without_embeddings, model.hidden_size
    return texts / (np.asarray(cpu_speed(weights, width, tokens, context)) * 3600.0)


def _store_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the lines of the cheapest store; all options of a batch have the same ones."""
    row = next((k for k, option in enumerate(batch.options) if option.stores), None)
    if row is None:
        return []
    stores, load = batch.options[row].stores, _index_load(batch, row, context)
    facts = context.evidence.operations.vector_search
    managed = [
        _managed_cost(_StorePrices(batch, row, store), load)
        for store in stores
        if store.memory_bytes is None
    ]
    fits = np.any([np.isfinite(cost.usd) for cost in managed], axis=0) if managed else False
    is_large = load.vectors > facts.own_store.most_vectors
    own = [
        _own_cost(_StorePrices(batch, row, store), facts.own_store, load, context)
        for store in stores
        if store.memory_bytes is not None
    ]
    own = [replace(cost, usd=np.where(is_large & fits, np.inf, cost.usd)) for cost in own]
    return _cheapest_lines([*managed, *own])


def _index_load(batch: OptionBatch, row: int, context: EstimateContext) -> IndexLoad:
    facts, inputs = context.evidence.operations.vector_search, context.inputs
    dimensions = batch.options[row].stores[0].dimensions or facts.assumed_dimensions
    vectors = inputs.corpus_tokens / inputs.chunk_tokens
    text_bytes = inputs.chunk_tokens * facts.bytes_per_token
    written = vectors * _changed_share(context)
    return IndexLoad(vectors, dimensions, text_bytes, inputs.requests_per_month, written)


@dataclass(frozen=True)
class _StorePrices:
    """Prices of one store."""

    batch: OptionBatch
    row: int
    """First option that uses retrieval."""
    store: StoreOffer

    def rate(self, kind: str) -> Number:
        """USD per unit; 0 without such a price."""
        column = self.batch.prices.get(f"{kind}@{self.store.name}")
        return np.asarray(column.rate)[self.row : self.row + 1] if column else 0.0

    def line(
        self, what: str, kind: str, quantity: Number, cadence: Cadence = "month"
    ) -> list[CostLine]:
        """Return a line at one of the prices, if the store has it."""
        column = self.batch.prices.get(f"{kind}@{self.store.name}")
        return [priced_line(what, quantity, column, cadence)] if column else []


def _managed_cost(prices: _StorePrices, load: IndexLoad) -> StoreCost:
    """Cost of a managed store: what is used, at least the minimum of its plan."""
    facts = prices.store.plan or _plan_without_facts(prices.store.name)
    record = facts.bytes_per_dimension * load.dimensions + load.text_bytes
    gb = load.vectors * record / 1e9
    reads = load.queries * np.maximum(gb / facts.read_unit_gb, facts.least_read_units)
    units = np.maximum(record / facts.write_unit_bytes, facts.least_write_units)
    first, writes = load.vectors * units, load.written * units
    used = gb * prices.rate("vector_storage_gb_month") + reads * prices.rate("vector_read")
    used = used + writes * prices.rate("vector_write")
    minimum, once = prices.rate("vector_minimum_month"), first * prices.rate("vector_write")
    is_above = used >= minimum
    charged = np.clip(used + once - minimum, 0.0, once) / np.maximum(once, 1e-300)
    limits = (facts.most_gb, facts.most_reads, facts.most_writes)
    is_within = [
        np.asarray(used) <= limit
        for used, limit in zip((gb, reads, writes + first), limits, strict=True)
        if limit is not None
    ]
    fits = np.logical_and.reduce(is_within) if is_within else True
    name = facts.display_name
    below = np.where(is_above, 0.0, 1.0)
    stored, read, again = (np.where(is_above, each, 0.0) for each in (gb, reads, writes))
    lines = [
        *prices.line(f"vector store, {name}", "vector_minimum_month", below),
        *prices.line(f"vector storage, {name}", "vector_storage_gb_month", stored),
        *prices.line(f"vector reads, {name}", "vector_read", read),
        *prices.line(f"vector writes, {name}", "vector_write", again),
        *prices.line(f"first vector writes, {name}", "vector_write", first * charged, "once"),
    ]
    usd = np.where(fits, np.maximum(used, minimum), np.inf)
    return StoreCost(usd, tuple(lines))


def _plan_without_facts(name: str) -> VectorStorePlan:
    """Return a plan with the units of other stores, for one that the price book has prices of."""
    return VectorStorePlan(name=name, display_name=name, source="price book")


def _own_cost(
    prices: _StorePrices, facts: OwnVectorStore, load: IndexLoad, context: EstimateContext
) -> StoreCost:
    """Cost of a store on your own machines, whose memory holds all vectors."""
    memory = (prices.store.memory_bytes or 0.0) * facts.usable_memory_share
    needed = load.vectors * load.dimensions * 4.0 * facts.memory_factor
    spare = context.resolved.mask(lambda scenario: scenario.hosting.high_availability)
    machines = np.maximum(np.ceil(needed / memory), 1.0) + spare
    hours = machines * HOURS_PER_MONTH
    lines = prices.line(f"vector store on {prices.store.name}", "cpu_hour", hours)
    lines = [replace(line, machines=machines) for line in lines]
    return StoreCost(hours * prices.rate("cpu_hour"), tuple(lines))


def _cheapest_lines(costs: list[StoreCost]) -> list[CostLine]:
    """Return the lines of every store, with quantities where it is the cheapest."""
    if not costs:
        return []
    usd = np.stack(np.broadcast_arrays(*(np.asarray(cost.usd) for cost in costs)))
    chosen = np.argmin(usd, axis=0)
    return [
        replace(
            line,
            quantity=np.where(chosen == place, line.quantity, 0.0),
            machines=np.where(chosen == place, line.machines, 0.0),
        )
        for place, cost in enumerate(costs)
        if (chosen == place).any()
        for line in cost.lines
    ]


def _rerank_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the cost of reranking, at the cheaper of a price per search and one per token."""
    asked = context.resolved.mask(lambda scenario: scenario.knowledge.rerank)
    if not asked.any():
        return []
    inputs, prices = context.inputs, batch.prices
    chunks = inputs.top_k * context.evidence.operations.vector_search.reranked_per_chunk
    queries = inputs.requests_per_month * asked
    size = inputs.chunk_tokens + inputs.user_tokens
    if "rerank_vcpu_hour" in prices:
        hours = _vcpu_hours(queries * chunks, size, context)
        return scaling_lines([priced_line("reranking", hours, prices["rerank_vcpu_hour"])])
    quantities = {
        "rerank_tokens": queries * chunks * size,
        "rerank_search": queries * np.ceil(chunks / CHUNKS_PER_SEARCH),
    }
    known = {kind: prices[kind] for kind in quantities if kind in prices}
    if not known:
        return []
    usd = [quantities[kind] * np.max(price.rate, axis=0) for kind, price in known.items()]
    chosen = np.argmin(np.stack(np.broadcast_arrays(*usd)), axis=0)
    return scaling_lines(
        priced_line(RERANK_NAMES[kind], np.where(chosen == place, quantities[kind], 0.0), price)
        for place, (kind, price) in enumerate(known.items())
    )
