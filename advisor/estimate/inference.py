"""Monthly costs of inference billed per token, with prompt cache and batch discounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import EstimateContext, Sampling
from advisor.estimate.tokens import effective_hit_share, history_tokens, hit_share_from_arrivals
from advisor.inputs import Inputs
from advisor.options.batch import OptionBatch
from advisor.options.price_column import Mask, PriceColumn
from advisor.units import Number

MIN_REASONED_TOKENS = 64.0
"""A shorter answer takes as many reasoning tokens as one of this length; own judgement."""


@dataclass(frozen=True)
class RequestTokens:
    """Tokens of one request by billing category, in the tokenizer of the model."""

    prefix: Number
    varying: Number
    output: Number
    history: Number = 0.0
    """Part of the varying tokens that repeats earlier turns."""


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
        prefix=sized("prefix_tokens", prefix) + extra[0],
        varying=varying + history,
        output=output,
        history=history,
    )


def counted_factor(batch: OptionBatch, sampling: Sampling) -> NDArray[np.float64]:
    """Tokens of each model per counted token; 1 if all tokenizers are public."""
    low, likely, high = batch.token_factor
    if (low == high).all() and (likely == 1.0).all():
        return likely
    return np.asarray(sampling.value("tokens", low, likely, high))


def _reasoning_tokens(batch: OptionBatch, context: EstimateContext, completion: Number) -> Number:
    """Reasoning tokens, billed as output.

    As given, for every model that can produce them. Else a range, for models that always do, and
    for those that may where the task needs it: elsewhere the caller switches it off. Never fewer
    than the least that the model produces.
    """
    given, resolved = context.inputs.reasoning_tokens, context.resolved
    is_hard = resolved.mask(lambda s: s.needs.complex_reasoning) | (resolved.task == "reasoning")
    thinks = batch.reasons | (batch.may_think & is_hard)
    if np.isnan(given).all() and not thinks.any():
        return 0.0
    per_answer = context.sampling.of_percentiles("reasoning", context.evidence.reasoning_per_answer)
    assumed = per_answer * np.maximum(np.asarray(completion), MIN_REASONED_TOKENS)
    hidden = np.where(np.isnan(given), np.where(thinks, assumed, 0.0), given)
    starts = batch.reasons | (hidden > 0)
    hidden = np.where(starts, np.maximum(hidden, batch.least_thinking_tokens), 0.0)
    return np.where(batch.never_thinks, 0.0, hidden)


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

    A request that can wait goes into a batch only where that is cheaper, and a prefix is cached
    only where that is cheaper, if the caller can decide. Leaves out: taxes, and free tiers, which
    contract.py applies.
    """
    hit = _hit_share(batch, context, prompt.prefix)
    lines: list[CostLine] = []
    for size, requests in _by_length(batch, prompt, context.inputs).items():
        tiers = {
            tier: _tier(batch, f"{tier}{size}", prompt, hit, context)
            for tier in ("", "batch_", "flex_")
            if f"{tier}{size}input" in batch.prices
        }
        for tier, share in _tier_shares(tiers, context.inputs).items():
            lines += tiers[tier].lines(requests * share)
    return scaling_lines(lines)


def uncached_input(batch: OptionBatch, prompt: RequestTokens, context: EstimateContext) -> Number:
    """Input tokens of one request that are not read from the cache."""
    everything = prompt.prefix + np.asarray(prompt.varying)
    if "cached_input" not in batch.prices:
        return everything
    hit = _hit_share(batch, context, prompt.prefix)
    return np.asarray(everything - _cached_tokens(batch, "", prompt, hit, context)[0])


def _tier_shares(
    tiers: Mapping[str, TierRequest], inputs: Inputs
) -> dict[str, NDArray[np.float64]]:
    """Share of the requests in each tier: the cheapest of those that a request can take.

    What can wait for a batch can take the slower tier as well.
    """
    waits = inputs.batchable_share
    slower = np.maximum(inputs.flexible_share - waits, 0.0)
    normal, shares = np.asarray(tiers[""].usd), {}
    usd = {tier: np.where(one.is_offered, one.usd, np.inf) for tier, one in tiers.items()}
    flex = usd.get("flex_", np.array(np.inf))
    if "batch_" in tiers and waits.any():
        shares["batch_"] = waits * (usd["batch_"] <= np.minimum(normal, flex))
    if "flex_" in tiers and (waits.any() or slower.any()):
        shares["flex_"] = (waits - shares.get("batch_", 0.0) + slower) * (flex <= normal)
    return {"": np.asarray(1.0 - sum(shares.values())), **shares}


