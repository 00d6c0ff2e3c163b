"""Properties of the answers on random questions: a table of violations, with one example each.

python -m benchmarks.properties [--questions 1000] [--seed 1] [--only CHECK] [--jobs 1] [--json]

*compared* counts comparisons, *moved* those in which the two sides differ at all: a property of a
field that the engine does not read holds trivially. Violations are counted at the likely cost and
at both ends of its 90% range; *questions* counts the random questions with any. To ask one of them
again: `random_question("1-9", load_prices())`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from advisor.prices.loader import load_prices
from benchmarks.property_checks import CHECKS, ENDS, Check, Comparison, Subject, comparisons
from benchmarks.random_questions import random_question

CHUNK = 25
"""Questions of one task of a process."""


@dataclass
class Tally:
    """Comparisons of one property over all questions."""

    compared: int = 0
    moved: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    """By end: likely, low, high."""
    seeds: set[str] = field(default_factory=set)
    """Questions with a violation."""
    example: str = ""

    def add(self, seed: str, comparison: Comparison) -> None:
        """Count one comparison."""
        self.compared += 1
        self.moved += comparison.has_effect
        if comparison.violation:
            self.violations[comparison.end] += 1
            self.seeds.add(seed)
            self.example = self.example or f"{seed}: {comparison.violation}"

    def merge(self, other: Tally) -> None:
        """Add the counts of other questions."""
        self.compared += other.compared
        self.moved += other.moved
        self.violations += other.violations
        self.seeds |= other.seeds
        self.example = self.example or other.example

    def as_mapping(self) -> dict[str, Any]:
        """Return the counts by name."""
        violations = {end: self.violations[end] for end in ENDS}
        return {
            "compared": self.compared,
            "moved": self.moved,
            "violations": violations,
            "questions": len(self.seeds),
            "example": self.example,
        }


Tallies = dict[str, Tally]


def tallied(seeds: Iterable[str], checks: Mapping[str, Check]) -> Tallies:
    """Run checks on the questions of some seeds."""
    book, found = load_prices(), {}
    for seed in seeds:
        subject = Subject(seed, random_question(seed, book))
        for comparison in comparisons(subject, checks):
            found.setdefault(comparison.name, Tally()).add(seed, comparison)
    return found


def _tallied_by_name(seeds: list[str], names: list[str]) -> Tallies:
    return tallied(seeds, {name: CHECKS[name] for name in names})


def tallied_in_parallel(seeds: list[str], names: list[str], jobs: int) -> Tallies:
    """Run checks on the questions of some seeds, in several processes."""
    if jobs == 1:
        return _tallied_by_name(seeds, names)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    found: Tallies = {}
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(_tallied_by_name, chunks, [names] * len(chunks)):
            for name, tally in part.items():
                found.setdefault(name, Tally()).merge(tally)
    return found


def table(found: Tallies) -> str:
    """Return the table, and one example of each violation."""
    width = max(map(len, found), default=0)
    head = f"{'property':{width}} {'compared':>9} {'moved':>9} {'likely':>7} {'low':>7} {'high':>7}"
    lines = [f"{head} {'questions':>9}"]
    for name in sorted(found, key=lambda name: name == "no crash"):
        tally = found[name]
        counts = " ".join(f"{tally.violations[end]:7,}" for end in ENDS)
        lines.append(
            f"{name:{width}} {tally.compared:9,} {tally.moved:9,} {counts} {len(tally.seeds):9,}"
        )
    examples = [f"{name}\n  {tally.example}" for name, tally in found.items() if tally.example]
    return "\n".join([*lines, *(["", "One example each:", *examples] if examples else [])])


def main() -> int:
    """Print the table; the exit code is 1 if a property is violated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=CHECKS, action="append", help="checks to run")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse_args()
    seeds = [f"{flags.seed}-{number}" for number in range(flags.questions)]
    started = time.perf_counter()
    found = tallied_in_parallel(seeds, flags.only or list(CHECKS), flags.jobs)
    if flags.json:
        print(json.dumps({name: tally.as_mapping() for name, tally in found.items()}, indent=1))
    else:
        print(table(found))
        seconds = time.perf_counter() - started
        print(f"\n{flags.questions:,} random questions in {seconds:.0f} s", file=sys.stderr)
    return int(any(tally.seeds for tally in found.values()))


if __name__ == "__main__":
    sys.exit(main())
