"""Rules that a team adds: checked before they are used, used by every door, never any code."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.api.app import planning_app
from advisor.decision.answer import Question, canonical_json, recommend
from advisor.decision.sweep import sweep
from advisor.errors import AdvisorError, TeamRuleError, UsageError
from advisor.inputs import INPUT_PATHS, resolve
from advisor.loading import example_question, load_evidence, parse_team_rules, read_team_rules
from advisor.rules.team_rules import OptionAttributes, TeamRule, team_rules_from
from advisor.scenario.fields import FIELDS
from advisor.scenario.scenario import Scenario
from tests.support.paths import ROOT

CONTRACTS = ROOT / "examples" / "rules" / "contracts.yaml"


def rule(when: str, then: str = "rule_out", name: str = "ours-1") -> dict[str, str]:
    return {"id": name, "when": when, "then": then, "says": "We do not.", "source": "policy 7"}


def asked(*rules: dict[str, str], name: str = "policy-faq", **changes: Any) -> Question:
    made = replace(
        example_question(name), rules=parse_team_rules(list(rules), "rules.yaml"), **changes
    )
    return replace(made, with_sensitivity=False)


@pytest.mark.parametrize(
    ("when", "place", "says"),
    [
        ("option.approach ==", "line 1 column 19", "mismatched input '<EOF>'"),
        ("option.approach = 'rag'", "line 1 column 17", "token recognition error"),
        ("option.trains &&\n  nothing", "line 2 column 3", "unknown name 'nothing'"),
        ("option.aproach == 'rag'", "line 1 column 8", "unknown name 'option.aproach'. Did you mean 'approach'?"),
        ("scenario.traffic.requests > 1.0", "line 1 column 18", "unknown name 'scenario.traffic.requests'"),
        ("option.approach == 'ragg'", "line 1 column 20", "option.approach is never 'ragg'. Did you mean 'rag'"),
        ("option.approach in ['rag', 'comb']", "line 1 column 28", "Did you mean 'combo'?"),
        ("option.provider == 3", "line 1 column 17", "a text is compared with a number"),
        ("option.trains && option.provider > 3.0", "line 1 column 34", "a text is compared with a number"),
        ("option.provider in 'openai'", "line 1 column 17", "'in' needs a list"),
        ("option.monthly_usd", "line 1 column 1", "found a number instead of true or false"),
        ("option.monthly_usd + 1 > 5.0", "line 1 column 1", "Unsupported operation: float + int"),
        ("1.0 / 0.0 > option.id", "line 1 column 11", "a number is compared with a text"),
        ("1 / 0 == 1", "line 1 column 1", "division by zero"),
        ("scenario.limits.budget_monthly_usd < 5.0", "line 1 column 1", "is null if it is not given. Write scenario.limits.budget_monthly_usd != null && before it."),
        ("option.licence.startsWith('apache')", "line 1 column 1", "option.licence is null if it is not given"),
        ("scenario.current.model == 'x'", "line 1 column 1", "scenario.current is null if it is not given"),
        ("option", "line 1 column 1", "'option' is not a value"),
        ("option['provider'] == 'x'", "line 1 column 1", "'option' is not a value"),
        ("scenario.note == 'x'", "line 1 column 10", "unknown name 'scenario.note'"),
        ("option.model.matches('(a+)+')", "line 1 column 14", "unknown function 'matches'"),
        ("__import__('os').system('x') == 0", "line 1 column 1", "unknown function '__import__'"),
        ("scenario.hardware.exists(h, h.gup == 'T4')", "line 1 column 1", "unknown name 'gup'"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "line 1 column 30", "loops are nested more than two deep"),
        ("[1, 2].map(x, x) == [1, 2]", "line 1 column 8", "unknown function 'map'"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_used_is_refused_with_its_name_and_place(
    when: str, place: str, says: str
) -> None:
    with pytest.raises(TeamRuleError) as caught:
        team_rules_from([rule(when)], "rules.yaml")

    assert str(caught.value).startswith(f"rules.yaml: rule 1 (ours-1): when, {place}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("text", "rules.yaml: expected a list of rules."),
        ([{**rule("true"), "thne": "x"}], "rules.yaml: rule 1: thne: Extra inputs"),
        ([{**rule("true"), "then": "ban"}], "rules.yaml: rule 1: then: Input should be 'rule_out'"),
        ([{**rule("true"), "source": ""}], "rules.yaml: rule 1: source: String should have"),
        ([rule("x" * 2001)], "rules.yaml: rule 1: when: String should have at most 2000"),
        (["true"], "rules.yaml: rule 1: Input should be a valid dictionary"),
        ([rule("true"), rule("true")], "rules.yaml: rule 2: id: the id 'ours-1' is already used."),
        ([rule("true", name="too-few-examples")], "rules.yaml: rule 1: id: the id 'too-few-examples' is already used."),
        ([rule("true")] * 51, "rules.yaml: found 51 rules."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_of_rules_is_refused(given: object, says: str) -> None:
    with pytest.raises(TeamRuleError) as caught:
        parse_team_rules(given, "rules.yaml")

    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    "when",
    [
        "option.provider in ['own', 'azure'] || !option.trains",
        "scenario.task == 'classification' ? option.trains : option.gpu == null",
        "scenario.limits.budget_monthly_usd != null && option.monthly_usd > scenario.limits.budget_monthly_usd",
        "scenario.current != null && scenario.current.model != null && scenario.current.model.startsWith('openai/')",
        "size(scenario.limits.regions) > 0 && option.launch != 'local' // residency",
        "scenario.hardware.exists(h, h.usd_per_hour > 2.0 && h.gpu == option.gpu)",
        "option.ends_on != null && option.ends_on < '2027-06-01'",
        "scenario.quality.measured.all(m, m.n >= 50.0)",
        "(((option.open_weights)))",
    ],
)  # fmt: skip
def test_a_sound_rule_is_taken_and_answers_with_it(when: str) -> None:
    found = recommend(asked(rule(when)))

    assert found.rules[0].when == when
    assert found.decision.recommended


def test_rule_out_puts_options_out_with_the_name_and_source_of_the_team() -> None:
    before = recommend(asked())
    provider = before.decision.recommended.split(":")[1]

    found = recommend(asked(rule(f"option.provider == '{provider}'")))

    out = [one for one in found.ruled_out if one.rule == "ours-1"]
    assert {one.id for one in before.options if f":{provider}:" in one.id} <= {one.id for one in out}  # fmt: skip
    assert {(one.says, one.source) for one in out} == {("We do not.", "policy 7")}
    assert all(option.provider != provider for option in found.options)
    assert f":{provider}:" not in found.decision.recommended


def test_require_lets_only_those_stand_for_which_it_holds() -> None:
    found = recommend(asked(rule("option.provider in ['azure', 'own']", "require")))

    standing = {one.provider for one in found.options if one.id != "not_yet"}
    assert standing <= {"azure", "own"}
    assert found.decision.recommended.split(":")[1:2] in ([], ["azure"], ["own"])


def test_prefer_wins_a_tie_and_never_against_what_is_clearly_cheaper() -> None:
    question = asked(name="nightly-extraction")
    ranked = [o for o in recommend(question).options if o.approach == "prompt"]
    cheapest, most_expensive = ranked[0], ranked[-1]
    near = asked(rule("option.is_current", "prefer"), name="nightly-extraction")

    wild = recommend(
        asked(rule(f"option.id == '{most_expensive.id}'", "prefer"), name="nightly-extraction")
    )

    assert float(most_expensive.per_month.likely) > 2 * float(cheapest.per_month.likely)
    assert wild.decision.recommended == recommend(question).decision.recommended
    assert recommend(near).decision.recommended == cheapest.id


def test_not_yet_measures_with_a_model_that_the_rules_allow() -> None:
    free = recommend(asked(name="too-little"))
    provider = next(one.provider for one in free.options if one.id == "not_yet")

    found = recommend(asked(rule(f"option.provider == '{provider}'"), name="too-little"))

    measuring = next(one for one in found.options if one.id == "not_yet")
    assert found.decision.recommended == "not_yet"
    assert measuring.provider != provider


def test_a_rule_reads_costs_and_numbers_of_each_variant_of_a_sweep() -> None:
    when = "option.trains && scenario.traffic.requests_per_month < 2000000.0"
    question = asked(rule(when), rule("option.one_off_usd > 1.0", name="ours-2"), name="email-triage-monthly")  # fmt: skip
    path, values = "traffic.requests_per_month", [1e4, 1e6, 3e6, 1e8]

    together = sweep(question, [{path: value} for value in values], ranges=False)

    for value, name in zip(values, together.recommended, strict=True):
        traffic = question.scenario.traffic.model_copy(update={"requests_per_month": value})
        one = replace(question, scenario=question.scenario.model_copy(update={"traffic": traffic}))
        assert recommend(one).decision.recommended == name
    assert together.approach[0] in ("prompt", "few_shot", "current", "long_context")
    assert together.approach[-1] not in ("prompt", "few_shot", "current", "long_context")


def test_a_sweep_refuses_more_trials_than_can_be_waited_for() -> None:
    question = asked(rule("option.monthly_usd > 5.0"), rule("option.monthly_usd > 6.0", name="b"))

    with pytest.raises(UsageError, match="Send at most 5,000 variants"):
        sweep(question, [{"horizon_months": 6.0}] * 5001)


def test_rules_that_read_words_of_the_scenario_flip_with_them() -> None:
    when = "option.approach == 'rag' && scenario.knowledge.permissions_per_user"
    question = replace(asked(rule(when)), with_sensitivity=True)

    found = recommend(question)

    assert found.decision.recommended.startswith("rag:")
    flips = {flip.path: flip.becomes for flip in found.decision.flips}
    if "knowledge.permissions_per_user" in flips:
        assert not flips["knowledge.permissions_per_user"].startswith("rag:")
    for flip in found.decision.flips:
        assert flip.becomes != found.decision.recommended


def test_the_rules_are_part_of_the_question() -> None:
    bare, ruled = recommend(asked()), recommend(asked(rule("option.tier == 'large'")))
    other = recommend(asked(rule("option.tier == 'large'", name="ours-2")))

    assert len({one.question_sha256 for one in (bare, ruled, other)}) == 3
    assert canonical_json(ruled) == canonical_json(recommend(asked(rule("option.tier == 'large'"))))


def test_library_command_line_and_http_return_the_same_bytes_with_rules(tmp_path: Path) -> None:
    question = replace(example_question("too-little"), rules=read_team_rules(CONTRACTS))
    expected = canonical_json(recommend(question))
    body = {"question": question.scenario.model_dump(mode="json", exclude_unset=True),
            "rules": [one.model_dump() for one in question.rules]}  # fmt: skip

    cli = subprocess.run(
        [sys.executable, "-m", "advisor", "recommend", "examples/too-little.yaml", "--rules",
         str(CONTRACTS), "--format", "json"], cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    http = TestClient(planning_app()).post("/api/v1/recommend", json=body)

    assert http.content == expected
    assert cli == expected + b"\n"


def test_asking_again_asks_with_the_same_rules(tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    saved.write_bytes(canonical_json(recommend(asked(rule("option.provider == 'google'")))))

    said = subprocess.run(
        [sys.executable, "-m", "advisor", "again", str(saved), "--on", "2026-11-20"], cwd=ROOT,
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert "The verdict is unchanged" in said
    assert "No other changes." in said


def test_http_tells_what_is_wrong_with_a_rule() -> None:
    body = {"question": {"asked_on": "2026-11-20"}, "rules": [rule("option.x")]}
    client = TestClient(planning_app())

    for door, extra in (("recommend", {}), ("estimate", {}), ("sweep", {"axes": {"horizon_months": [6]}})):  # fmt: skip
        found = client.post(f"/api/v1/{door}", json={**body, **extra})
        assert (found.status_code, found.json()["code"]) == (422, "team-rule")
        assert found.json()["where"] == "body: rules: rule 1 (ours-1): when, line 1 column 8"


def test_what_stays_unsaid_is_what_the_facts_leave_open() -> None:
    inputs = resolve(Scenario(asked_on=date(2026, 11, 20)), None, load_evidence()).inputs

    open_ones = {path for path, name in INPUT_PATHS.items() if bool((getattr(inputs, name) != getattr(inputs, name)).all())}  # fmt: skip
    assert open_ones == {path for path, field in FIELDS.items() if field.optional}


def test_a_rule_that_meets_null_behind_its_guard_says_which_option() -> None:
    when = "option.licence != null || option.licence.startsWith('a')"

    with pytest.raises(TeamRuleError, match=r"rule ours-1: when, at option .+Check first that it is given"):  # fmt: skip
        recommend(asked(rule(when)))


def test_a_list_longer_than_a_rule_goes_through_is_refused() -> None:
    question = asked(rule("scenario.limits.providers.exists(p, p == option.provider)"))
    limits = question.scenario.limits.model_copy(update={"providers": ("google",) * 101})

    with pytest.raises(TeamRuleError, match="this list has 101 entries"):
        recommend(
            replace(question, scenario=question.scenario.model_copy(update={"limits": limits}))
        )


def test_the_longest_loops_that_a_rule_may_hold_end_soon() -> None:
    long = "[" + ",".join("1" * 450) + "]"
    when = f"{long}.all(a, {long}.all(b, a + b > 0))"

    recommend(asked(rule(when)))

    assert len(when) < 2000


def test_the_example_of_a_team_is_sound_and_names_every_kind() -> None:
    rules = read_team_rules(CONTRACTS)

    assert {one.then for one in rules} == {"rule_out", "require", "prefer"}
    found = recommend(replace(example_question("brand-voice"), rules=rules, with_sensitivity=False))
    fired = {one.rule for one in found.ruled_out}
    assert {"vendors-with-a-contract"} <= fired


def test_the_docs_name_everything_that_a_rule_reads_of_an_option() -> None:
    text = (ROOT / "docs" / "rules.md").read_text()

    assert all(f"`{name}`" in text for name in OptionAttributes.model_fields)
    assert all(f"`{name}`" in text for name in TeamRule.model_fields["then"].annotation.__args__)  # type: ignore[union-attr]


WORDS = ["option", "scenario", ".", "approach", "trains", "(", ")", "[", "]", "'rag'", "1.0", "1",
         "==", "!", "&&", "||", "?", ":", "in", "null", "true", "task", "traffic", "size",
         "exists", ",", "x", "-", "%", "{", "}", "\n", "'", '"', "//", "a.b"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), st.text(max_size=60)))
def test_whatever_is_written_is_a_rule_or_a_clear_error(when: str) -> None:
    said = ""
    try:
        rules = team_rules_from([rule(when)], "rules.yaml")
    except AdvisorError as error:
        said = str(error)
    assert said.startswith("rules.yaml: rule 1") or rules[0].when == when
