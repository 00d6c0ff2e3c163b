"""Traffic and the prices of a model -> the monthly lines of answering, with cache and batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.caching import effective_hit_share, hit_share_from_arrivals
from advisor.estimate.line import Line, priced, scaling
from advisor.estimate.point import Point
from advisor.estimate.tokens import history_tokens
from advisor.facts import Facts, Resolved
from advisor.models import ModelCard
from advisor.options.option import Option
from advisor.units import Number

REASONING_PER_ANSWER = (0.5, 2.0, 6.0)
"""Hidden tokens per visible one of models that always reason, when nobody says; own judgement."""
LEAST_REASONING_TOKENS = 64.0
FALLBACK_MINIMUM_TOKENS = 1024.0


@dataclass(frozen=True)
class Prompt:
    """Tokens of one request by how they are billed, after the tokenizer of the model."""

    prefix: Number
    varying: Number
    output: Number


def prompt_of(
    option: Option, resolved: Resolved, facts: Facts, point: Point, extra: tuple[Number, Number]
) -> Prompt:
    """Count what one request sends and gets.

    varying = context + question + tools + retrieved + earlier turns [tokens per request]

    Args:
        option: Whose tokenizer and habits count.
        resolved: Which numbers were counted in the dataset, so that they depend on the tokenizer.
        facts: The numbers of each variant.
        point: Where in their ranges the uncertain inputs stand.
        extra: Tokens added to the prefix, and to the part that varies.
    """
    factor = token_factor(option.counted_as, point)

    def sized(name: str, tokens: Number) -> Number:
        return tokens * factor if name in resolved.measured else tokens

    prefix = facts.tuned_prefix_tokens if option.trains else facts.prefix_tokens
    prefix = np.minimum(prefix, facts.prefix_tokens) if option.trains else prefix
    user = sized("user_tokens", facts.user_tokens)
    completion = sized("completion_tokens", facts.completion_tokens)
    output = completion + reasoning_tokens(option.card, facts, completion, point)
    varying = facts.context_tokens + user + facts.tool_tokens + extra[1]
    history = history_tokens(facts.turns, user, completion)
    return Prompt(
        prefix=sized("prefix_tokens", prefix) + extra[0], varying=varying + history, output=output
    )


def token_factor(card: ModelCard | None, point: Point) -> Number:
    """Tokens of this model per token counted; 1 where its tokenizer is public."""
    if card is None or card.token_factor is None:
        return 1.0
    factor = card.token_factor
    return point.value("tokens", factor.low, factor.likely, factor.high)


def reasoning_tokens(
    card: ModelCard | None, facts: Facts, completion: Number, point: Point
) -> Number:
    """Hidden tokens billed as output: as given, else a range for models that always reason."""
    if card is None or card.reasoning != "always":
        return 0.0
    low, likely, high = (
        np.maximum(share * np.asarray(completion), share * LEAST_REASONING_TOKENS)
        for share in REASONING_PER_ANSWER
    )
    assumed = point.value("reasoning", low, likely, high)
    return np.where(np.isnan(facts.reasoning_tokens), assumed, facts.reasoning_tokens)


def hit_share(option: Option, facts: Facts, prefix: Number, point: Point) -> Number:
    """Share of prefix tokens billed at the cached price; 0 below the provider's minimum."""
    card = option.card
    if card is None or card.cache is None or "cached_input" not in option.prices:
        return 0.0
    short = hit_share_from_arrivals(facts.requests_per_month, float(card.cache.ttl_low_seconds))
    long = hit_share_from_arrivals(facts.requests_per_month, float(card.cache.ttl_high_seconds))
    assumed = point.value("cache", 0.5 * short, 0.9 * short, np.maximum(long, short), dear="low")
    asked = np.where(np.isnan(facts.cache_hit_share), assumed, facts.cache_hit_share)
    minimum = card.cache.min_tokens
    return effective_hit_share(
        asked, prefix, FALLBACK_MINIMUM_TOKENS if minimum is None else float(minimum)
    )


def inference_lines(option: Option, prompt: Prompt, facts: Facts, point: Point) -> list[Line]:
    """List what a month of answering costs at a price per token.

    input = requests x (prefix not cached + varying), cached = requests x prefix x hit share,
    output = requests x (completion + reasoning) [tokens a month]

    Leaves out: free tiers, and taxes.
    """
    hit = hit_share(option, facts, prompt.prefix, point)
    is_long = _is_long(option, prompt)
    short = facts.requests_per_month * ~is_long
    batch = facts.batchable_share if "batch_input" in option.prices else 0.0
    tiers = {
        "": short * (1 - batch),
        "batch_": short * batch,
        "long_": facts.requests_per_month * is_long,
    }
    return scaling(
        line
        for tier, calls in tiers.items()
        if f"{tier}input" in option.prices
        for line in _tier(option, tier, calls, prompt, hit)
    )


def _is_long(option: Option, prompt: Prompt) -> NDArray[np.bool_]:
    """Whether the whole request is billed at the rates for long prompts."""
    known = option.card.long_context_from_tokens if option.card else None
    limit = float(known) if known and "long_input" in option.prices else np.inf
    return np.asarray(prompt.prefix + np.asarray(prompt.varying)) > limit


WORDS = {"": "", "batch_": ", batch", "long_": ", long prompt"}


def _tier(option: Option, tier: str, calls: Number, prompt: Prompt, hit: Number) -> list[Line]:
    prices, suffix = option.prices, WORDS[tier]
    cached_price = prices.get(f"{tier}cached_input", prices[f"{tier}input"])
    fresh = calls * prompt.prefix * (1 - np.asarray(hit))
    varying = calls * np.asarray(prompt.varying)
    written = prices.get(f"{tier}cache_write") if tier != "batch_" else None
    stored = np.where(np.asarray(hit) > 0, fresh, 0.0) if written else 0.0
    lines = [
        priced(f"input{suffix}", varying + fresh - stored, prices[f"{tier}input"]),
        priced(f"cached prefix{suffix}", calls * prompt.prefix * np.asarray(hit), cached_price),
        priced(f"output{suffix}", calls * np.asarray(prompt.output), prices[f"{tier}output"]),
    ]
    if written:
        lines.append(priced(f"prefix written to cache{suffix}", stored, written))
    return lines
