"""docs/predictors.md, docs/advice.md and docs/actuals.md show what the benchmarks print."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    ("page", "command", "places"),
    [
        ("predictors", "benchmarks.memory", (0, 1)),
        ("predictors", "benchmarks.train_time", (3,)),
        ("predictors", "benchmarks.serving", (4,)),
        ("predictors", "benchmarks.encoder_cpu --stored", (5,)),
        ("actuals", "benchmarks.actuals", (0,)),
        ("advice", "benchmarks.decisions benchmarks/data/decision_cases_check.yaml", (1,)),
        ("advice", "benchmarks.decisions benchmarks/data/decision_cases_build.yaml", (2,)),
    ],
)
def test_a_table_in_the_docs_is_what_the_benchmark_prints(
    page: str, command: str, places: tuple[int, ...]
) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    printed = {line.rstrip() for line in done.stdout.splitlines()}

    shown = [line for place in places for line in blocks[place].splitlines()]
    assert len(shown) > 5
    assert [line for line in shown if line not in printed] == []
