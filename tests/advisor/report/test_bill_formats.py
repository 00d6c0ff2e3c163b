"""A bill as a document: every format shows the same amounts, and FOCUS rows keep its rules."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from openpyxl import load_workbook

from advisor.decision.answer import Answer, canonical_json, evaluate, summarize
from advisor.decision.bill_months import bill_months
from advisor.errors import UsageError
from advisor.loading import example_question, make_question
from advisor.report.bill_document import (
    BillDocument,
    answer_with_bill,
    bill_document,
    find_option,
    month_totals,
)
from advisor.report.bill_formats import document_bytes
from tests.support.focus_rules import broken_rules
from tests.support.paths import ROOT

EXAMPLES = ("email-triage", "policy-faq", "brand-voice")
RAG = "rag:google:gemini-2.5-flash-lite"


@cache
def answer(name: str = "policy-faq") -> Answer:
    evaluated = evaluate(example_question(name))
    return summarize(evaluated, [entry.option.id for entry in evaluated.options])


def document(option: str = RAG) -> BillDocument:
    return bill_document(answer(), find_option(answer(), option, "--option"))


def rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_months_add_up_to_the_total_of_every_option(name: str) -> None:
    for bill in answer(name).options:
        months = bill_months(bill, answer(name).question.asked_on)

        total = sum(line.billed_usd for line in months)
        rounding = Decimal("0.02") + total * Decimal("0.002")  # months of use have two decimals
        assert abs(total - Decimal(bill.total.likely)) < rounding, bill.id


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_line_has_the_amount_of_its_bill_in_every_whole_month(name: str) -> None:
    for bill in answer(name).options:
        if any(line.by_month for line in bill.bill):
            continue  # a price changes: see the test below
        for line in bill_months(bill, date(2026, 12, 1)):
            if line.month == 1 and Decimal(bill.months) >= 1:
                same = [Decimal(one.amount) for one in bill.bill if one.item == line.item]
                assert min(abs(line.billed_usd - usd) for usd in same) < Decimal("0.0001")


def test_an_announced_price_applies_from_its_month() -> None:
    question = {"name": "steps", "asked_on": "2026-12-01", "task": "extraction",
                "traffic": {"requests_per_month": 100_000, "prefix_tokens": 1000,
                            "user_tokens": 200, "completion_tokens": 300},
                "quality": {"held_out_examples": 0}}  # fmt: skip
    option = "prompt:google:gemini-3.6-flash"
    found = answer_with_bill(evaluate(make_question(question, "test")), option)
    bill = next(one for one in found.options if one.id == option)

    totals = {day: usd for day, usd, *_ in month_totals(bill_months(bill, date(2026, 12, 1)))}

    # 120 million tokens in, 30 million out: 0.75 and 3.75 until 2026-12-31, then 1.50 and 7.50
    assert totals[date(2026, 12, 1)] == pytest.approx(Decimal("202.50"), abs=Decimal("0.01"))
    assert totals[date(2027, 2, 1)] == pytest.approx(Decimal("405.00"), abs=Decimal("0.01"))
    assert sum(totals.values()) == pytest.approx(Decimal(bill.total.likely), abs=Decimal("0.01"))


def test_once_lines_are_in_the_first_calendar_month_only() -> None:
    months = document().months

    once = {line.starts_on for line in months if line.cadence == "once"}
    assert once == {date(2026, 12, 1)}  # asked on 2026-11-20
    assert months[-1].ends_on == date(2027, 12, 1)
    assert len({line.starts_on for line in months}) == 12


def test_a_part_of_a_month_is_billed_as_a_part() -> None:
    bill = document().option.model_copy(update={"months": "1.25"})

    (_, first, *_), (_, second, *_) = month_totals(bill_months(bill, date(2026, 12, 1)))

    monthly = sum(Decimal(line.amount) for line in bill.bill if line.cadence == "month")
    assert second == pytest.approx(monthly / 4, abs=Decimal("0.0001"))
    assert first - 4 * second == pytest.approx(Decimal(bill.one_off.likely), abs=Decimal("0.005"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_focus_row_keeps_the_rules_of_the_specification(name: str) -> None:
    count = 0
    for bill in answer(name).options:
        for row in rows(document_bytes(bill_document(answer(name), bill), "focus")):
            assert list(broken_rules(row)) == [], (bill.id, row)
            count += 1
    assert count > 1000


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("ListCost", "3.14", "ListCost is not ListUnitPrice times PricingQuantity"),
        ("SkuId", "", "SkuId is null"),
        ("ChargeCategory", "Forecast", "ChargeCategory: Forecast is not allowed"),
        ("ChargePeriodStart", "2026-12-01", "ChargePeriodStart: 2026-12-01 is no instant"),
        ("BilledCost", "1,5", "BilledCost: 1,5 is no number"),
        ("ServiceSubcategory", "Virtual Machines", "the subcategory belongs to another category"),
    ],
)
def test_a_broken_row_is_noticed(column: str, value: str, rule: str) -> None:
    row = rows(document_bytes(document(), "focus"))[0] | {column: value}

    assert rule in list(broken_rules(row))


def test_focus_rows_of_an_item_have_the_id_of_the_price_book() -> None:
    found = rows(document_bytes(document(), "focus"))

    assert {row["SkuId"] for row in found} >= {
        "google/gemini-2.5-flash-lite/input",
        "google/gemini-2.5-flash-lite/output",
    }
    assert {row["SkuPriceId"].partition("@")[0] for row in found} == {r["SkuId"] for r in found}
    assert len({(row["SkuId"], row["x_Line"], row["ChargePeriodStart"]) for row in found}) == len(
        found
    )


def test_csv_focus_json_and_workbook_have_the_same_monthly_totals() -> None:
    bill = document()
    expected = {f"{day:%Y-%m}": usd for day, usd, *_ in month_totals(bill.months)}

    by_csv: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows(document_bytes(bill, "csv")):
        by_csv[row["month"]] += Decimal(row["usd"])
    by_focus: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows(document_bytes(bill, "focus")):
        by_focus[row["ChargePeriodStart"][:7]] += Decimal(row["BilledCost"])
    by_json: dict[str, Decimal] = defaultdict(Decimal)
    for line in json.loads(document_bytes(bill, "json"))["months"]:
        by_json[line["starts_on"][:7]] += Decimal(line["billed_usd"])
    sheet = load_workbook(io.BytesIO(document_bytes(bill, "xlsx")))["Lines"]
    by_sheet: dict[str, float] = defaultdict(float)
    for month, *cells in sheet.iter_rows(min_row=2, values_only=True):
        by_sheet[str(month)] += float(cells[10])

    assert by_csv == by_focus == by_json == expected
    assert by_sheet == pytest.approx({month: float(usd) for month, usd in expected.items()})


def test_the_workbook_sums_its_lines_by_formula() -> None:
    book = load_workbook(io.BytesIO(document_bytes(document(), "xlsx")))

    assert book.sheetnames == ["Bill", "Lines", "FOCUS", "Caveats"]
    lines = book["Lines"].max_row
    assert book["Bill"]["B6"].value == f"=SUMIF(Lines!$A$2:$A${lines},$A6,Lines!$L$2:$L${lines})"
    assert book["Lines"]["L1"].value == "usd"
    assert book["Bill"]["A6"].value == "2026-12"


def test_html_shows_every_line_and_escapes_names() -> None:
    bill = document()
    hostile = bill.model_copy(update={"scenario": "<script>alert(1)</script>"})

    page = document_bytes(hostile, "html").decode()

    assert "<script>" not in page
    assert all(f"<td>{line.item}</td>" in page for line in bill.option.bill)
    assert page.count("<tr>") == len(bill.option.bill) + 12 + 2


def test_a_text_that_is_a_formula_is_quoted_in_spreadsheets() -> None:
    hostile = document().model_copy(update={"scenario": "=1+1"})

    assert load_workbook(io.BytesIO(document_bytes(hostile, "xlsx")))["Bill"]["B1"].value == "'=1+1"


def test_an_option_is_named_by_its_id_or_a_part_that_is_unique() -> None:
    found = answer()

    assert find_option(found, None, "--option").id == found.decision.recommended
    assert find_option(found, RAG, "--option").id == RAG
    assert find_option(found, "rag:google:gemini-2.5-flash-l", "--option").id == RAG
    with pytest.raises(UsageError, match="options have this in their id"):
        find_option(found, "rag:", "--option")
    with pytest.raises(UsageError, match="no allowed option has this in its id"):
        find_option(found, "magic", "--option")


def advisor(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "advisor", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True)


def test_the_command_writes_the_document_of_a_scenario_and_of_a_saved_answer(
    tmp_path: Path,
) -> None:
    saved = tmp_path / "answer.json"
    saved.write_bytes(canonical_json(answer()))

    for path in (ROOT / "examples" / "policy-faq.yaml", saved):
        done = advisor("bill", str(path), "--option", RAG, "--format", "focus")
        assert done.stdout == document_bytes(document(), "focus"), done.stderr


def test_a_workbook_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(UsageError, match=r"pip install 'tune-or-not\[xlsx\]'"):
        document_bytes(document(), "xlsx")
