"""docs/predictors.md shows what the benchmarks print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(("module", "places"), [
    ("benchmarks.memory", (0, 1)), ("benchmarks.train_time", (3,)), ("benchmarks.serving", (4,)),
])  # fmt: skip
def test_a_table_in_the_docs_is_what_the_benchmark_prints(
    module: str, places: tuple[int, ...]
) -> None:
    blocks = BLOCK.findall((TOP / "docs" / "predictors.md").read_text())
    done = subprocess.run([sys.executable, "-m", module], cwd=TOP, capture_output=True, text=True)
    printed = {line.rstrip() for line in done.stdout.splitlines()}

    shown = [line for place in places for line in blocks[place].splitlines()]
    assert len(shown) > 5
    assert [line for line in shown if line not in printed] == []
