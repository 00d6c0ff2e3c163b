"""The program's own rules: each in the code has its entry, each entry its place in the code."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from pydantic import ValidationError

from advisor.decision.answer import canonical_json, recommend
from advisor.decision.checks import CHECKS
from advisor.errors import PriceNotYetKnown, PriceWithdrawn, UnknownPrice, Unpriced
from advisor.evidence import Evidence, TaskEvidence
from advisor.loading import load_rule_catalogue, make_question
from advisor.options.option import RuledOutOption
from advisor.rules.catalogue import NO_RULES, Dispute, RuleCatalogue, with_disputes
from tests.support.paths import ROOT

CODE = re.compile(r"^[a-z]+(-[a-z0-9]+)*$")
PRICES = {kind.code for kind in (PriceNotYetKnown, PriceWithdrawn, UnknownPrice, Unpriced)}
"""Codes of errors that keep an option off the menu: the code passes them on."""


def _ruled_out() -> set[str]:
    """Codes written where an option is kept off the menu."""
    found = set()
    for path in (ROOT / "advisor/options").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "rule_out",
                "RuledOutOption",
            ):
                parts = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "rule")]
                found |= {part.value for part in parts if isinstance(part, ast.Constant)}
    return {str(text) for text in found if CODE.match(str(text))}


def _reasons() -> set[str]:
    """Every text in the reasons that is written as a code."""
    nodes = ast.walk(ast.parse((ROOT / "advisor/decision/reasons.py").read_text()))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    return {text for text in texts if "-" in text and CODE.match(text)}


MENU = _ruled_out() | PRICES
REASONS = _reasons()
NUMBERS = {check.code for check in CHECKS}


def test_every_rule_of_the_code_has_an_entry_and_every_entry_its_place() -> None:
    rules = load_rule_catalogue().rules
    held = {rule.code for rule in rules if rule.evidence or rule.rests_on}

    assert len(MENU) >= 10
    assert len(REASONS) >= 8
    assert {rule.code for rule in rules if "menu" in rule.by} == MENU
    assert {rule.code for rule in rules if "numbers" in rule.by} == NUMBERS
    assert {rule.code for rule in rules if "reason" in rule.by} == REASONS
    assert {rule.code for rule in rules} == MENU | NUMBERS | REASONS | held


def test_every_part_of_the_evidence_belongs_to_a_rule() -> None:
    parts = {*Evidence.model_fields, *TaskEvidence.model_fields} - {
        "kinds",
        "tasks",
        "basis",
        "source",
    }

    named = [part for rule in load_rule_catalogue().rules for part in rule.evidence]
    assert sorted(named) == sorted(parts)


def test_what_a_rule_rests_on_is_there() -> None:
    for rule in load_rule_catalogue().rules:
        if rule.rests_on:
            module, _, name = rule.rests_on.rpartition(".")
            assert hasattr(importlib.import_module(module), name), rule.code


def test_every_rule_has_two_sides_and_its_sources() -> None:
    for rule in load_rule_catalogue().rules:
        assert rule.case_for.says != rule.case_against.says
        for dispute in rule.disputes:
            assert dispute.low < dispute.high
            assert len(dispute.sources) >= 2


def test_a_range_without_width_and_a_rule_said_twice_are_refused() -> None:
    one = load_rule_catalogue().rules[0]

    with pytest.raises(ValidationError, match="no width"):
        Dispute(figure="points", low=1, high=1, unit="", sources=("a", "b"))
    with pytest.raises(ValidationError, match="duplicate rule"):
        RuleCatalogue(rules=(one, one))


@pytest.mark.parametrize(("task", "ends"), [("classification", "8 to 500"), ("generation", "50 to 1,000"), ("translation", "5,000 to 100,000")])  # fmt: skip
def test_where_sources_differ_the_answer_tells_the_range_and_who(task: str, ends: str) -> None:
    scenario = {"asked_on": "2026-11-20", "task": task, "dataset": {"examples": 7},
                "traffic": {"requests_per_month": 1e5}, "quality": {"target": 0.8}}  # fmt: skip

    out = [
        one
        for one in recommend(make_question(scenario)).ruled_out
        if one.rule == "too-few-examples"
    ]

    assert out
    assert all(f"{ends} examples" in one.says and "https://" in one.says for one in out)


def test_without_a_dispute_for_the_task_nothing_is_added() -> None:
    said = RuledOutOption(id="a", rule="too-few-examples", says="Too few.", source="x")

    assert with_disputes(said, said.rule, load_rule_catalogue(), "knowledge_qa") == said
    assert with_disputes(said, said.rule, NO_RULES, "code") == said
    assert "Sources differ" in with_disputes(said, said.rule, load_rule_catalogue(), "code").says


def test_the_disputes_do_not_move_the_decision() -> None:
    question = make_question(
        {"asked_on": "2026-11-20", "task": "classification", "dataset": {"examples": 7}}
    )
    bare = make_question(
        {"asked_on": "2026-11-20", "task": "classification", "dataset": {"examples": 7}}
    )
    bare = type(bare)(**{**vars(bare), "catalogue": NO_RULES})

    ours, theirs = recommend(question), recommend(bare)

    assert ours.options == theirs.options
    assert ours.decision.recommended == theirs.decision.recommended
    assert canonical_json(ours) != canonical_json(theirs)


ROW = re.compile(r"^\| ([A-Z\d].+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_every_claim_names_a_rule_of_ours_and_a_source() -> None:
    rows = ROW.findall((ROOT / "docs" / "claims.md").read_text())
    known = load_rule_catalogue().by_code

    assert len(rows) == 18
    for claim, found, rules, source in rows:
        assert re.match(r"(supported|in part|contradicted)", found), claim
        assert set(re.findall(r"`([\w-]+)`", rules)) <= set(known), claim
        assert "`" in rules
        assert source.startswith("https://"), claim