def _by_length(batch: OptionBatch, prompt: RequestTokens, inputs: Inputs) -> dict[str, Number]:
    """Split the requests by the length of the prompt: normal, and long where that has a price."""
    requests = inputs.requests_per_month
    if "long_input" not in batch.prices:
        return {"": requests}
    is_long = np.asarray(prompt.prefix + np.asarray(prompt.varying)) > batch.long_from_tokens
    if not is_long.any():
        return {"": requests}
    return {"": requests * ~is_long, "long_": requests * is_long}


TIER_NAMES = {
    "": "",
    "batch_": ", batch",
    "flex_": ", flex",
    "long_": ", long prompt",
    "batch_long_": ", long prompt, batch",
    "flex_long_": ", long prompt, flex",
}


@dataclass(frozen=True)
class TierRequest:
    """One request in one tier: the tokens of each line, and their prices."""

    tier: str
    tokens: tuple[tuple[str, Number, PriceColumn], ...]
    is_offered: Mask

    @cached_property
    def usd(self) -> Number:
        """Cost of one request [USD]."""
        total: Number = 0.0
        for _, tokens, price in self.tokens:
            total = total + np.asarray(tokens) * price.rate
        return total

    def lines(self, requests: Number) -> list[CostLine]:
        """List the monthly cost of a number of requests."""
        if not np.any(requests):
            return []
        return [
            priced_line(f"{what}{TIER_NAMES[self.tier]}", requests * np.asarray(tokens), price)
            for what, tokens, price in self.tokens
        ]


def _tier(
    batch: OptionBatch, tier: str, prompt: RequestTokens, hit: Number, context: EstimateContext
) -> TierRequest:
    """Return the tokens of one request in a tier; the prefix is cached where that is cheaper."""
    prices = batch.prices
    normal, output = prices[f"{tier}input"], prices[f"{tier}output"]
    cached, write = prices.get(f"{tier}cached_input"), prices.get(f"{tier}cache_write")
    sent = prompt.prefix + np.asarray(prompt.varying)
    tokens: list[tuple[str, Number, PriceColumn]] = [("input", sent, normal)]
    if cached:
        found, written = _cached_tokens(batch, tier, prompt, hit, context)
        tokens = [("input", sent - found - written, normal), ("cached prefix", found, cached)]
        if write:
            tokens.append(("prefix written to cache", written, write))
    tokens.append(("output", prompt.output, output))
    return TierRequest(tier, tuple(tokens), normal.known & output.known)


def _cached_tokens(
    batch: OptionBatch, tier: str, prompt: RequestTokens, hit: Number, context: EstimateContext
) -> tuple[Number, Number]:
    """Tokens of one request that are read from the cache, and that are written to it for a fee.

    Where writing has a fee, the cheapest of three is taken: to cache the prefix, to cache the whole
    prompt for the next turn, or nothing. What the caller cannot decide follows the seller.
    """
    prices = batch.prices
    normal, cached = prices[f"{tier}input"], prices[f"{tier}cached_input"]
    write = prices.get(f"{tier}cache_write")
    has_fee = write.known if write else np.array(False)
    share = np.where(cached.known, hit, 0.0)
    found = prompt.prefix * share
    written = np.where(has_fee & (share > 0), prompt.prefix - found, 0.0)
    choice, decides = context.resolved.mask, batch.caches_explicitly
    is_default = choice(lambda s: s.traffic.caching == "implicit")
    off = choice(lambda s: s.traffic.caching == "none") | (is_default & ~batch.caches_implicitly)
    if write:
        extra, discount = write.rate - normal.rate, normal.rate - cached.rate
        prefix_usd = written * extra - found * discount
        usd = prefix_usd
        if is_default.any() or (context.inputs.turns > 1).any():  # else no turn follows
            earlier, rest = _repeated_tokens(batch, prompt, context.inputs)
            whole_usd = rest * extra - earlier * discount
            is_whole = (decides & (whole_usd < prefix_usd)) | (is_default & batch.caches_implicitly)
            is_whole = is_whole & has_fee & cached.known
            found, written = np.where(is_whole, earlier, found), np.where(is_whole, rest, written)
            usd = np.where(is_whole, whole_usd, prefix_usd)
        off = off | (~is_default & (usd > 0))
    off = off & decides
    return np.where(off, 0.0, found), np.where(off, 0.0, written)


def _repeated_tokens(
    batch: OptionBatch, prompt: RequestTokens, inputs: Inputs
) -> tuple[Number, Number]:
    """Tokens of a request that the turn before began with, on average, and all others.

    A seller that caches implicitly and for a fee writes the whole prompt, up to the last message.
    Only the next turn of the same conversation begins with it.
    """
    everything = prompt.prefix + np.asarray(prompt.varying)
    is_long = everything >= batch.caching[2]
    earlier = prompt.prefix * (1 - 1 / inputs.turns) + np.asarray(prompt.history)
    return np.where(is_long, earlier, 0.0), np.where(is_long, everything - earlier, 0.0)
