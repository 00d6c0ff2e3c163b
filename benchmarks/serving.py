"""Published and estimated serving speeds, for each generation of engines and each GPU.

python -m benchmarks.serving [FILE]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import mean, median

from advisor.gpu.serving import first_token_seconds
from benchmarks.rows import row_number
from benchmarks.serving_rows import DATA_FILE, ServingCase, cases_of

HEAD = f"{'rows':>4} {'mean %':>7} {'bias %':>7} {'worst %':>8} {'in range %':>10} {'high/low':>8}"


def relative_errors(cases: Iterable[ServingCase]) -> list[float]:
    """Relative errors: estimated / measured - 1."""
    return [case.estimated / case.measured - 1.0 for case in cases]


def is_in_range(case: ServingCase) -> bool:
    """Whether the measurement is within the range."""
    return case.at(-1.0) <= case.measured <= case.at(1.0)


def score_line(cases: list[ServingCase]) -> str:
    """Count, mean and worst error, coverage and width of the range."""
    off = relative_errors(cases)
    covered = mean(is_in_range(case) for case in cases)
    width = median(case.at(1.0) / case.at(-1.0) for case in cases)
    return (
        f"{len(off):>4} {100 * mean(map(abs, off)):>7.1f} {100 * median(off):>7.1f} "
        f"{100 * max(off, key=abs):>8.1f} {100 * covered:>10.0f} {width:>8.2f}"
    )


def print_table(
    title: str, cases: list[ServingCase], key: Callable[[ServingCase], tuple[str, ...]]
) -> None:
    """Print a line for each group of rows."""
    groups: dict[tuple[str, ...], list[ServingCase]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    wide = max(len(" ".join(f"{name:<18}" for name in group)) for group in groups)
    print(f"\n{title:<{wide}} {HEAD}")
    for group, members in sorted(groups.items()):
        print(f"{' '.join(f'{name:<18}' for name in group):<{wide}} {score_line(members)}")


def print_first_tokens(cases: list[ServingCase]) -> None:
    """Print the errors of the time to first token on an idle server."""
    off: dict[tuple[str, str], list[float]] = {}
    for case in cases:
        measured = row_number(case.row, "ttft_ms")
        if measured and case.sequences == 1:
            seconds = float(first_token_seconds(case.serving, case.prompt))
            off.setdefault((case.engine.name, case.part), []).append(seconds * 1e3 / measured - 1)
    print(f"\n{'time to first token':<37} {'rows':>4} {'mean %':>7} {'bias %':>7} {'worst %':>8}")
    for (engine, part), found in sorted(off.items()):
        print(
            f"{engine:<18} {part:<18} {len(found):>4} {100 * mean(map(abs, found)):>7.1f} "
            f"{100 * median(found):>7.1f} {100 * max(found, key=abs):>8.1f}"
        )


def print_exclusions(cases: list[ServingCase], out: Counter[str]) -> None:
    """Print the number of rows that are not scored, by rule."""
    print("\nnot scored")
    for why, count in sorted(out.items()):
        print(f"{count:>4} {why}")
    cannot = sum(count for why, count in out.items() if why.startswith("cannot"))
    print(f"{len(cases) / (len(cases) + cannot):.0%} of the rows not excluded by a rule are scored")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "file", nargs="?", help=f"a CSV in the format of benchmarks/data/{DATA_FILE}"
    )
    cases, out = cases_of(parser.parse_args().file)
    print(
        "Constants are fitted on rows of T4 and A100 (python -m benchmarks.serving_fit); "
        "all others are test rows.\nError: estimated / measured output tokens per second - 1; "
        "bias is its median."
    )
    print_table("generation", cases, lambda case: (case.engine.name, case.part))
    print_table("generation, load", cases, lambda case: (case.engine.name, case.part, case.load))
    print_table(
        "generation, GPU", cases, lambda case: (case.engine.name, case.part, case.row["gpu"])
    )
    print_first_tokens(cases)
    print_exclusions(cases, out)


if __name__ == "__main__":
    main()
