"""Traffic and the prices of a model -> the monthly lines of answering, with cache and batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import Sampling
from advisor.estimate.tokens import effective_hit_share, history_tokens, hit_share_from_arrivals
from advisor.inputs import Inputs, ResolvedScenario
from advisor.options.batch import OptionBatch, token_factor_range
from advisor.prices.models import ModelCard
from advisor.units import Number

REASONING_PER_ANSWER = (0.5, 2.0, 6.0)
"""Hidden tokens per visible one of models that always reason, when nobody says; own judgement."""
MIN_REASONING_TOKENS = 64.0


@dataclass(frozen=True)
class RequestTokens:
    """Tokens of one request by how they are billed, after the tokenizer of the model."""

    prefix: Number
    varying: Number
    output: Number


def request_tokens(
    panel: OptionBatch,
    resolved: ResolvedScenario,
    facts: Inputs,
    point: Sampling,
    extra: tuple[Number, Number],
) -> RequestTokens:
    """Count what one request sends and gets.

    varying = context + question + tools + retrieved + earlier turns [tokens per request]

    Args:
        panel: Whose tokenizers and habits count.
        resolved: Which numbers were counted in the dataset, so that they depend on the tokenizer.
        facts: The numbers of each variant.
        point: Where in their ranges the uncertain inputs stand.
        extra: Tokens added to the prefix, and to the part that varies.
    """
    factor = counted_factor(panel, point) if resolved.measured else 1.0

    def sized(name: str, tokens: Number) -> Number:
        return tokens * factor if name in resolved.measured else tokens

    prefix: Number = facts.prefix_tokens
    if panel.trains:
        prefix = np.minimum(facts.tuned_prefix_tokens, facts.prefix_tokens)
    user = sized("user_tokens", facts.user_tokens)
    completion = sized("completion_tokens", facts.completion_tokens)
    output = completion + reasoning_tokens(panel, facts, completion, point)
    varying = facts.context_tokens + user + facts.tool_tokens + extra[1]
    history = history_tokens(facts.turns, user, completion)
    return RequestTokens(
        prefix=sized("prefix_tokens", prefix) + extra[0], varying=varying + history, output=output
    )


def token_factor(card: ModelCard | None, point: Sampling) -> Number:
    """Tokens of this model per token counted; 1 where its tokenizer is public."""
    return point.value("tokens", *token_factor_range(card))


def counted_factor(panel: OptionBatch, point: Sampling) -> NDArray[np.float64]:
    """Tokens of each model per token counted; 1 for all where all tokenizers are public."""
    low, likely, high = panel.token_factor
    if (low == high).all() and (likely == 1.0).all():
        return likely
    return np.asarray(point.value("tokens", low, likely, high))


def reasoning_tokens(
    panel: OptionBatch, facts: Inputs, completion: Number, point: Sampling
) -> Number:
    """Hidden tokens billed as output: as given, else a range for models that always reason."""
    if not panel.reasons.any():
        return 0.0
    low, likely, high = (
        np.maximum(share * np.asarray(completion), share * MIN_REASONING_TOKENS)
        for share in REASONING_PER_ANSWER
    )
    assumed = point.value("reasoning", low, likely, high)
    hidden = np.where(np.isnan(facts.reasoning_tokens), assumed, facts.reasoning_tokens)
    return np.where(panel.reasons, hidden, 0.0)


def hit_share(panel: OptionBatch, facts: Inputs, prefix: Number, point: Sampling) -> Number:
    """Share of prefix tokens billed at the cached price; 0 below the provider's minimum."""
    if "cached_input" not in panel.prices:
        return 0.0
    low, high, minimum = panel.caching
    short = hit_share_from_arrivals(facts.requests_per_month, low)
    long = hit_share_from_arrivals(facts.requests_per_month, high)
    assumed = point.value(
        "cache", 0.5 * np.asarray(short), 0.9 * np.asarray(short), np.maximum(long, short), "low"
    )
    asked = np.where(np.isnan(facts.cache_hit_share), assumed, facts.cache_hit_share)
    return effective_hit_share(asked, prefix, minimum)


def inference_lines(
    panel: OptionBatch, prompt: RequestTokens, facts: Inputs, point: Sampling
) -> list[CostLine]:
    """List what a month of answering costs at a price per token.

    input = requests x (prefix not cached + varying), cached = requests x prefix x hit share,
    output = requests x (completion + reasoning) [tokens a month]

    Leaves out: free tiers, and taxes.
    """
    hit = hit_share(panel, facts, prompt.prefix, point)
    calls = _calls(panel, prompt, facts)
    return scaling_lines(
        line
        for tier, requests in calls.items()
        if f"{tier}input" in panel.prices
        for line in _tier(panel, tier, requests, prompt, hit)
    )


def _calls(panel: OptionBatch, prompt: RequestTokens, facts: Inputs) -> dict[str, Number]:
    """Part the requests by the rates they are billed at: usual, in a batch, for long prompts."""
    requests = facts.requests_per_month
    batch: Number = 0.0
    if "batch_input" in panel.prices:
        batch = facts.batchable_share * panel.prices["batch_input"].known
    if "long_input" not in panel.prices:
        return {"": requests * (1 - batch), "batch_": requests * batch}
    is_long = np.asarray(prompt.prefix + np.asarray(prompt.varying)) > panel.long_from_tokens
    short = requests * ~is_long
    return {"": short * (1 - batch), "batch_": short * batch, "long_": requests * is_long}


TIER_SUFFIXES = {"": "", "batch_": ", batch", "long_": ", long prompt"}


def _tier(
    panel: OptionBatch, tier: str, calls: Number, prompt: RequestTokens, hit: Number
) -> list[CostLine]:
    if not np.any(calls):
        return []
    prices, suffix = panel.prices, TIER_SUFFIXES[tier]
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
