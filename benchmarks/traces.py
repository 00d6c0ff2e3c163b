"""Bills replayed from public traces: the second half of each, estimated from the first half.

python -m benchmarks.traces --azure code.csv conv.csv --mooncake conversation.jsonl

Files: Azure/AzurePublicDataset, `data/AzureLLMInferenceTrace_{code,conv}.csv`;
kvcache-ai/Mooncake, `FAST25-release/traces/conversation_trace.jsonl`. Neither is shipped.

An estimate reads requests, tokens and cache share of the first half, and goes through the engine.
Its range combines the load of another period (0.54 to 1.47 times, the days of ServeGen) with
the estimates from five-minute pieces of the first half. The actual bill adds up the requests of the
second half one by one: cached tokens from the hashes, with the shortest prefix of the seller; long
prompts at their rates. The last two columns show where an error comes from: the estimate with the
number of requests of the second half, and with its mean tokens and cache share as well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from advisor.decision.answer import recommend
from advisor.estimate.request_log import cached_share_of_trace, peak_factor_of_trace
from advisor.loading import make_question
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from benchmarks.trace_bills import LIFETIME_SECONDS, BillForecast, forecast
from benchmarks.trace_files import RequestTrace, read_azure, read_mooncake

ASKED_ON = "2026-11-28"
MODELS = (
    "openai/gpt-4.1-mini",
    "openai/gpt-5.4-mini",
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-opus-5",
    "google/gemini-3.5-flash-lite",
    "deepseek/deepseek-v4-pro",
)
"""Sellers with different caching: by itself, marked by the caller at a price, not at all."""
LIFETIMES_SECONDS = (60, 300, 3600)
WINDOWS_SECONDS = (1, 60, 300)


def cache_table(trace: RequestTrace) -> str:
    """Return the share of cached input tokens by lifetime and shortest prefix."""
    log = (trace.times, trace.blocks, trace.input_tokens)
    lines = [f"{'lifetime':>9} {'shortest prefix':>16} {'share of input tokens':>22}"]
    cases: list[tuple[int, int]] = [(seconds, 0) for seconds in LIFETIMES_SECONDS]
    for seconds, minimum in [*cases, (300, 1024), (300, 4096)]:
        share = cached_share_of_trace(*log, seconds, minimum)
        lines.append(f"{seconds:7} s {minimum:16,} {share:22.2%}")
    return "\n".join(lines)


def peak_table(traces: list[RequestTrace]) -> str:
    """Return the busiest window over the mean, next to what is assumed."""
    heads = " ".join(f"{f'busiest {seconds} s':>13}" for seconds in WINDOWS_SECONDS)
    lines = [f"{'trace':26} {'requests':>8} {'minutes':>8} {heads}"]
    for trace in traces:
        factors = [peak_factor_of_trace(trace.times, seconds) for seconds in WINDOWS_SECONDS]
        peaks = " ".join(f"{factor:13.1f}" for factor in factors)
        lines.append(f"{trace.name:26} {len(trace):8,} {trace.seconds / 60:8.0f} {peaks}")
    question = make_question({"asked_on": ASKED_ON, "traffic": {"requests_per_month": 1e6}})
    assumed = {one.path: one for one in recommend(question).assumptions}["traffic.peak_factor"]
    return "\n".join([*lines, f"assumed if not given: {assumed.value}. {assumed.says}"])


def bill_table(bills: list[BillForecast]) -> str:
    """Return estimate, range and actual bill of each second half."""
    lines = [
        f"{'trace':22} {'model':30} {'cached':>6} {'estimate':>8} {'90% range':>18} {'actual':>8} "
        f"{'inside':6} {'error':>7} {'requests':>8} {'means':>7}"
    ]
    for bill in bills:
        spread = f"{bill.low:,.2f} to {bill.high:,.2f}"
        given, own = (usd / bill.actual - 1 for usd in (bill.with_requests, bill.with_means))
        lines.append(
            f"{bill.trace:22} {bill.model:30} {bill.cached_share:6.1%} {bill.likely:8,.2f} "
            f"{spread:>18} {bill.actual:8,.2f} {'yes' if bill.inside else 'no':6} "
            f"{bill.error:+7.1%} {given:+8.1%} {own:+7.2%}"
        )
    inside = sum(bill.inside for bill in bills)
    return "\n".join([*lines, f"inside the range: {inside} of {len(bills)}"])


def known_models(book: PriceBook) -> list[str]:
    """Return the models that are in the book."""
    return [name for name in MODELS if name in book.models]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--azure", type=Path, nargs="*", default=[], help="CSV files")
    parser.add_argument("--mooncake", type=Path, nargs="*", default=[], help="JSONL files")
    flags = parser.parse_args()
    hashed = [read_mooncake(path) for path in flags.mooncake]
    traces = [*(read_azure(path) for path in flags.azure), *hashed]
    if not traces:
        parser.error("give the path of a trace: --azure FILE or --mooncake FILE")
    book = load_prices()
    for trace in hashed:
        print(f"Cache share, {trace.name}\n{cache_table(trace)}\n")
    bills = [
        forecast(trace, model, book, ASKED_ON) for trace in traces for model in known_models(book)
    ]
    print(f"Bill of the second half [USD]; caches are kept for {LIFETIME_SECONDS:g} s")
    print(f"{bill_table(bills)}\n")
    print(f"Load of the busiest window over the mean\n{peak_table(traces)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
