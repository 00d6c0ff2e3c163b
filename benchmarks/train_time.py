"""Published and estimated training times, for each source and GPU.

python -m benchmarks.train_time [FILE] scores published runs without a probe, then with one earlier
run of the same source and GPU instead of a probe of the host. `--here` probes this machine, then
predicts and measures the training of ten tiny models on it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from advisor.gpu.throughput import PAST_RUN_RANGE, TIME_RANGE
from benchmarks.time_rows import DATA_FILE, TimingCase, cases_of

TABLE_HEAD = (
    f"{'rows':>5} {'mean %':>7} {'bias %':>7} {'worst %':>8} {'in range %':>10} {'high/low':>8}"
)
TARGETS = {
    "without a probe": "85 to 97 % in range at high/low 3",
    "with a past run": "none; the target for a probe of the host is 1.5",
}


@dataclass(frozen=True)
class TimingScore:
    """One row: measured and estimated time, with the range."""

    group: tuple[str, ...]
    part: str
    measured: float
    estimated: float
    low: float
    high: float

    @property
    def off(self) -> float:
        """Relative error."""
        return self.estimated / self.measured - 1.0


def score_rows(
    cases: Iterable[TimingCase], ratios: Mapping[str, float] | None = None
) -> list[TimingScore]:
    """Score rows by the formulas, optionally corrected by the first row of each host.

    Args:
        cases: Rows.
        ratios: Host -> measured / estimated time of its first row, which is not scored.
    """
    low, _, high = TIME_RANGE if ratios is None else PAST_RUN_RANGE
    found = []
    for case in cases:
        ratio = 1.0 if ratios is None else ratios[host_of(case)]
        seconds = case.estimated * ratio
        found.append(
            TimingScore(
                (case.row["source"], case.gpu),
                case.part,
                case.measured,
                seconds,
                seconds * low,
                seconds * high,
            )
        )
    return found


def host_of(case: TimingCase) -> str:
    """Return the group that one past run calibrates: source, GPU, number of GPUs and method."""
    return " ".join(case.row[name] for name in ("source", "gpu", "n_gpu", "method"))


def with_past_run(cases: list[TimingCase]) -> list[TimingScore]:
    """Use the first row of each host as its probe, and score the others."""
    first: dict[str, TimingCase] = {}
    rest = [case for case in cases if first.setdefault(host_of(case), case) is not case]
    return score_rows(rest, {host: one.measured / one.estimated for host, one in first.items()})


def score_line(found: list[TimingScore]) -> str:
    """Count; mean, median and worst error; coverage and width of the range."""
    off = [one.off for one in found]
    covered = mean(one.low <= one.measured <= one.high for one in found)
    width = median(one.high / one.low for one in found)
    return (
        f"{len(off):>5} {100 * mean(map(abs, off)):>7.1f} {100 * median(off):>7.1f} "
        f"{100 * max(off, key=abs):>8.1f} {100 * covered:>10.0f} {width:>8.2f}"
    )


def print_table(title: str, found: list[TimingScore]) -> None:
    """Print a line for each source and GPU, then for all rows of fit and of test."""
    print(f"\n{title:<58} {TABLE_HEAD}")
    for part in ("fit", "test"):
        groups: dict[tuple[str, ...], list[TimingScore]] = {}
        for one in found:
            if one.part == part:
                groups.setdefault(one.group, []).append(one)
        for (source, gpu), members in sorted(groups.items()):
            print(f"{part:<5} {source:<34} {gpu:<17} {score_line(members)}")
        scores = [one for one in found if one.part == part]
        if scores:
            print(f"{part:<5} {'all':<34} {'':<17} {score_line(scores)}")


def print_exclusions(scored: int, out: Counter[str]) -> None:
    """Print the number of rows that are not scored, by rule."""
    print("\nnot scored")
    for why, count in sorted(out.items()):
        print(f"{count:>5} {why}")
    cannot = sum(count for why, count in out.items() if why.startswith("cannot"))
    print(f"{scored / (scored + cannot):.1%} of the rows not excluded by a rule are scored")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "file", nargs="?", type=Path, help=f"a CSV in the format of {DATA_FILE.name}"
    )
    parser.add_argument("--here", action="store_true", help="probe this machine and train on it")
    flags = parser.parse_args()
    if flags.here:
        from benchmarks.train_here import main as go

        return go()
    cases, out = cases_of(flags.file)
    plain = [case for case in cases if not case.other_kernels]
    others = [case for case in cases if case.other_kernels]
    print(
        "Constants are fitted on rows of T4 and A100 (python -m benchmarks.time_fit); all others "
        "are test rows.\nError: estimated / measured seconds per step - 1; bias is its median."
    )
    for name, found in (
        ("without a probe", score_rows(plain)),
        ("with a past run", with_past_run(plain)),
    ):
        print_table(f"{name} (target: {TARGETS[name]})", found)
    if others:
        print_table("other kernels; nothing was fitted for them", score_rows(others))
    print_exclusions(len(cases), out)
    return None


if __name__ == "__main__":
    main()
