"""Time to start and to answer from the command line, each compared with a peer in the same run.

python -m benchmarks.start [--dataset FILE ...] [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
COUNT = """
import csv, json, sys
from advisor.dataset.tokenizers import reference_encoding
encoding, text = reference_encoding("o200k_base"), open(sys.argv[1], encoding="utf-8").read()
print(len(encoding.encode(text, disallowed_special=())))
"""


def seconds(command: list[str], runs: int) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", action="append", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=5)
    flags = parser.parse_args()
    python, advisor = sys.executable, [sys.executable, "-m", "advisor"]
    datasets = [*flags.dataset, EXAMPLES / "data" / "email-triage.csv"]
    rows = [
        (
            "advisor --help",
            [*advisor, "--help"],
            "python -c 'import typer, rich.console'",
            [python, "-c", "import typer, rich.console"],
        ),
        (
            "import advisor",
            [python, "-c", "import advisor"],
            "python -c pass",
            [python, "-c", "pass"],
        ),
    ]
    for name in ("policy-faq.yaml", "email-triage.yaml"):
        rows.append(
            (
                f"recommend {name}",
                [*advisor, "recommend", str(EXAMPLES / name)],
                "import numpy, pydantic, typer",
                [python, "-c", "import numpy, pydantic, typer"],
            )
        )
    for path in datasets:
        ask = [
            *advisor,
            "recommend",
            "--dataset",
            str(path),
            "--set",
            "asked_on=2026-11-20",
            "--set",
            "traffic.requests_per_month=1e6",
        ]
        rows.append(
            (
                f"recommend {path.name}, 1M requests",
                ask,
                "tiktoken counts the file",
                [python, "-c", COUNT, str(path)],
            )
        )
    sys.stdout.write(f"{'command':44} {'seconds':>8}  {'peer':40} {'seconds':>8} {'ratio':>6}\n")
    for name, command, peer, peer_command in rows:
        ours, theirs = seconds(command, flags.runs), seconds(peer_command, flags.runs)
        sys.stdout.write(f"{name:44} {ours:8.2f}  {peer:40} {theirs:8.2f} {ours / theirs:6.2f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
