"""The commands as a stranger types them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "advisor", *arguments], cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_answer_as_json_has_the_promised_shape_and_no_floats() -> None:
    found = json.loads(run("demo", "brand-voice", "--format", "json"))

    assert set(found) == {
        "schema_version", "question", "dataset_sha256", "decision", "options", "ruled_out",
        "assumptions", "caveats", "rules", "currency", "tax", "question_sha256", "prices_sha256",
        "engine_version",
    }  # fmt: skip
    assert set(found["decision"]) == {
        "recommended", "runner_up", "verdict", "notes", "win_share", "approach_share", "break_even", "reasons", "flips",
        "measure_next",
    }  # fmt: skip
    ids = [option["id"] for option in found["options"]]
    assert len(ids) == len(set(ids)) > 60
    assert {found["decision"]["recommended"], found["decision"]["runner_up"], "not_yet"} <= set(ids)
    for option in found["options"]:
        for line in option["bill"]:
            assert line["source"]
            assert isinstance(line["amount"], str)


def test_each_bill_adds_up_to_its_totals() -> None:
    found = json.loads(run("estimate", "examples/policy-faq.yaml", "--format", "json"))

    for option in found:
        once = sum(float(line["amount"]) for line in option["bill"] if line["cadence"] == "once")
        month = sum(float(line["amount"]) for line in option["bill"] if line["cadence"] == "month")
        assert abs(once - float(option["one_off"]["likely"])) < 0.006
        assert abs(month - float(option["monthly"]["likely"])) < 0.006
        low, likely, high = (float(option["monthly"][k]) for k in ("low", "likely", "high"))
        assert low <= likely <= high
        assert float(option["at_most_one_off"]) >= float(option["one_off"]["high"])


def test_markdown_names_verdict_reasons_flips_and_rules() -> None:
    text = run("demo", "nightly-extraction", "--sensitivity", "--format", "markdown")

    assert text.startswith("# Nightly batch extraction\n\n**Prompt ")
    for title in ("## Reasons", "## Nearest changes", "## Assumptions", "## Ruled out"):
        assert title in text


def test_asking_again_says_what_changed(tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    saved.write_text(run("demo", "policy-faq", "--format", "json"))

    same = run("again", str(saved), "--on", "2026-11-20")
    later = run("again", str(saved), "--on", "2027-01-15")

    assert "The verdict is unchanged" in same
    assert "No other changes." in same
    assert "date: 2026-11-20 -> 2027-01-15" in later
    assert "price: google/gemini-3.8-flash/input 0.75 -> 1.5 USD" in later
    assert "prompt:openai:gpt-4.1 is now ruled out" in later or "shut-down" in later


def test_profile_and_convert_work_on_a_bundled_file(tmp_path: Path) -> None:
    shown = run("profile", "examples/data/extraction.jsonl")
    data, bad = tmp_path / "rows.jsonl", tmp_path / "bad.jsonl"
    done = run(
        "convert", "examples/data/extraction.jsonl", "--out", str(data), "--rejects", str(bad)
    )

    assert "chat 300" in shown
    assert done.startswith("300 rows written to ")
    assert len(data.read_text().splitlines()) == 300
    assert bad.read_text() == ""


def test_prices_are_shown_with_day_and_source() -> None:
    shown = json.loads(run("prices", "show", "openai/gpt-4o-mini/input", "--on", "2026-11-20",
                           "--format", "json"))  # fmt: skip
    age = run("prices", "age", "--on", "2026-11-20")

    assert shown[0]["value"] == "0.15"
    assert shown[0]["read_on"] == "2026-11-09"
    assert "were last read 30 days" in age


def test_prices_and_facts_are_aged_apart() -> None:
    text = run("prices", "age", "--on", "2026-11-20")
    found = json.loads(run("prices", "age", "--on", "2026-11-20", "--format", "json"))

    for name, table in (("prices", found), ("facts", found["facts"])):
        rows = table["sources"]
        ages = [row["age_days"] for row in rows if row["age_days"] is not None]
        stale = sum(row[name] for row in rows if (row["age_days"] or 0) >= 30)
        total = sum(row[name] for row in rows)
        assert ages == sorted(ages, reverse=True)
        assert table["stale"] == stale > 0
        assert re.search(rf"^{total} {name}.* on 2026-11-20; {stale} were last", text, re.MULTILINE)
    assert found["facts"]["undated"] == sum(
        row["facts"] for row in found["facts"]["sources"] if row["age_days"] is None
    )


def test_the_bundled_datasets_are_what_their_script_makes(tmp_path: Path) -> None:
    data = ROOT / "examples" / "data"
    before = {path.name: path.read_bytes() for path in data.iterdir()}

    subprocess.run([sys.executable, str(ROOT / "examples" / "make.py")], check=True)

    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
    assert len(before) == 3


def test_a_budget_and_a_missing_licence_rule_options_out() -> None:
    found = json.loads(run("recommend", "examples/email-triage.yaml", "--format", "json",
                           "--set", "limits.budget_monthly_usd=500"))  # fmt: skip

    rules = {one["id"]: one["rule"] for one in found["ruled_out"]}
    assert rules["lora:runpod_secure:meta-llama/Llama-3.2-3B:RTX_4090"] == "budget-monthly"
    assert found["decision"]["recommended"].startswith("encoder:")


def test_a_sweep_says_what_each_combination_says_alone() -> None:
    axes = (
        "--axis",
        "traffic.requests_per_month=2e4,3e7",
        "--axis",
        "needs.low_latency=true,false",
    )
    rows = list(csv.DictReader(run("sweep", "examples/email-triage.yaml", *axes, "--format", "csv")
                               .splitlines()))  # fmt: skip

    assert len(rows) == 4
    for row in rows:
        sets = [word for path in ("traffic.requests_per_month", "needs.low_latency")
                for word in ("--set", f"{path}={row[path]}")]  # fmt: skip
        alone = json.loads(
            run("recommend", "examples/email-triage.yaml", *sets, "--format", "json")
        )
        option = next(one for one in alone["options"] if one["id"] == row["recommended"])
        assert alone["decision"]["recommended"] == row["recommended"]
        assert (option["one_off"]["likely"], option["monthly"]["likely"]) == (
            row["one_off"], row["monthly"])  # fmt: skip


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ("traffic.requests_per_month", "not PATH=VALUE,VALUE"),
        ("traffic.requests=1,2", "Did you mean 'requests_per_month'?"),
        ("traffic.requests_per_month=1,[", "'[' is not a valid value"),
        ("traffic.requests_per_month=" + ",".join(map(str, range(1, 10_002))), "10,001"),
    ],
)
def test_an_axis_that_cannot_be_used_is_told(axis: str, says: str) -> None:
    done = subprocess.run([sys.executable, "-m", "advisor", "sweep", "examples/email-triage.yaml",
                           "--axis", axis], cwd=ROOT, capture_output=True, text=True)  # fmt: skip

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_numbers_beyond_any_use_are_told_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "recommend", "examples/email-triage.yaml", "--set",
         "traffic.requests_per_month=1e30", "--set", "traffic.prefix_tokens=1e30"],
        cwd=ROOT, capture_output=True, text=True)  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("advisor: the numbers are too large")
    assert "Traceback" not in done.stderr
