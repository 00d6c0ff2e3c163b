"""Currencies, tax and contracts as they are printed: terminal, Markdown, JSON and bill documents."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook

from advisor.decision.answer import Answer, canonical_json, evaluate, summarize
from advisor.loading import example_question, load_sentences, make_question
from advisor.prices.loader import load_prices
from advisor.report.bill_document import BillDocument, bill_document, find_option, month_totals
from advisor.report.bill_formats import document_bytes
from advisor.report.markdown import answer_markdown, bill_markdown, table_note
from advisor.report.sentences import decision_sentences
from tests.support.focus_rules import broken_rules
from tests.support.paths import ROOT

OVERLAY = ROOT / "docs" / "contract.yaml"
RATE = "EUR, at 1.16 USD for 1 EUR on 2026-11-27 (ECB reference rates)"
RAG = "rag:google:gemini-2.5-flash-lite"


@pytest.fixture(scope="module")
def answer() -> Answer:
    question = example_question("policy-faq")
    mapping = question.scenario.model_dump(mode="json", exclude_unset=True) | {"currency": "EUR"}
    evaluated = evaluate(make_question(mapping, book=load_prices(overlay=OVERLAY)))
    return summarize(evaluated, [entry.option.id for entry in evaluated.options])


@pytest.fixture(scope="module")
def document(answer: Answer) -> BillDocument:
    return bill_document(answer, find_option(answer, RAG, "--option"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "advisor", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_amounts_are_printed_in_the_currency_with_its_rate_and_day(answer: Answer) -> None:
    bill = next(option for option in answer.options if option.id == RAG)
    euro, spread = (
        f"{Decimal(cost.likely) / Decimal('1.16'):,.2f}" for cost in (bill.monthly, bill.per_month)
    )

    printed = answer_markdown(answer)

    assert f"\u20ac{euro} per month" in answer.decision.verdict
    assert f"| {spread} |" in printed
    assert f"{RATE}. Per month includes one-off costs" in printed
    assert "$" not in answer.decision.verdict + " ".join(r.says for r in answer.decision.reasons)
    assert f"{RATE}, without tax" in printed.splitlines()[-1]


def test_json_keeps_usd_and_has_the_rate(answer: Answer) -> None:
    found = json.loads(canonical_json(answer))

    bill = next(option for option in found["options"] if option["id"] == RAG)
    assert found["currency"] == {
        "code": "EUR",
        "usd": "1.16",
        "on": "2026-11-27",
        "source": "ECB reference rates",
    }
    assert sum(float(line["amount"]) for line in bill["bill"] if line["cadence"] == "month") == (
        pytest.approx(float(bill["monthly"]["likely"]), abs=0.01)
    )


def test_sentences_place_the_currency_as_each_language_does(answer: Answer) -> None:
    english, german = (
        " ".join(decision_sentences(answer, load_sentences()[language]))
        for language in ("en", "de")
    )

    assert "It costs \u20ac" in english
    assert " EUR im Monat" in german


def test_without_an_overlay_amounts_are_usd() -> None:
    found = summarize(evaluate(example_question("policy-faq")))

    assert json.loads(canonical_json(found))["currency"]["code"] == "USD"
    assert table_note(found).startswith("US dollars. Per month")
    assert found.tax is None
    assert all(o.list_cost is None and not o.contract for o in found.options)


def test_tax_is_a_note_and_a_line_outside_the_totals(answer: Answer) -> None:
    bill = next(option for option in answer.options if option.id == RAG)
    tax = Decimal(bill.monthly.likely) * Decimal("0.19") / Decimal("1.16")

    note = table_note(answer)

    assert "19% VAT is added to invoices in Germany." in note
    assert f"Tax of 19%, not in the amounts: \u20ac0.03 one-off, \u20ac{tax:.2f} per month." in note


def test_a_bill_prints_list_and_contracted_cost_and_every_term(answer: Answer) -> None:
    bill = next(option for option in answer.options if option.id == RAG)

    printed = bill_markdown(bill, answer.currency)

    assert bill.list_cost
    assert bill.contracted_cost
    assert Decimal(bill.list_cost.monthly) > Decimal(bill.contracted_cost.monthly)
    for says in (
        "At list prices: \u20ac",
        "At contracted prices, before free tiers and commitments: \u20ac",
        "Contract: 20% off google/gemini-2.5-flash-lite (order form 2026-03).",
        "Contract: 20,000,000 tokens free per month of google/gemini-2.5-flash-lite",
        "0.5% for this workload at google (order form 2026-03).",
        "| unused commitment | month | 1 month |",
    ):
        assert says in printed


def test_the_months_of_a_bill_add_up_to_its_total(answer: Answer) -> None:
    for option in answer.options:
        document = bill_document(answer, option)
        total = sum(usd for _, usd, _, _ in month_totals(document.months))
        assert abs(total - Decimal(option.total.likely)) < Decimal("0.02") + total * Decimal(
            "0.002"
        )


def test_focus_rows_have_list_contracted_and_effective_cost(document: BillDocument) -> None:
    rows = list(csv.DictReader(io.StringIO(document_bytes(document, "focus").decode())))
    second = {row["x_Line"]: row for row in rows if row["BillingPeriodStart"].startswith("2027-01")}

    # 291.6M tokens at 0.10, at 0.08, and without the share of 20M of 296.1M that is free
    read, unused = second["input"], second["unused commitment"]
    assert [Decimal(read[name]) for name in ("ListCost", "ContractedCost")] == [
        Decimal("29.16"),
        Decimal("23.328"),
    ]
    assert float(read["EffectiveCost"]) == pytest.approx(23.328 * (1 - 20 / 296.1), abs=1e-4)
    assert read["EffectiveCost"] == read["BilledCost"]
    assert (read["ListUnitPrice"], read["ContractedUnitPrice"]) == ("0.1", "0.08")
    assert (unused["ListCost"], unused["ContractedCost"]) == ("0", "0")
    assert float(unused["EffectiveCost"]) > 0
    assert [fault for row in rows for fault in broken_rules(row)] == []


def test_documents_are_in_the_currency(document: BillDocument) -> None:
    csv_rows = list(csv.DictReader(io.StringIO(document_bytes(document, "csv").decode())))
    html = document_bytes(document, "html").decode()
    markdown = document_bytes(document, "markdown").decode()

    for row in csv_rows:
        assert (row["currency"], row["usd_for_one"], row["rate_on"]) == (
            "EUR",
            "1.16",
            "2026-11-27",
        )
        assert float(row["amount"]) == pytest.approx(float(row["usd"]) / 1.16, abs=1e-4)
    for text in (html, markdown):
        assert RATE in text
        assert "19% VAT is added to invoices in Germany." in text
        assert "unused commitment" in text
    assert "| month | EUR | 90% range |" in markdown


def test_a_workbook_divides_by_the_rate(document: BillDocument) -> None:
    book = load_workbook(io.BytesIO(document_bytes(document, "xlsx")))

    rows = list(book["Bill"].iter_rows(values_only=True))
    assert rows[4][:2] == ("Month", "EUR")
    assert str(rows[5][1]).endswith("/1.16")
    assert any(RATE in str(row[0]) for row in book["Caveats"].iter_rows(values_only=True))


def test_commands_report_a_currency_without_rate() -> None:
    done = run("recommend", "examples/policy-faq.yaml", "--set", "currency=CHF")

    assert done.returncode == 2
    assert "found CHF, and the price files have no rate for it." in done.stderr
    assert "currencies: {CHF: {usd:" in done.stderr


def test_a_sweep_names_the_currency(tmp_path: Path) -> None:
    asked = ("sweep", "examples/policy-faq.yaml", "--axis", "traffic.requests_per_month=1e5")
    euro = run(*asked, "--prices", str(OVERLAY), "--set", "currency=EUR")

    assert f"1 variants; {RATE}." in " ".join(euro.stdout.split())
