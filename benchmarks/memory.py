"""Estimated and measured memory of published training runs, compared with other estimators.

python -m benchmarks.memory [FILE] [--peers FOLDER] [--each]
FOLDER/NAME has a peer, installed with `uv pip install --target FOLDER/NAME NAME`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from advisor.gpu.memory import (
    MEMORY_RANGE,
    allocated_bytes,
    base_bytes,
    process_bytes,
    reserved_bytes,
)
from advisor.prices.loader import load_prices
from advisor.units import GIB
from benchmarks.memory_rows import MemoryCase, case_of
from benchmarks.peers import PEERS, peer_answers
from benchmarks.rows import (
    PeakKind,
    Row,
    exclusion_counts,
    exclusion_reason,
    has_other_kernels,
    peak_kind,
    read_rows,
    row_number,
    row_part,
)
from benchmarks.scores import HEADING, ErrorSummary, EstimatePair, card_verdicts

DATA = Path(__file__).parent / "data" / "measured_training.csv"
OUR_ESTIMATES = {"allocated": allocated_bytes, "reserved": reserved_bytes, "process": process_bytes}
ALL_KINDS = re.compile(r"alloc ([\d.]+) / reserved ([\d.]+) / process ([\d.]+) MiB")
"""Raw peak of rows that report all three kinds."""
T4_CONTEXT_BYTES = 141 * 2**20


def print_text(text: str) -> None:
    """Print a text as it is."""
    sys.stdout.write(text)


def estimated_bytes(case: MemoryCase, kind: PeakKind) -> float:
    """Estimate one kind of peak [bytes]; the context of a T4 is smaller."""
    if kind == "process" and "T4" in case.row["gpu"]:
        return float(process_bytes(case.shape, case.setup, T4_CONTEXT_BYTES))
    return float(OUR_ESTIMATES[kind](case.shape, case.setup))


def measured_peaks(case: MemoryCase) -> dict[PeakKind, float]:
    """Return all kinds of measured peak [bytes]; the first is that of the peak column."""
    found: dict[PeakKind, float] = {
        peak_kind(case.row): (row_number(case.row, "peak_gib") or 0.0) * GIB
    }
    told = ALL_KINDS.search(case.row["peak_raw"])
    if told:
        kinds: tuple[PeakKind, ...] = ("allocated", "reserved", "process")
        found |= {kind: float(mib) * 2**20 for kind, mib in zip(kinds, told.groups(), strict=True)}
    return found


def estimate_pair(case: MemoryCase, kind: PeakKind, said: float | None = None) -> EstimatePair:
    """Pair an estimate, by default ours, with the measurement."""
    ours = estimated_bytes(case, kind) if said is None else said
    low, high = (ours * share for share in MEMORY_RANGE)
    return EstimatePair(case.row["id"], measured_peaks(case)[kind], ours, low, high)


def print_left_out(rows: Sequence[Row], cases: Sequence[MemoryCase], refused: Counter[str]) -> None:
    """Print the rows that are not scored, and why."""
    main = len(cases) + refused.total()
    print_text("Rows excluded by their columns, and rows without a number\n")
    for reason, count in exclusion_counts(list(rows), "memory"):
        print_text(f"  {count:4} {reason}\n")
    for reason, count in sorted(refused.items()):
        print_text(f"  {count:4} not scored: {reason}\n")
    print_text(f"  {len(cases)} of the remaining {main} are scored, {len(cases) / main:.1%}\n\n")


def print_scores(title: str, cases: Sequence[MemoryCase]) -> None:
    """Print a line for each source, GPU and kind of peak, and for each part."""
    groups: dict[tuple[str, ...], list[EstimatePair]] = defaultdict(list)
    for case in cases:
        for place, kind in enumerate(measured_peaks(case)):
            where = f"{case.row['source']}, {case.row['gpu']}, {kind}"
            groups[row_part(case.row), where].append(estimate_pair(case, kind))
            if place == 0:
                groups[row_part(case.row), "~ all, the kind in the peak column"].append(
                    estimate_pair(case, kind)
                )
    print_text(f"{title}\n{HEADING}")
    for (which, where), pairs in sorted(groups.items()):
        print_text(ErrorSummary.of(pairs).line(f"{which:4} {where.removeprefix('~ ')}"))
    print_text("\n")


def print_verdicts(cases: Sequence[MemoryCase]) -> None:
    """Print fit verdicts per GPU size: our likely value, our upper bound, and two simple rules."""
    kinds = [next(iter(measured_peaks(case))) for case in cases]
    pairs = [estimate_pair(case, kind) for case, kind in zip(cases, kinds, strict=True)]
    likely = [(pair.measured, pair.estimated) for pair in pairs]
    high = [(pair.measured, pair.high) for pair in pairs]
    weights = [
        (pair.measured, float(base_bytes(case.shape, case.setup)))
        for pair, case in zip(pairs, cases, strict=True)
    ]
    for near in (False, True):
        title = "GPUs within 15 % of the peak" if near else "all GPUs of 8 to 80 GiB"
        print_text(f"{title:34} {'count':>7} {'false fits':>12} {'false does not':>18}\n")
        print_text(card_verdicts(likely, near, _below).line("ours, likely"))
        print_text(card_verdicts(high, near, _below).line("ours, upper bound"))
        print_text(card_verdicts(weights, near, _below).line("weights only"))
        print_text(card_verdicts(weights, near, lambda _, __: True).line("always fits"))
    print_text("\n")


def _below(said: float, card: float) -> bool:
    return said <= card


def print_peers(folder: Path, cases: Sequence[MemoryCase]) -> None:
    """Run other estimators on the same rows; a row that one refuses is not an error of it."""
    kinds = [next(iter(measured_peaks(case))) for case in cases]
    said: dict[str, list[float | None]] = {
        "ours": [estimated_bytes(case, kind) for case, kind in zip(cases, kinds, strict=True)]
    }
    for peer in PEERS:
        told = peer_answers(peer, folder, cases)
        if told is None:
            print_text(
                f"{peer.name}: not installed. Run uv pip install --target {folder}/{peer.name} "
                f"{peer.name}\n"
            )
            continue
        print_text(f"{peer.name} {told[0]} gets {peer.arguments}\n")
        said[f"{peer.name} {told[0]}"] = [
            answer.get(kind) for answer, kind in zip(told[1], kinds, strict=True)
        ]
    print_text(
        f"mean |e|, worst, and rows refused\n{'':44}" + "".join(f"{n:>24}" for n in said) + "\n"
    )
    places: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        which = row_part(case.row)
        places[f"{which:4} {case.row['source']}, {case.row['gpu']}"[:44]].append(place)
        places[f"{which:4} ~ all"].append(place)
    for name, group in sorted(places.items()):
        cells = (
            _cell([cases[i] for i in group], [kinds[i] for i in group], [values[i] for i in group])
            for values in said.values()
        )
        print_text(f"{name.replace('~ ', ''):44}{''.join(cells)}\n")
    tests = places["test ~ all"]
    for name, values in said.items():
        taken = [i for i in tests if values[i]]
        if taken and name != "ours":
            ours = _cell(
                [cases[i] for i in taken],
                [kinds[i] for i in taken],
                [said["ours"][i] for i in taken],
            )
            print_text(f"{f'ours on the {len(taken)} test rows that {name} accepts':52}{ours}\n")
    print_text("\n")


def _cell(
    cases: Sequence[MemoryCase], kinds: Sequence[PeakKind], said: Sequence[float | None]
) -> str:
    """Mean and worst error of one estimator, and the number of rows it refused."""
    pairs = [
        estimate_pair(case, kind, value)
        for case, kind, value in zip(cases, kinds, said, strict=True)
        if value
    ]
    refused = len(cases) - len(pairs)
    if not pairs:
        return f"{'-':>8} {'-':>8} {refused:6}"
    score = ErrorSummary.of(pairs)
    return f"{score.mean:8.1%} {score.worst:+8.0%} {refused:6}"


def print_rows(cases: Sequence[MemoryCase]) -> None:
    """Print every row."""
    for case in cases:
        for kind, measured in measured_peaks(case).items():
            ours = estimated_bytes(case, kind)
            print_text(
                f"{case.row['id']} {row_part(case.row):4} {case.row['source'][:20]:20} "
                f"{case.model[-26:]:26} {case.row['method'][:12]:12} {kind:9} "
                f"{measured / GIB:7.2f} {ours / GIB:7.2f} GiB "
                f"{ours / measured - 1:+7.1%}\n"
            )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DATA)
    parser.add_argument("--peers", type=Path, default=Path("peers"))
    parser.add_argument("--each", action="store_true")
    flags = parser.parse_args()
    book, rows = load_prices(), read_rows(flags.file)
    kept = [row for row in rows if exclusion_reason(row, "memory") is None]
    stock = [row for row in kept if not has_other_kernels(row)]
    read = [(row, case_of(row, book)) for row in stock]
    cases = [case for _, case in read if isinstance(case, MemoryCase)]
    print_left_out(rows, cases, Counter(why for _, why in read if isinstance(why, str)))
    if not cases:
        sys.exit("No row of this file can be scored.")
    print_scores("Memory, first estimates: constants are fitted on T4 and A100 only", cases)
    learnt = [case_of(case.row, book, learnt=True) for case in cases]
    print_scores(
        "The same with framework behavior learned from errors on test rows; not a test",
        [case for case in learnt if isinstance(case, MemoryCase)],
    )
    others = [case_of(row, book) for row in kept if has_other_kernels(row)]
    known = [case for case in others if isinstance(case, MemoryCase)]
    if known:
        print_scores(
            f"Other kernels, {len(known)} of {len(others)} rows with a known config and "
            "length; not fitted",
            known,
        )
    print_verdicts(cases)
    print_peers(flags.peers, cases)
    if flags.each:
        print_rows(cases)


if __name__ == "__main__":
    main()
