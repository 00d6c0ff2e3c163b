"""Advice on published cases, for their year and for today, compared with simple baselines.

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
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from benchmarks.decision_answers import Advice, advice_record, advise
from benchmarks.decision_cases import CaseError, PublishedCase, read_cases
from benchmarks.decision_hash import rules_sha256
from benchmarks.decision_labels import ACTS, LABEL_NOTES, act_of
from benchmarks.decision_ladder import ladder_label
from benchmarks.decision_limits import LimitReport, check_all_limits
from benchmarks.decision_misses import list_misses
from benchmarks.decision_scenario import unread_values
from benchmarks.decision_scores import Proportion, is_act_right, label_verdict, measures, per_label

TODAY = date(2026, 11, 20)
HISTORY = Path(__file__).parent / "data" / "decision_history.yaml"
OUR_RUNS = ("its year", "today")
Answers = Mapping[str, Advice]


def print_text(text: str) -> None:
    """Print a text as it is."""
    sys.stdout.write(text)


def day_in(year: int) -> date:
    """Return the date used for a year: 1 July, but not after today."""
    return min(date(year, 7, 1), TODAY)


def answers(cases: Sequence[PublishedCase], when: str, book: PriceBook) -> dict[str, Advice]:
    """Return the advice for every case, on the date of *when*."""
    days = {case.id: TODAY if when == "today" else day_in(case.year) for case in cases}
    books = {day: book_of_models_on_sale(book, day) for day in set(days.values())}
    return {case.id: advise(case, days[case.id], books[days[case.id]]) for case in cases}


def book_of_models_on_sale(book: PriceBook, day: date) -> PriceBook:
    """Remove the models that were not sold on a date, and the offers to tune them."""

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
    providers = {
        name: provider.model_copy(
            update={"tuning": tuple(o for o in provider.tuning if o.card is None or o.card in sold)}
        )
        for name, provider in book.providers.items()
    }
    return replace(book, models=sold, providers=providers)


def columns_of(
    cases: Sequence[PublishedCase], asked: Mapping[str, Answers]
) -> dict[str, dict[str, str]]:
    """Return the labels of our two runs and of each baseline."""
    ours = {
        f"ours, {when}": {name: one.label for name, one in given.items()}
        for when, given in asked.items()
    }
    return ours | {
        "always prompt": {case.id: "prompt" for case in cases},
        "always LoRA": {case.id: "lora" for case in cases},
        "crude ladder": {case.id: ladder_label(case) for case in cases},
    }


def print_head(path: Path, cases: Sequence[PublishedCase], sha: str) -> None:
    """Print the file, the hash of the rules, and values that could not be parsed."""
    print_text(f"{len(cases)} cases of {path}; today is {TODAY}, a year is its 1 July\n")
    print_text(f"rules sha256 {sha}\nlabels: {LABEL_NOTES}\n")
    print_text("the ladder is simple, written after reading a larger collection of such cases\n")
    for note in (one for case in cases for one in unread_values(case)):
        print_text(f"not parsed, counted as not specified: {note}\n")
    print_text("\n")


def print_measures(scored: Mapping[str, Mapping[str, Proportion]]) -> None:
    """Print the measures with 95 % intervals: one row per measure, one column per method."""
    width = 26
    print_text(f"{'':24}" + "".join(f"{name:>{width}}" for name in scored) + "\n")
    for measure in next(iter(scored.values())):
        cells = "".join(f"{shares[measure].line():>{width}}" for shares in scored.values())
        print_text(f"{measure:24}{cells}\n")
    print_text("\n")


def print_labels(cases: Sequence[PublishedCase], columns: Mapping[str, Mapping[str, str]]) -> None:
    """Print the counts per best label."""
    for name, given in columns.items():
        if not name.startswith("ours"):
            continue
        print_text(
            f"{name}: by best label {'cases':>7}{'act':>6}{'exact':>7}{'accepted':>10}"
            f"{'wrong':>7}{'given':>7}\n"
        )
        for label, row in per_label(cases, given).items():
            print_text(
                f"  {label:22}{row['cases']:14}{row['act']:6}{row['exact']:7}"
                f"{row['accepted']:10}{row['wrong']:7}{row['given']:7}\n"
            )
        print_text("\n")


def print_acts(cases: Sequence[PublishedCase], given: Mapping[str, str], name: str) -> None:
    """Print the confusion matrix of acts: given across, best down."""
    print_text(f"{name}: act given" + "".join(f"{act:>13}" for act in ACTS) + "\n")
    for best in ACTS:
        of_it = [case for case in cases if act_of(case.gold.best) == best]
        counts = [sum(act_of(given[case.id]) == act for case in of_it) for act in ACTS]
        print_text(f"  best {best:20}" + "".join(f"{count:13}" for count in counts) + "\n")
    print_text("\n")


def print_limits(limits: Mapping[str, LimitReport]) -> None:
    """Print the hard limits, and the regret of the choice between training options."""
    for when, found in limits.items():
        print_text(f"ours, {when}: hard limits respected, and regret within training\n")
        for name, share in found.kept.items():
            print_text(f"  {name:22} {share.hits}/{share.of}\n")
        for line in found.regret_lines():
            print_text(f"  {line}\n")
        for broken in found.broken:
            print_text(f"  BROKEN: {broken}\n")
    print_text("\n")


def print_difference(cases: Sequence[PublishedCase], asked: Mapping[str, Answers]) -> None:
    """Print the cases whose act differs between their year and today."""
    year, today = (asked[when] for when in OUR_RUNS)
    moved = [c for c in cases if act_of(year[c.id].label) != act_of(today[c.id].label)]
    print_text(f"different act today than in its year: {len(moved)} of {len(cases)}\n")
    for case in moved:
        before, now = year[case.id], today[case.id]
        print_text(
            f"  {case.id:34} {case.year} {before.label:9} ({before.reasons[0]}) -> "
            f"{now.label:9} ({now.reasons[0]}); best {case.gold.best}\n"
        )
    print_text("\n")


def as_json(
    path: Path, cases: Sequence[PublishedCase], asked: Mapping[str, Answers], sha: str
) -> dict[str, Any]:
    """Return all results as JSON."""
    columns = columns_of(cases, asked)
    return {
        "file": str(path),
        "cases": len(cases),
        "today": TODAY.isoformat(),
        "rules_sha256": sha,
        "labels": LABEL_NOTES,
        "not_understood": [note for case in cases for note in unread_values(case)],
        "measures": {
            name: {measure: share.record() for measure, share in measures(cases, given).items()}
            for name, given in columns.items()
        },
        "per_label": {name: per_label(cases, given) for name, given in columns.items()},
        "limits": {when: check_all_limits(given).record() for when, given in asked.items()},
        "rows": [_row(case, asked, columns) for case in cases],
    }


def _row(
    case: PublishedCase, asked: Mapping[str, Answers], columns: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    given = {
        when: advice_record(answers_[case.id])
        | {
            "act_ok": is_act_right(answers_[case.id].label, case),
            "verdict": label_verdict(answers_[case.id].label, case),
        }
        for when, answers_ in asked.items()
    }
    return {
        "id": case.id,
        "year": case.year,
        "group": case.group,
        "gold": case.gold.best,
        "acceptable": list(case.gold.acceptable),
        "given": given,
        "ladder": columns["crude ladder"][case.id],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print one record instead of tables")
    parser.add_argument("--misses", action="store_true", help="print the missed cases")
    flags = parser.parse_args(arguments)
    cases, sha = read_cases(flags.file), rules_sha256()
    books = dict(zip(OUR_RUNS, (load_prices(overlay=HISTORY), load_prices()), strict=True))
    try:
        asked = {when: answers(cases, when, book) for when, book in books.items()}
    except CaseError as error:
        sys.exit(f"{flags.file}: {error}")
    if flags.json:
        print_text(json.dumps(as_json(flags.file, cases, asked, sha), indent=1) + "\n")
        return
    columns = columns_of(cases, asked)
    print_head(flags.file, cases, sha)
    print_measures({name: measures(cases, given) for name, given in columns.items()})
    for when in OUR_RUNS:
        print_acts(cases, columns[f"ours, {when}"], f"ours, {when}")
    print_labels(cases, columns)
    print_limits({when: check_all_limits(given) for when, given in asked.items()})
    print_difference(cases, asked)
    if flags.misses:
        for when in OUR_RUNS:
            print_text(list_misses(cases, asked[when], when))


if __name__ == "__main__":
    main()
