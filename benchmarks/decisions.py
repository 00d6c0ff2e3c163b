"""Advice on published cases, as of their year and as of today, beside always-the-same and a ladder.

python -m benchmarks.decisions FILE [--misses] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from advisor.errors import PricingError
from advisor.prices.book import Book
from advisor.prices.loader import load_book
from benchmarks.decision_answers import Given, advise, record_of
from benchmarks.decision_cases import Case, CaseError, read_cases
from benchmarks.decision_hash import rules_sha256
from benchmarks.decision_labels import ACTS, SAID, act_of
from benchmarks.decision_ladder import ladder
from benchmarks.decision_limits import Limits, limits_of
from benchmarks.decision_misses import misses
from benchmarks.decision_scenario import unread
from benchmarks.decision_scores import Share, is_act_right, measures, per_label, verdict

TODAY = date(2026, 11, 20)
HISTORY = Path(__file__).parent / "data" / "decision_history.yaml"
OURS = ("its year", "today")
Answers = Mapping[str, Given]


def write(text: str) -> None:
    """Print a text as it is."""
    sys.stdout.write(text)


def day_in(year: int) -> date:
    """Return the day that stands for a year: its middle, and never after today."""
    return min(date(year, 7, 1), TODAY)


def answers(cases: Sequence[Case], when: str, book: Book) -> dict[str, Given]:
    """Ask about every case, on the day that *when* stands for."""
    days = {case.id: TODAY if when == "today" else day_in(case.year) for case in cases}
    books = {day: on_sale(book, day) for day in set(days.values())}
    return {case.id: advise(case, days[case.id], books[days[case.id]]) for case in cases}


def on_sale(book: Book, day: date) -> Book:
    """Leave out the models that a provider did not sell on a day."""

    def is_sold(name: str) -> bool:
        item = f"{name}/input"
        if not book.prices.has(item):
            return name.startswith("open/")
        try:
            book.prices.on(item, day)
        except PricingError:
            return False
        return True

    sold = {name: card for name, card in book.models.items() if is_sold(name)}
    return replace(book, models=sold)


def columns_of(cases: Sequence[Case], asked: Mapping[str, Answers]) -> dict[str, dict[str, str]]:
    """Lay the labels of every way to answer side by side."""
    ours = {f"ours, {when}": {name: one.label for name, one in given.items()}
            for when, given in asked.items()}  # fmt: skip
    return ours | {
        "always prompt": {case.id: "prompt" for case in cases},
        "always LoRA": {case.id: "lora" for case in cases},
        "crude ladder": {case.id: ladder(case) for case in cases},
    }


def print_head(path: Path, cases: Sequence[Case], sha: str) -> None:
    """Say what is measured, by which rules, and what in the cases was not understood."""
    write(f"{len(cases)} cases of {path}; today is {TODAY}, a year is its 1 July\n")
    write(f"rules sha256 {sha}\nlabels: {SAID}\n")
    write("the ladder is a crude one, written after a larger collection of such cases\n")
    for note in (one for case in cases for one in unread(case)):
        write(f"not understood, counted as not said: {note}\n")
    write("\n")


def print_measures(scored: Mapping[str, Mapping[str, Share]]) -> None:
    """Print the measures, one a line, one way to answer a column, with intervals of 95 %."""
    width = 26
    write(f"{'':24}" + "".join(f"{name:>{width}}" for name in scored) + "\n")
    for measure in next(iter(scored.values())):
        cells = "".join(f"{shares[measure].line():>{width}}" for shares in scored.values())
        write(f"{measure:24}{cells}\n")
    write("\n")


def print_labels(cases: Sequence[Case], columns: Mapping[str, Mapping[str, str]]) -> None:
    """Print for each best label what was given."""
    for name, given in columns.items():
        if not name.startswith("ours"):
            continue
        write(f"{name}: by best label {'cases':>7}{'act':>6}{'exact':>7}{'accepted':>10}"
              f"{'wrong':>7}{'given':>7}\n")  # fmt: skip
        for label, row in per_label(cases, given).items():
            write(f"  {label:22}{row['cases']:14}{row['act']:6}{row['exact']:7}"
                  f"{row['accepted']:10}{row['wrong']:7}{row['given']:7}\n")  # fmt: skip
        write("\n")


def print_acts(cases: Sequence[Case], given: Mapping[str, str], name: str) -> None:
    """Print which act was given (across) where which was best (down)."""
    write(f"{name}: act given" + "".join(f"{act:>13}" for act in ACTS) + "\n")
    for best in ACTS:
        of_it = [case for case in cases if act_of(case.gold.best) == best]
        counts = [sum(act_of(given[case.id]) == act for case in of_it) for act in ACTS]
        write(f"  best {best:20}" + "".join(f"{count:13}" for count in counts) + "\n")
    write("\n")


def print_limits(limits: Mapping[str, Limits]) -> None:
    """Print whether hard limits are kept, and what the choice within training costs too much."""
    for when, found in limits.items():
        write(f"ours, {when}: hard limits kept, and regret within training\n")
        for name, share in found.kept.items():
            write(f"  {name:22} {share.hits}/{share.of}\n")
        for line in found.regret_lines():
            write(f"  {line}\n")
        for broken in found.broken:
            write(f"  BROKEN: {broken}\n")
    write("\n")


def print_difference(cases: Sequence[Case], asked: Mapping[str, Answers]) -> None:
    """Print the cases whose act today is not that of their year."""
    year, today = (asked[when] for when in OURS)
    moved = [c for c in cases if act_of(year[c.id].label) != act_of(today[c.id].label)]
    write(f"another act today than in its year: {len(moved)} of {len(cases)}\n")
    for case in moved:
        before, now = year[case.id], today[case.id]
        write(f"  {case.id:34} {case.year} {before.label:9} ({before.reasons[0]}) -> "
              f"{now.label:9} ({now.reasons[0]}); best {case.gold.best}\n")  # fmt: skip
    write("\n")


def as_json(
    path: Path, cases: Sequence[Case], asked: Mapping[str, Answers], sha: str
) -> dict[str, Any]:
    """Write everything as one record."""
    columns = columns_of(cases, asked)
    return {
        "file": str(path), "cases": len(cases), "today": TODAY.isoformat(), "rules_sha256": sha,
        "labels": SAID, "not_understood": [note for case in cases for note in unread(case)],
        "measures": {name: {measure: share.record() for measure, share in
                            measures(cases, given).items()} for name, given in columns.items()},
        "per_label": {name: per_label(cases, given) for name, given in columns.items()},
        "limits": {when: limits_of(given).record() for when, given in asked.items()},
        "rows": [_row(case, asked, columns) for case in cases],
    }  # fmt: skip


def _row(
    case: Case, asked: Mapping[str, Answers], columns: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    given = {
        when: record_of(answers_[case.id])
        | {"act_ok": is_act_right(answers_[case.id].label, case),
           "verdict": verdict(answers_[case.id].label, case)}
        for when, answers_ in asked.items()
    }  # fmt: skip
    return {"id": case.id, "year": case.year, "group": case.group, "gold": case.gold.best,
            "acceptable": list(case.gold.acceptable), "given": given,
            "ladder": columns["crude ladder"][case.id]}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print one record instead of tables")
    parser.add_argument("--misses", action="store_true", help="print the cases that are missed")
    flags = parser.parse_args(arguments)
    cases, sha = read_cases(flags.file), rules_sha256()
    books = dict(zip(OURS, (load_book(overlay=HISTORY), load_book()), strict=True))
    try:
        asked = {when: answers(cases, when, book) for when, book in books.items()}
    except CaseError as error:
        sys.exit(f"{flags.file}: {error}")
    if flags.json:
        write(json.dumps(as_json(flags.file, cases, asked, sha), indent=1) + "\n")
        return
    columns = columns_of(cases, asked)
    print_head(flags.file, cases, sha)
    print_measures({name: measures(cases, given) for name, given in columns.items()})
    for when in OURS:
        print_acts(cases, columns[f"ours, {when}"], f"ours, {when}")
    print_labels(cases, columns)
    print_limits({when: limits_of(given) for when, given in asked.items()})
    print_difference(cases, asked)
    if flags.misses:
        for when in OURS:
            write(misses(cases, asked[when], when))


if __name__ == "__main__":
    main()
