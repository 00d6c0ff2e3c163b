"""`advisor actuals` and `advisor bill`: files as a user gives them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from advisor.actuals.lines import REQUESTS
from advisor.cli.actuals import read_export, read_names
from advisor.decision.answer import canonical_json
from advisor.errors import ActualsFileError, UsageError
from benchmarks.actuals import OPTION, SCENARIO, STARTS_ON, forecast, planted
from benchmarks.usage_export import daily_usage, focus_csv, openai_usage_csv
from tests.support.paths import ROOT

pyarrow = pytest.importorskip("pyarrow")


def advisor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "advisor", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def focus(tmp_path: Path) -> Path:
    path = tmp_path / "focus.csv"
    days = daily_usage(forecast()[2], planted("traffic"), 1)
    path.write_text(focus_csv(days, "OpenAI", "openai"))
    return path


def test_a_parquet_file_is_read_like_the_csv_file(focus: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    rows = list(csv.DictReader(io.StringIO(focus.read_text())))
    table = pyarrow.Table.from_pylist(rows)
    tags = pyarrow.array([[("team", "mail")]] * len(rows), pyarrow.map_("string", "string"))
    path = tmp_path / "focus.parquet"
    parquet.write_table(table.append_column("Tags", tags), path)

    by_csv, by_parquet = read_export(focus, {}), read_export(path, {})

    assert [line.key[:5] for line in by_csv.lines] == [line.key[:5] for line in by_parquet.lines]
    assert by_parquet.lines[0].tags == {"team": "mail"}


def test_a_saved_answer_is_compared_as_it_was(focus: Path, tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    saved.write_bytes(canonical_json(forecast()[0]))
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO))

    found = [
        advisor("actuals", str(path), str(focus), "--option", OPTION, "--format", "json")
        for path in (saved, scenario)
    ]

    assert found[0].stdout == found[1].stdout, found[0].stderr
    assert [drift["name"] for drift in json.loads(found[0].stdout)["drifts"]] == [
        "requests_per_month"
    ]


def test_own_names_match_an_export_to_the_price_book(tmp_path: Path) -> None:
    usage, names = tmp_path / "usage.csv", tmp_path / "names.yaml"
    text = openai_usage_csv(daily_usage(forecast()[2], planted(), 1))
    usage.write_text(text.replace("gpt-5.4", "our-deployment"))
    names.write_text("openai/our-deployment: openai/gpt-5.4\n")

    found = read_export(usage, read_names(names))

    assert {line.sku for line in found.lines if line.kind != REQUESTS} == {
        f"openai/gpt-5.4/{kind}" for kind in ("input", "cached_input", "output")
    }


def test_markdown_has_the_table_and_the_findings(focus: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO))

    done = advisor("actuals", str(scenario), str(focus), "--option", OPTION, "--format", "markdown")

    assert "| month | item |" in done.stdout
    assert "## Systematic differences" in done.stdout
    assert "```yaml\nrequests_per_month/Invoice extraction:" in done.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PAR1 and nothing else", "not a Parquet file"),
        (b"\xff\xfe,a\n", "not UTF-8"),
        (b"a,b\n1,2\n", "belong to no known export"),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)

    with pytest.raises(ActualsFileError, match=says):
        read_export(path, {})


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text("a: 3\n")

    with pytest.raises(UsageError, match="the name is not a text"):
        read_names(path)


def test_an_export_without_rows_is_an_error(tmp_path: Path) -> None:
    scenario, empty = tmp_path / "scenario.yaml", tmp_path / "usage.csv"
    scenario.write_text(yaml.safe_dump(SCENARIO))
    empty.write_text("start_time,end_time,input_tokens\n")

    done = advisor("actuals", str(scenario), str(empty))

    assert done.returncode == 2
    assert "usage.csv: no row has usage or costs. Export a period with usage." in done.stderr


def test_the_first_month_can_be_given() -> None:
    path = str(ROOT / "examples" / "policy-faq.yaml")

    done = advisor("bill", path, "--from", "2027-02-15", "--format", "csv")

    assert next(csv.DictReader(io.StringIO(done.stdout)))["month"] == "2027-03"
    assert STARTS_ON.year == 2026
