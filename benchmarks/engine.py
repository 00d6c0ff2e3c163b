"""CPU time of one answer and of a sweep of 10,000 variants, and whether both agree.

python -m benchmarks.engine [--example NAME] [--points N] [--before CHECKOUT]

With `--before`, the same benchmark runs in a checkout of an earlier version, with the environment
in its `.venv`, and its figures are printed next to these.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.decision.answer import Question, canonical_json, recommend
from advisor.decision.sweep import SweepColumns, sweep, variant_grid
from advisor.loading import example_question
from advisor.scenario.paths import with_paths

QUESTIONS = 20
AXES: dict[str, list[Any]] = {
    "quality.prompt_effort": ["none", "naive", "systematic", "unknown"],
    "traffic.requests_per_month": [round(10 ** (3 + i / 2)) for i in range(10)],
    "traffic.prefix_tokens": [50 * 2**i for i in range(10)],
    "quality.target": [0.6, 0.7, 0.8, 0.85, 0.9],
    "horizon_months": [3, 6, 12, 24, 36],
}
"""The first axis is categorical: each of its values needs a new list of options."""


def distinct_questions(question: Question, count: int) -> list[Question]:
    """Create questions with different numbers, so that no cache helps."""
    draw = random.Random(2)
    changes = [
        {
            "traffic.requests_per_month": round(10 ** draw.uniform(3, 8)),
            "traffic.prefix_tokens": draw.randint(50, 5_000),
            "traffic.user_tokens": draw.randint(20, 2_000),
            "horizon_months": draw.randint(1, 36),
        }
        for _ in range(count)
    ]
    return [replace(question, scenario=with_paths(question.scenario, one)) for one in changes]


def answer_milliseconds(questions: list[Question], with_sensitivity: bool) -> tuple[float, float]:
    """Median and maximum time of an answer, including its canonical JSON [ms]."""
    times = []
    for question in questions:
        asked = replace(question, with_sensitivity=with_sensitivity)
        started = time.process_time()
        canonical_json(recommend(asked))
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times), max(times)


def single_answer(question: Question, variant: Mapping[str, Any]) -> tuple[str, ...]:
    """Answer one variant alone; values in the order of `sweep_row`."""
    scenario = with_paths(question.scenario, variant)
    found = recommend(replace(question, scenario=scenario, with_sensitivity=False))
    option = next(o for o in found.options if o.id == found.decision.recommended)
    month = option.per_month
    return (
        option.id,
        option.one_off.likely,
        option.monthly.likely,
        month.likely,
        month.low,
        month.high,
    )


def sweep_row(columns: SweepColumns, i: int) -> tuple[str, ...]:
    """Return one variant of a sweep, in the same order."""
    return (
        columns.recommended[i],
        columns.one_off[i],
        columns.monthly[i],
        columns.per_month[i],
        columns.per_month_low[i],
        columns.per_month_high[i],
    )


def medians_before(checkout: Path, example: str) -> list[str]:
    """Run this benchmark in another checkout; return its medians of an answer as text."""
    command = [checkout / ".venv" / "bin" / "python", "-m", "benchmarks.engine", "--points", "1"]
    done = subprocess.run(
        [*command, "--example", example], cwd=checkout, capture_output=True, text=True, check=True
    )
    return [f", before {median} ms" for median in re.findall(r"([\d.]+) ms median", done.stdout)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="checkout of an earlier version")
    parser.add_argument("--example", default="email-triage")
    parser.add_argument("--points", type=int, default=50)
    flags = parser.parse_args()
    write, question = sys.stdout.write, example_question(flags.example)
    asked = distinct_questions(question, QUESTIONS + 1)
    canonical_json(recommend(asked.pop()))  # warm-up: loads modules and the prices of the day
    before = medians_before(flags.before, flags.example) if flags.before else ["", ""]
    for with_sensitivity, name, earlier in (
        (False, "answer without sensitivity", before[0]),
        (True, "answer with sensitivity", before[1]),
    ):
        median, worst = answer_milliseconds(asked, with_sensitivity)
        write(f"{name:44} {median:8.1f} ms median of {QUESTIONS}, max {worst:.1f} ms{earlier}\n")
    variants = variant_grid(AXES)
    started = time.process_time()
    columns = sweep(question, variants)
    taken = time.process_time() - started
    axes = " x ".join(f"{len(values)} {path}" for path, values in AXES.items())
    write(
        f"{f'sweep of {len(variants):,}, with ranges of each winner':44} {taken:8.2f} s\n  {axes}\n"
        f"  {len(set(columns.recommended))} different options win\n"
    )
    places = random.Random(1).sample(range(len(variants)), flags.points)
    same = sum(sweep_row(columns, i) == single_answer(question, variants[i]) for i in places)
    write(f"{'points equal to the single answer to the cent':44} {same:8} of {len(places)}\n")


if __name__ == "__main__":
    main()
