"""The trace: every rule on every option, with its numbers, the same each time, only if asked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from advisor.api.app import planning_app
from advisor.decision.answer import Answer, canonical_json, evaluate, summarize
from advisor.decision.checks import CHECKS
from advisor.decision.evaluate import Question
from advisor.decision.trace import AnswerWithExtras, Trace, trace
from advisor.loading import example_question, load_rule_catalogue, parse_team_rules
from advisor.options.candidates import CANDIDATE_RULES
from tests.support.paths import ROOT

NAMES = ["policy-faq", "too-little", "brand-voice", "email-triage-monthly"]


def traced_answer(question: Question) -> tuple[Answer, Trace]:
    evaluated = evaluate(question)
    found = summarize(evaluated)
    return found, trace(evaluated, found)


@pytest.mark.parametrize("name", NAMES)
def test_the_trace_agrees_with_the_answer_about_every_option(name: str) -> None:
    found, traced = traced_answer(example_question(name))

    outcomes = [(one.id, one.outcome) for one in traced.options]
    ruled_out = sorted(id_ for id_, outcome in outcomes if outcome in ("ruled_out", "off_the_menu"))
    assert ruled_out == sorted(one.id for one in found.ruled_out)
    standing = {id_ for id_, outcome in outcomes if outcome not in ("ruled_out", "off_the_menu")}
    assert standing == {one.id for one in found.options} - {"not_yet"}
    if found.decision.recommended != "not_yet":
        assert (found.decision.recommended, "recommended") in outcomes
    fired = {one.rule for one in traced.decision if one.fired}
    assert fired == {reason.code for reason in found.decision.reasons}


@pytest.mark.parametrize("name", NAMES)
def test_each_option_names_the_rule_that_put_it_out_and_its_numbers(name: str) -> None:
    found, traced = traced_answer(example_question(name))
    by_rule = {(one.id, one.rule): one.says for one in found.ruled_out}

    for option in traced.options:
        fired = [one for one in option.tried if one.fired and one.by in ("menu", "numbers")]
        if option.outcome in ("ruled_out", "off_the_menu"):
            assert any((option.id, one.rule) in by_rule for one in fired)
            assert all(one.says and one.source for one in fired)
        else:
            assert fired == []
            assert {check.code for check in CHECKS} <= {one.rule for one in option.tried}
        assert all(one.numbers for one in option.tried if one.by == "numbers")


def test_every_rule_of_the_candidates_is_traced() -> None:
    rules = load_rule_catalogue().rules
    elsewhere = {"no-documents", "price-not-yet-known", "price-withdrawn", "unknown-price"}

    traced = {rule.code for rule in CANDIDATE_RULES}
    assert traced == {rule.code for rule in rules if "menu" in rule.by} - elsewhere


def test_the_same_question_gives_the_same_trace() -> None:
    question = example_question("policy-faq")

    assert canonical_json(traced_answer(question)[1]) == canonical_json(traced_answer(question)[1])


def test_rules_of_a_team_are_traced_with_what_they_said() -> None:
    rules = parse_team_rules([
        {"id": "ours-1", "when": "option.provider == 'google'", "then": "rule_out", "says": "No.", "source": "us"},
        {"id": "ours-2", "when": "option.trains", "then": "prefer", "says": "Yes.", "source": "us"},
    ], "rules.yaml")  # fmt: skip
    question = replace(example_question("brand-voice"), rules=rules)

    _, traced = traced_answer(question)

    for option in traced.options:
        mine = {one.rule: one for one in option.tried if one.by == "team"}
        if option.outcome == "off_the_menu":
            continue
        assert mine["ours-1"].fired == (":google:" in option.id)
        assert mine["ours-1"].numbers[0][0] == "option.provider == 'google'"
        assert mine["ours-2"].numbers[1] == ("then", "prefer")


def test_the_trace_is_kept_out_of_the_default_answer_and_comes_where_it_is_asked_for() -> None:
    client = TestClient(planning_app())
    asked = {"question": {"asked_on": "2026-11-20", "task": "code"}}

    plain = client.post("/api/v1/recommend", json=asked)
    full = client.post("/api/v1/recommend", json={**asked, "trace": True, "explain": "de"})

    assert "trace" not in plain.json()
    told = AnswerWithExtras.model_validate(full.json())
    assert canonical_json(told.answer) == plain.content
    assert told.trace
    assert told.text
    assert told.text[0].startswith("Empfehlung")
    assert plain.headers["etag"] != full.headers["etag"]
    wrong = client.post("/api/v1/recommend", json={**asked, "explain": "xx"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "usage")
    odd = client.post("/api/v1/estimate", json={**asked, "trace": True})
    assert (odd.status_code, odd.json()["code"]) == (422, "request")


def test_the_command_line_writes_the_trace_in_every_format() -> None:
    def run(*flags: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "advisor", "recommend", "examples/too-little.yaml", "--trace",
             *flags], cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    found = json.loads(run("--format", "json"))
    text, markdown = run(), run("--format", "markdown")

    assert found["trace"]["question_sha256"] == found["answer"]["question_sha256"]
    for shown in (text, markdown):
        assert "Rules tried" in shown
        assert "too-little-to-decide-on" in shown
        assert all(option["id"] in shown for option in found["trace"]["options"])
    assert "### the question" in markdown
