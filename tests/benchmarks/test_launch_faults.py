"""Launchers are killed and answers lost, two hundred times in all: nothing is paid for twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.paths import ROOT


def test_no_launch_is_doubled_or_lost_whatever_is_killed() -> None:
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.launch_faults", "--n", "50"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(re.findall(r"^(\w+) +50 +(\d+) ", done.stdout, re.MULTILINE))
    assert set(table) == {"naive", "openai", "together", "fireworks"}
    assert int(table.pop("naive")) >= 15
    assert set(table.values()) == {"0"}
