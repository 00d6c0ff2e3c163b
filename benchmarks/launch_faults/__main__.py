"""Fault injection for launches: how many jobs are paid twice if launchers are killed?

`python -m benchmarks.launch_faults --n 1000` prints a table: a naive "call, then save" launcher and
ours with each fake provider on loopback, with SIGKILL at every step boundary and at random times.
It fails if ours ever duplicates or loses a job, if the naive one duplicates less than 30 % of the
launches, or if a kind of fault never occurred.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from benchmarks.launch_faults.arms import ARMS, ArmResult, run_arm
from benchmarks.launch_faults.faults import FAULT_DECK, UPLOAD_DECK
from benchmarks.launch_faults.launchers import BOUNDARIES


def main() -> int:
    """Run every arm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=1000, help="launches per launcher")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--arm", choices=ARMS, action="append")
    flags = parser.parse_args()
    results = [run_arm(arm, flags.n, flags.seed) for arm in flags.arm or ARMS]
    print_results(results)
    wrong = find_violations(results) if not flags.arm else []
    for line in wrong:
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if wrong else 0


def print_results(results: list[ArmResult]) -> None:
    """Print the table."""
    print(
        f"{'launcher':<10} {'launches':>8} {'duplicated':>10} {'extra jobs':>10} {'lost':>5} "
        f"{'ids equal':>9} {'SIGKILLs':>8} {'manual':>6} {'seconds':>8}"
    )
    for one in results:
        print(
            f"{one.arm:<10} {one.launches:>8} {one.duplicated:>10} {one.extra:>10} {one.lost:>5} "
            f"{one.equal!s:>9} {one.kills:>8} {one.asked:>6} {one.seconds:>8.1f}"
        )
    for one in results:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(one.fired.items()))
        print(f"{one.arm}: faults {faults}")
        if one.arm != "naive":
            killed = ", ".join(f"{name} {count}" for name, count in sorted(one.boundaries.items()))
            print(f"{one.arm}: killed {killed}")


def find_violations(results: list[ArmResult]) -> list[str]:
    """Return the violated requirements."""
    wrong = []
    for one in results:
        if one.arm == "naive":
            if one.duplicated < 0.3 * one.launches:
                wrong.append(f"naive duplicated {one.duplicated} of {one.launches}: too few faults")
        elif one.duplicated or one.lost or not one.equal:
            wrong.append(
                f"{one.arm}: {one.duplicated} duplicated, {one.lost} lost, ids equal: {one.equal}"
            )
    fired = sum((one.fired for one in results), Counter[str]())
    missing = (set(FAULT_DECK) | set(UPLOAD_DECK)) - {None} - set(fired)
    if missing:
        wrong.append(f"faults that never occurred: {sorted(map(str, missing))}")
    killed = sum((one.boundaries for one in results if one.arm != "naive"), Counter[str]())
    unhit = [name for name in BOUNDARIES if not killed[name]]
    if unhit:
        wrong.append(f"boundaries without a kill: {unhit}")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
