"""Worked cases: a question, and the sum by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.decision.answer import Answer, Question, evaluate, recommend
from advisor.decision.bill import OptionBill
from advisor.decision.break_even import break_even
from advisor.estimate.line import first_value
from advisor.evidence import Evidence
from advisor.loading import read_mapping
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import scenario_from
from tests.support.cases import case_book
from tests.support.paths import TESTS

CASES = sorted((TESTS / "cases").glob("*.yaml"))
ABOUT_THE_WHOLE = {"trains", "approach", "ruled_out", "offered"}


def ask(path: Path, book: PriceBook, evidence: Evidence) -> tuple[Question, dict[str, Any]]:
    case = read_mapping(path)
    scenario = scenario_from(case["question"], str(path))
    priced = case_book(case, book)
    return Question(scenario, priced, evidence, with_sensitivity=False), case["expect"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_worked_case_comes_out_to_the_cent(
    path: Path, book: PriceBook, evidence: Evidence
) -> None:
    question, expect = ask(path, book, evidence)

    found = recommend(question)

    everything = {option.id: option for option in found.options} | _gated(question)
    for option_id, wanted in expect.items():
        if option_id not in ABOUT_THE_WHOLE:
            option = everything[option_id]
            _check_option(option, wanted, question)
            _check_against(option, wanted, everything)
            _check_correct(option, wanted, question)
    _check_whole(found, expect)


def _gated(question: Question) -> dict[str, OptionBill]:
    """Bills of options that a number rules out: their sums are still right."""
    from advisor.decision.bill import option_bill

    evaluated = evaluate(question)
    drawn = {entry.option.id: entry for entry in evaluated.drawn.entries}
    return {
        entry.option.id: option_bill(
            entry, drawn[entry.option.id], question.book, evaluated.resolved, 0.0
        )
        for entry in evaluated.options
    }


def _check_option(option: OptionBill, wanted: dict[str, Any], question: Question) -> None:
    assert wanted.get("monthly", option.monthly.likely) == option.monthly.likely
    assert wanted.get("one_off", option.one_off.likely) == option.one_off.likely
    assert wanted.get("months", option.months) == option.months
    assert wanted.get("per_month", option.per_month.likely) == option.per_month.likely
    if "one_off_within" in wanted:
        low, high = map(Decimal, wanted["one_off_within"])
        assert low <= Decimal(option.one_off.likely) <= high
    amounts = {line.item: line.amount for line in option.bill}
    assert wanted.get("hosting", "") == amounts.get("hosting", "") or "hosting" not in wanted
    for name, line in wanted.get("lines", {}).items():
        found = next((one for one in option.bill if one.item == name), None)
        assert found is not None, (name, [one.item for one in option.bill])
        assert {field: getattr(found, field) for field in line} == line
    names = {line.item for line in option.bill}
    assert not names & set(wanted.get("without", []))
    for name, cost in (("list", option.list_cost), ("contracted", option.contracted_cost)):
        assert f"{name}_monthly" not in wanted or cost is not None
        assert cost is None or wanted.get(f"{name}_monthly", cost.monthly) == cost.monthly
    if "caveat" in wanted:
        assert wanted["caveat"] in {caveat.code for caveat in option.caveats}
    if "inference" in wanted:
        parts = [float(amounts[name]) for name in ("input", "output")]
        assert f"{sum(parts):.2f}" == wanted["inference"]
    if "requests" in wanted:
        evaluated = evaluate(question)
        entries = {entry.option.id: entry for entry in evaluated.options}
        month = first_value(evaluated.resolved.inputs.requests_per_month)
        even = break_even(entries[option.id], entries[wanted["against"]], month)
        assert wanted["requests"] == even.requests


def _check_against(
    option: OptionBill, wanted: dict[str, Any], bills: dict[str, OptionBill]
) -> None:
    if "cheaper_than" in wanted:
        other = bills[wanted["cheaper_than"]]
        assert Decimal(option.per_month.likely) < Decimal(other.per_month.likely)


def _check_correct(option: OptionBill, wanted: dict[str, Any], question: Question) -> None:
    if "per_million_correct" in wanted:
        requests = question.scenario.traffic.requests_per_month
        assert requests is not None
        usd_per_call = float(option.monthly.likely) / requests
        per_correct = 1e6 * usd_per_call / float(option.quality.likely)
        assert f"{per_correct:.2f}" == wanted["per_million_correct"]


def _check_whole(found: Answer, expect: dict[str, Any]) -> None:
    rules = {one.id: one.rule for one in found.ruled_out}
    for option_id, rule in expect.get("ruled_out", {}).items():
        assert rules[option_id] == rule
    ids = [option.id for option in found.options]
    for start in expect.get("offered", []):
        assert any(option_id.startswith(start) for option_id in ids)
    approach = found.decision.recommended.split(":")[0]
    assert expect.get("approach", approach) == approach
    if "trains" in expect:
        assert expect["trains"] == (approach not in ("prompt", "few_shot", "rag", "long_context"))


def test_every_case_says_why_it_is_there() -> None:
    assert len(CASES) >= 25

    for path in CASES:
        assert set(read_mapping(path)) >= {"name", "because", "question", "expect"}


def test_at_300_000_requests_tuning_gains_without_cache_and_loses_with_it(
    book: PriceBook, evidence: Evidence
) -> None:
    gains = {}
    for share in (0.0, 0.9):
        case = read_mapping(TESTS / "cases" / "cache_collapse.yaml")["question"]
        traffic = case["traffic"] | {"requests_per_month": 300_000, "cache_hit_share": share}
        scenario = scenario_from(case | {"traffic": traffic})
        bills = _gated(replace(Question(scenario, book, evidence), with_sensitivity=False))
        prompted = float(bills["prompt:openai:gpt-4o-mini"].monthly.likely)
        tuned = bills["ft_api:openai:gpt-4o-mini"]
        gains[share] = prompted - float(tuned.monthly.likely) - float(tuned.one_off.likely)

    assert gains[0.0] == pytest.approx(30.87)
    assert gains[0.9] == pytest.approx(-9.63)


def test_rows_cut_to_the_stub_pay_five_times_sooner(book: PriceBook, evidence: Evidence) -> None:
    stub, _ = ask(TESTS / "cases" / "cache_collapse_stub_rows.yaml", book, evidence)
    tuned = {entry.option.id: entry for entry in evaluate(stub).options}
    found = []
    for name in ("cache_collapse", "cache_collapse_cached"):
        question, _ = ask(TESTS / "cases" / f"{name}.yaml", book, evidence)
        prompted = {entry.option.id: entry for entry in evaluate(question).options}
        even = break_even(
            tuned["ft_api:openai:gpt-4o-mini"], prompted["prompt:openai:gpt-4o-mini"], 1_000_000
        )
        found.append(even.requests)

    # 2.754 / 0.000147 and 2.754 / 0.000012
    assert found == [18_735, 229_500]


def test_a_refusal_names_the_day_and_the_source(book: PriceBook, evidence: Evidence) -> None:
    question, _ = ask(CASES[0].with_name("openai_newcomer.yaml"), book, evidence)

    refused = {one.id: one for one in recommend(question).ruled_out}

    says = refused["ft_api:openai:gpt-4o-mini"]
    assert "never tuned cannot start a job since 2026-05-07" in says.says
    assert says.source == "https://developers.openai.com/api/docs/deprecations"
