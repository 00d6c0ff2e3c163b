"""Monthly costs of inference billed per token, with prompt cache and batch discounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import EstimateContext, Sampling
from advisor.estimate.tokens import effective_hit_share, history_tokens, hit_share_from_arrivals
from advisor.inputs import Inputs
from advisor.options.batch import OptionBatch
from advisor.units import Number

REASONING_PER_ANSWER = (0.5, 2.0, 6.0)
"""Reasoning tokens per completion token if not given, for models that always reason; own
judgement."""
MIN_REASONING_TOKENS = 64.0


@dataclass(frozen=True)
class RequestTokens:
    """Tokens of one request by billing category, in the tokenizer of the model."""

    prefix: Number
    varying: Number
    output: Number


def request_tokens(
    batch: OptionBatch, context: EstimateContext, extra: tuple[Number, Number]
) -> RequestTokens:
    """Return the input and output tokens of one request.

    varying = context + question + tools + retrieved + earlier turns [tokens per request]

    Numbers counted in the dataset depend on the tokenizer. *extra* is added to the prefix, and to
    the varying part.
    """
    inputs, measured = context.inputs, context.resolved.measured
    factor = counted_factor(batch, context.sampling) if measured else 1.0

    def sized(name: str, tokens: Number) -> Number:
        return tokens * factor if name in measured else tokens

    prefix: Number = inputs.prefix_tokens
    if batch.trains:
        prefix = np.minimum(inputs.tuned_prefix_tokens, inputs.prefix_tokens)
    user = sized("user_tokens", inputs.user_tokens)
    completion = sized("completion_tokens", inputs.completion_tokens)
    output = completion + _reasoning_tokens(batch, context, completion)
    varying = inputs.context_tokens + user + inputs.tool_tokens + extra[1]
    history = history_tokens(inputs.turns, user, completion)
    return RequestTokens(
        prefix=sized("prefix_tokens", prefix) + extra[0], varying=varying + history, output=output
    )


def counted_factor(batch: OptionBatch, sampling: Sampling) -> NDArray[np.float64]:
    """Tokens of each model per counted token; 1 if all tokenizers are public."""
    low, likely, high = batch.token_factor
    if (low == high).all() and (likely == 1.0).all():
        return likely
    return np.asarray(sampling.value("tokens", low, likely, high))


def _reasoning_tokens(batch: OptionBatch, context: EstimateContext, completion: Number) -> Number:
    """Reasoning tokens, billed as output: as given, else a range for models that always reason."""
    if not batch.reasons.any():
        return 0.0
    low, likely, high = (
        np.maximum(share * np.asarray(completion), share * MIN_REASONING_TOKENS)
        for share in REASONING_PER_ANSWER
    )
    assumed, given = context.sampling.value("reasoning", low, likely, high), context.inputs
    hidden = np.where(np.isnan(given.reasoning_tokens), assumed, given.reasoning_tokens)
    return np.where(batch.reasons, hidden, 0.0)


def _hit_share(batch: OptionBatch, context: EstimateContext, prefix: Number) -> Number:
    """Share of prefix tokens billed at the cached price; 0 below the provider's minimum."""
    if "cached_input" not in batch.prices:
        return 0.0
    low, high, minimum = batch.caching
    inputs = context.inputs
    short = hit_share_from_arrivals(inputs.requests_per_month, low)
    long = hit_share_from_arrivals(inputs.requests_per_month, high)
    assumed = context.sampling.value(
        "cache", 0.5 * np.asarray(short), 0.9 * np.asarray(short), np.maximum(long, short), "low"
    )
    asked = np.where(np.isnan(inputs.cache_hit_share), assumed, inputs.cache_hit_share)
    return effective_hit_share(asked, prefix, minimum)


def inference_lines(
    batch: OptionBatch, prompt: RequestTokens, context: EstimateContext
) -> list[CostLine]:
    """List the monthly cost of inference at prices per token.

    input = requests x (prefix not cached + varying), cached = requests x prefix x hit share,
    output = requests x (completion + reasoning) [tokens per month]

    Leaves out: free tiers, and taxes.
    """
    hit = _hit_share(batch, context, prompt.prefix)
    calls = _calls(batch, prompt, context.inputs)
    return scaling_lines(
        line
        for tier, requests in calls.items()
        if f"{tier}input" in batch.prices
        for line in _tier(batch, tier, requests, prompt, hit)
    )


def _calls(batch: OptionBatch, prompt: RequestTokens, inputs: Inputs) -> dict[str, Number]:
    """Split the requests by rate: normal, batch, long prompt."""
    requests = inputs.requests_per_month
    batch_share: Number = 0.0
    if "batch_input" in batch.prices:
        batch_share = inputs.batchable_share * batch.prices["batch_input"].known
    if "long_input" not in batch.prices:
        return {"": requests * (1 - batch_share), "batch_": requests * batch_share}
    is_long = np.asarray(prompt.prefix + np.asarray(prompt.varying)) > batch.long_from_tokens
    short = requests * ~is_long
    return {
        "": short * (1 - batch_share),
        "batch_": short * batch_share,
        "long_": requests * is_long,
    }


TIER_SUFFIXES = {"": "", "batch_": ", batch", "long_": ", long prompt"}


def _tier(
    batch: OptionBatch, tier: str, calls: Number, prompt: RequestTokens, hit: Number
) -> list[CostLine]:
    if not np.any(calls):
        return []
    prices, suffix = batch.prices, TIER_SUFFIXES[tier]
    normal = prices[f"{tier}input"]
    cached = prices.get(f"{tier}cached_input")
    sent = calls * np.asarray(prompt.prefix)
    fresh, found = sent * (1 - np.asarray(hit)), sent * np.asarray(hit)
    written = prices.get(f"{tier}cache_write") if tier != "batch_" else None
    stored: Number = 0.0
    if written:
        stored = np.where((np.asarray(hit) > 0) & written.known, fresh, 0.0)
    lines = [
        priced_line(f"input{suffix}", calls * np.asarray(prompt.varying) + fresh - stored, normal),
        priced_line(
            f"cached prefix{suffix}", found, cached.otherwise(normal) if cached else normal
        ),
        priced_line(f"output{suffix}", calls * np.asarray(prompt.output), prices[f"{tier}output"]),
    ]
    if written:
        lines.append(priced_line(f"prefix written to cache{suffix}", stored, written))
    return lines
