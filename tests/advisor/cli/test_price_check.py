"""`advisor prices check`: exit codes, formats and messages about bad files."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.cli.price_check import DATA, read_exceptions, read_price_list, source_names
from advisor.errors import PricingFileError
from advisor.prices.loader import load_prices
from tests.support.paths import ROOT
from tests.support.price_lists import as_litellm

DAY = "2026-11-28"


def litellm_file(folder: Path, **changes: Any) -> Path:
    document = as_litellm(load_prices(), source_names()["litellm"], date.fromisoformat(DAY))
    document["gpt-4o"] |= changes
    path = folder / "prices.json"
    path.write_text(json.dumps(document, default=float), encoding="utf-8")
    return path


def check(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "prices", "check", "--on", DAY, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


ACCEPTED = """
- item: "*"
  against: genai-prices
  reason: Checked in another test.
  source: https://example.org
  until: 2027-12-31
"""


def test_the_exit_code_is_1_only_on_an_unexplained_difference(tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.yaml"
    accepted.write_text(ACCEPTED, encoding="utf-8")
    accept = ("--accept", str(accepted))

    equal = check("--against", str(litellm_file(tmp_path)), *accept, "--format", "json")
    drifted = check("--against", str(litellm_file(tmp_path, output_cost_per_token=2e-5)), *accept)

    assert equal[0] == 0, equal[1] + equal[2]
    genai, litellm = json.loads(equal[1])
    assert genai["against"] == "genai-prices"
    assert genai["compared"] > 300
    assert litellm["differences"] == []
    assert drifted[0] == 1
    assert "openai/gpt-4o/output: book 10 (" in drifted[1]
    assert "/ other 20, from 2026-11-28" in drifted[1]
    assert "1 different, 1 unexplained." in drifted[1]


def test_markdown_has_one_row_per_difference(tmp_path: Path) -> None:
    path = litellm_file(tmp_path, output_cost_per_token=2e-5)

    code, out, _ = check("--against", str(path), "--format", "markdown")

    assert code == 1
    assert "| openai/gpt-4o/output | different | 10 | https://" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", ":1:2: Expecting property name"),
        ('{"a": 1}', "not a price list of genai-prices, models.dev or litellm"),
        ('{"a": {"litellm_provider": "openai", "input_cost_per_token": "x"}}', "unexpected form"),
    ],
)
def test_a_file_that_is_no_price_list_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "model_prices_and_context_window.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(PricingFileError, match=says):
        read_price_list(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricingFileError, match=r"no such file\. Check the path"):
        read_price_list(tmp_path / "api.json")


def test_prices_are_read_from_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    text = '{"m": {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07}}'
    path.write_text(text, encoding="utf-8")

    ((_, value),) = read_price_list(path).models["m"]["input"]

    assert value == Decimal("0.15")


def test_an_exception_without_a_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accepted.yaml"
    path.write_text("- item: a/b/input\n  against: litellm\n", encoding="utf-8")

    with pytest.raises(PricingFileError, match=r"accepted\.yaml: 0\.reason: Field required"):
        read_exceptions(path)


def test_the_bundled_exceptions_can_be_read() -> None:
    assert len(read_exceptions(DATA / "price_exceptions.yaml")) >= 5
