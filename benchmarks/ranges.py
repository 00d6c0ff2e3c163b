"""How often the 90% range of a bill contains the true cost: 88 to 92% is the target.

python -m benchmarks.ranges [--questions 60] [--truths 2000] [--seed 1] [--json]

A truth is one value for every uncertain input (cache share, reasoning tokens, tokens per word,
speeds, set-up, uptime, hours of work ...), drawn from its stated distribution with NumPy's PCG64
generator; the engine draws its own values from a low-discrepancy sequence. The range is the one of
the bill: 5th and 95th percentile, widened to the likely amount. Left out: amounts without
uncertainty, and amounts that take fewer than 20 values, such as hours of a number of machines: a
closed range of such a number contains more than 90% of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.decision.evaluate import Question, evaluate
from advisor.estimate.costs import AMOUNTS, batch_costs
from advisor.estimate.line import with_all_axes
from advisor.estimate.sampling import DIMENSIONS, Sampling, WorstEnd
from advisor.evidence import Percentiles
from advisor.prices.loader import load_prices
from advisor.units import Number
from benchmarks.random_questions import random_question

Array = NDArray[np.float64]
FEWEST_VALUES = 20
"""Amounts with fewer different values among the truths are discrete."""
TARGET = (0.88, 0.92)


@dataclass(frozen=True)
class TrueValues(Sampling):
    """Independent draws of the same distributions: truths to compare a range with."""

    uniform: dict[str, Array] = field(default_factory=dict, hash=False)
    """For each uncertain input, one number in 0..1 for each truth."""

    def value(
        self, name: str, low: Number, likely: Number, high: Number, worst: WorstEnd = "high"
    ) -> Number:
        """Return the true values of an input: triangular, by inverting its distribution."""
        u, low, likely, high = (
            np.asarray(v, float) for v in (self.uniform[name], low, likely, high)
        )
        width, left, right = high - low, likely - low, high - likely
        at_mode = np.divide(left, width, out=np.zeros(np.shape(width)), where=width > 0)
        rising = low + np.sqrt(u * np.maximum(width * left, 0.0))
        falling = high - np.sqrt((1.0 - u) * np.maximum(width * right, 0.0))
        return np.where(u < at_mode, rising, falling)

    def of_percentiles(self, name: str, known: Percentiles) -> Number:
        """Return the true values of an input that is known by three percentiles."""
        normal = np.array([NormalDist().inv_cdf(share) for share in self.uniform[name].tolist()])
        below, above = np.log(known.p50 / known.p10), np.log(known.p90 / known.p50)
        steps = normal / NormalDist().inv_cdf(0.9)
        return np.asarray(known.p50 * np.exp(steps * np.where(steps < 0, below, above)))


def true_values(seed: int, truths: int) -> TrueValues:
    """Draw truths with a generator that the engine does not use."""
    random = np.random.Generator(np.random.PCG64(seed))
    return TrueValues("draws", seed, {name: random.random(truths) for name in DIMENSIONS})


class Coverage(NamedTuple):
    """How often one range of one option contained the truth."""

    kind: str
    """Approach of the option."""
    amount: str
    share: float


def coverages(question: Question, truth: TrueValues) -> Iterator[Coverage]:
    """Compare the ranges of every option of a question with the truths."""
    evaluated = evaluate(question)
    stated = {entry.option.id: entry for entry in evaluated.drawn.entries}
    likely = {entry.option.id: entry.costs for entry in evaluated.likely.entries}
    context = replace(evaluated.context, sampling=truth)
    for batch in evaluated.candidates.batches:
        costs = batch_costs(batch, context)
        for amount in AMOUNTS:
            drawn = with_all_axes(getattr(costs, amount))[:, 0]
            true = np.broadcast_to(drawn, (len(batch.options), drawn.shape[-1]))
            for option, values in zip(batch.options, true, strict=True):
                if len(np.unique(values[:1000])) < FEWEST_VALUES:
                    continue
                low, high = stated[option.id].range(amount)
                middle = getattr(likely[option.id], amount)
                inside = (values >= min(low, middle)) & (values <= max(high, middle))
                yield Coverage(option.approach, amount, float(inside.mean()))


def table(found: list[Coverage]) -> str:
    """Return the coverage by kind of option and amount."""
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for coverage in found:
        for kind in (coverage.kind, "all options"):
            shares[kind, coverage.amount].append(coverage.share)
            shares[kind, "all amounts"].append(coverage.share)
    kinds = [*sorted({kind for kind, _ in shares} - {"all options"}), "all options"]
    columns = (*AMOUNTS, "all amounts")
    lines = [f"{'':14} {'ranges':>7} " + " ".join(f"{name:>11}" for name in columns)]
    for kind in kinds:
        cells = [_mean(shares[kind, name]) for name in columns]
        lines.append(f"{kind:14} {len(shares[kind, 'all amounts']):7,} " + " ".join(cells))
    low, high = TARGET
    near = np.mean([low <= coverage.share <= high for coverage in found])
    return "\n".join([*lines, f"single ranges with {low:.0%} to {high:.0%}: {near:.1%}"])


def _mean(shares: list[float]) -> str:
    return f"{np.mean(shares):11.1%}" if shares else f"{'-':>11}"


def main() -> int:
    """Print the table; the exit code is 1 if the overall share misses the target."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--truths", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse_args()
    book, found = load_prices(), list[Coverage]()
    for number in range(flags.questions):
        question = random_question(f"{flags.seed}-{number}", book)
        found += coverages(question, true_values(1000 * flags.seed + number, flags.truths))
    overall = float(np.mean([coverage.share for coverage in found]))
    if flags.json:
        rows = [coverage._asdict() for coverage in found]
        print(json.dumps({"overall": overall, "ranges": rows}))
    else:
        print(f"{len(found):,} ranges, {flags.truths:,} truths each\n{table(found)}")
    return int(not TARGET[0] <= overall <= TARGET[1])


if __name__ == "__main__":
    sys.exit(main())
