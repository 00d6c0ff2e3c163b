"""Time of sweeps on this machine, against a loop of single answers.

python -m benchmarks.sweep_speed [--example NAME] [--points 50] [--draws 1000000] [--loop 100]

* variants: 10,000 variants of a question, all of its options ranked for each, without ranges.
* draws: the 90% range of the recommended option of each variant, simulated with 256 draws, for as
  many variants as add up to the number of draws.
* loop: `recommend` for each of some variants, one after the other, scaled to the same number.
  A single answer also ranks every option in each draw and writes all bills.

Points are compared with their single answers to the cent. Wall time; NumPy may use every core.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from advisor.decision.answer import Question, evaluate, recommend
from advisor.decision.sweep import SweepColumns, sweep, variant_grid
from advisor.estimate.sampling import DRAWS
from advisor.loading import example_question
from benchmarks.engine import AXES, single_answer, sweep_row

Variants = list[dict[str, Any]]


def seconds_of(act: Callable[[], Any]) -> tuple[float, Any]:
    """Run a function; return the seconds it takes, and its result."""
    started = time.perf_counter()
    result = act()
    return time.perf_counter() - started, result


def drawn_variants(question: Question, variants: Variants, draws: int) -> Variants:
    """Return as many variants as need this number of draws, evenly from the grid."""
    count = min(-(-draws // DRAWS), len(variants))
    step = len(variants) / count
    return [variants[int(place * step)] for place in range(count)]


def equal_points(
    question: Question, variants: Variants, columns: SweepColumns, points: int
) -> tuple[int, int]:
    """Return how many random variants equal their single answer to the cent, and of how many."""
    places = random.Random(1).sample(range(len(variants)), min(points, len(variants)))
    same = [
        sweep_row(columns, place) == single_answer(question, variants[place]) for place in places
    ]
    return sum(same), len(same)


def loop_seconds(question: Question, variants: list[Mapping[str, Any]]) -> float:
    """Seconds of one single answer, measured over some variants."""
    taken, _ = seconds_of(lambda: [single_answer(question, variant) for variant in variants])
    return taken / len(variants)


def line(name: str, seconds: float, loop: float | None = None) -> str:
    """Return a line of the table."""
    times = f"{loop:10.1f} s {loop / seconds:8.0f}x" if loop else ""
    return f"{name:54} {seconds:8.2f} s {times}".rstrip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--example", default="email-triage")
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--loop", type=int, default=100, help="single answers that are timed")
    flags = parser.parse_args()
    question, variants = example_question(flags.example), variant_grid(AXES)
    options = len(evaluate(question).options)
    recommend(question)  # warm-up: loads modules and the prices of the day
    some = drawn_variants(question, variants, flags.draws)
    ranked, plain = seconds_of(lambda: sweep(question, variants, ranges=False))
    drawn, columns = seconds_of(lambda: sweep(question, some))
    each = loop_seconds(question, random.Random(2).sample(variants, flags.loop))
    same, of = equal_points(question, some, columns, flags.points)
    print(f"{options} options, {len(set(plain.recommended))} of them win; {os.cpu_count()} cores")
    print(f"{'':54} {'sweep':>10} {'loop':>12} {'faster':>9}")
    print(line(f"{len(variants):,} variants, all options", ranked, each * len(variants)))
    count = f"{len(some):,} variants x {DRAWS} draws = {len(some) * DRAWS:,} draws"
    print(line(count, drawn, each * len(some)))
    print(f"{'points equal to the single answer to the cent':54} {same:8} of {of}")


if __name__ == "__main__":
    main()
