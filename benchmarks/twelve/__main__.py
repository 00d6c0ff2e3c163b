"""Twelve datasets: our advice and trainjudge on each, and how often each is confidently wrong.

python -m benchmarks.twelve [--peers FOLDER] [--out FOLDER] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.decision_hash import rules_sha256
from benchmarks.twelve.making import make_datasets
from benchmarks.twelve.ours import our_answer, tool_answer
from benchmarks.twelve.peer import PACKAGE, ask_peer, install_hint, installed_at, installed_version
from benchmarks.twelve.told import (
    DatasetExpectation,
    ToolAnswer,
    is_confidently_wrong,
    read_expectations,
)


def print_text(text: str) -> None:
    """Print a text as it is."""
    sys.stdout.write(text)


def judgement_text(said: ToolAnswer, told: DatasetExpectation) -> str:
    """Grade an answer by the expectation."""
    if said.act in told.right:
        return "right"
    if said.act not in told.forbidden:
        return "neither"
    return "WRONG, confident" if is_confidently_wrong(said, told) else "wrong, with caveat"


def result_record(
    told: DatasetExpectation, ours: ToolAnswer, theirs: ToolAnswer | None
) -> dict[str, Any]:
    """Return the answers for a dataset as JSON."""
    said = {"ours": ours, PACKAGE: theirs}
    return {
        "dataset": told.name,
        "right": list(told.right),
        "forbidden": list(told.forbidden),
        "because": told.because,
        **{
            name: {
                "act": one.act,
                "words": one.words,
                "sure": one.sure,
                "caveat": one.has_caveat,
                "judged": judgement_text(one, told),
            }
            for name, one in said.items()
            if one
        },
    }


def print_rows(rows: Sequence[dict[str, Any]], name: str) -> None:
    """Print the table, then the counts of right and confidently wrong answers."""
    print_text(f"{'dataset':18}{'right':18}{'forbidden':30}{'who':12}{'act':12}{'judged':20}says\n")
    for row in rows:
        head = (row["dataset"], ", ".join(row["right"]), ", ".join(row["forbidden"]))
        for who in ("ours", PACKAGE):
            if who in row:
                one = row[who]
                print_text(
                    f"{head[0]:18}{head[1]:18}{head[2]:30}{who:12}{one['act']:12}"
                    f"{one['judged']:20}{one['words']} ({one['sure']})\n"
                )
                head = ("", "", "")
    for who in ("ours", PACKAGE):
        said = [row[who]["judged"] for row in rows if who in row]
        if said:
            print_text(
                f"{name if who == PACKAGE else who}: right {said.count('right')} of "
                f"{len(said)}, "
                f"wrong with a caveat {said.count('wrong, with caveat')}, "
                f"confidently wrong {said.count('WRONG, confident')}\n"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Create the datasets, run both tools, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twelve", description=__doc__)
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder with trainjudge")
    parser.add_argument("--out", type=Path, help="keep the datasets in this folder")
    parser.add_argument("--json", action="store_true", help="print one record instead of a table")
    flags = parser.parse_args(arguments)
    place = installed_at(flags.peers)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_datasets(flags.out or Path(folder))
        rows = [
            result_record(
                told,
                tool_answer(our_answer(told, paths[told.name])),
                ask_peer(told, paths[told.name], place) if place else None,
            )
            for told in read_expectations()
        ]
    name = f"{PACKAGE} {installed_version(place)}" if place else PACKAGE
    if flags.json:
        record = {"rules_sha256": rules_sha256(), "peer": name if place else None, "rows": rows}
        print_text(json.dumps(record, indent=1) + "\n")
        return
    print_text(f"rules sha256 {rules_sha256()}\n")
    if not place:
        print_text(f"{PACKAGE} is not installed. Run {install_hint(flags.peers)}\n")
    print_rows(rows, name)


if __name__ == "__main__":
    main()
