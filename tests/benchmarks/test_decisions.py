"""The benchmark of decisions: how cases are read, how answers are named, and how both are scored."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from benchmarks.decision_answers import advise, check_limits, regret_usd, why_not
from benchmarks.decision_cases import CaseError, GoldAnswer, PublishedCase, parse_case, read_cases
from benchmarks.decision_hash import DECIDING_PATTERNS, deciding_files, rules_sha256
from benchmarks.decision_labels import act_of, label_of, switches_of
from benchmarks.decision_ladder import ladder_label
from benchmarks.decision_limits import check_all_limits
from benchmarks.decision_misses import list_misses
from benchmarks.decision_scenario import scenario_of, unread_values
from benchmarks.decision_scores import (
    Proportion,
    differing_pairs,
    label_verdict,
    measures,
    per_label,
)
from benchmarks.decision_split import half_of
from benchmarks.decisions import HISTORY, TODAY, book_of_models_on_sale, day_in, main

BUILD = Path("benchmarks/data/decision_cases_build.yaml")
LEAST: dict[str, Any] = {
    "id": "least",
    "as_of_year": 2024,
    "inputs": {},
    "gold": {"best": "prompt"},
}
MAIL: dict[str, Any] = {
    "id": "mail",
    "title": "E-mails",
    "situation": "words",
    "as_of_year": 2025,
    "inputs": {
        "task_type": "classification",
        "goals": {"narrow_label_task": True, "low_latency": False},
        "n_examples": 5000,
        "label_quality": "reviewed",
        "avg_in_tokens": 400,
        "avg_out_tokens": 4,
        "req_per_day": 100000,
        "n_classes_or_adapters": 12,
        "has_eval": True,
        "baseline_quality": "81.5%",
        "target_quality": ">=94%",
        "rag_tried": None,
    },
    "inputs_norm": {
        "change_rate": "yearly",
        "team_ml": "vendor",
        "gpu": "cluster",
        "prompt_effort": "systematic",
        "prompt_result": "gap",
        "corpus_tokens": None,
    },
    "reported_outcome": "words",
    "why": "words",
    "counterfactual_group": None,
    "gold": {"best": "distill", "acceptable": ["lora"], "wrong": ["rag"], "combo_of": None},
}


@pytest.fixture(scope="module")
def cases() -> list[PublishedCase]:
    return read_cases(BUILD)


@pytest.fixture(scope="module")
def history() -> PriceBook:
    return load_prices(overlay=HISTORY)


def changed(case: dict[str, Any], **inputs: object) -> PublishedCase:
    mapping = copy.deepcopy(case)
    mapping["inputs"] |= inputs
    return parse_case(mapping)


def test_what_a_user_would_have_told_becomes_the_scenario() -> None:
    scenario = scenario_of(parse_case(MAIL), TODAY)

    assert scenario.task == "classification"
    assert scenario.needs.narrow_label_task
    assert not scenario.needs.low_latency
    assert (scenario.dataset.examples, scenario.dataset.classes) == (5000, 12)
    assert scenario.dataset.label_quality == "expert"
    assert scenario.traffic.requests_per_month == pytest.approx(100_000 * 365 / 12)
    assert (scenario.traffic.prefix_tokens, scenario.traffic.user_tokens) == (200, 200)
    assert scenario.knowledge.change == "static"
    assert (scenario.team.ml, scenario.hardware[0].count) == ("strong", 8)
    assert (scenario.quality.prompting, scenario.quality.target) == ("gap", None)


def test_gold_answer_outcome_and_prose_of_a_case_do_not_reach_the_scenario(
    cases: list[PublishedCase],
) -> None:
    told = yaml.safe_load(BUILD.read_text(encoding="utf-8"))
    for case, mapping in zip(cases, told, strict=True):
        blind = {key: mapping[key] for key in ("id", "as_of_year", "inputs", "inputs_norm")}
        other = parse_case(blind | {"gold": {"best": "not_yet"}})

        assert scenario_of(other, TODAY) == scenario_of(case, TODAY)


def test_a_case_that_says_next_to_nothing_is_still_a_question() -> None:
    scenario = scenario_of(parse_case(LEAST), TODAY)

    assert scenario.task == "other"
    assert scenario.dataset.examples is None
    assert scenario.quality.prompting == "unknown"


def test_nulls_unknown_tasks_needs_and_words_for_numbers_are_named_and_left_unsaid() -> None:
    case = changed(
        MAIL,
        task_type="haruspicy",
        n_examples="hundreds",
        req_per_day="~5k",
        goals={"needs_magic": True, "style_or_format": "often"},
        avg_in_tokens=None,
    )
    scenario = scenario_of(case, TODAY)

    assert scenario.task == "other"
    assert scenario.dataset.examples is None
    assert scenario.traffic.requests_per_month == pytest.approx(5000 * 365 / 12)
    assert unread_values(case) == [
        "case mail: inputs.n_examples: expected a number, found 'hundreds'",
        "case mail: unknown need 'needs_magic'",
        "case mail: inputs.goals.style_or_format: expected true or false, found 'often'",
    ]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"gold": None}, "case least: 'gold': expected a mapping, found None"),
        ({"gold": {"best": None}}, "case least: gold.best: expected a label, found None"),
        (
            {"gold": {"best": "rag", "wrong": [1]}},
            "case least: gold.wrong: expected a list of labels, found [1]",
        ),
        (
            {"as_of_year": "soon"},
            "case least: as_of_year: expected a year such as 2024, found 'soon'",
        ),
        ({"inputs": None}, "case least: 'inputs': expected a mapping, found None"),
        ({"inputs": {"goals": [1]}}, "case least: inputs.goals: expected a mapping"),
    ],
)
def test_a_case_that_cannot_be_read_is_named(broken: dict[str, Any], says: str) -> None:
    with pytest.raises(CaseError) as raised:
        parse_case(LEAST | broken)

    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- id: a\n  gold: [", "not valid YAML"),
        ("a: 1", "expected a list of cases"),
        ("[3]", "case 1: expected a mapping, found 3"),
        (json.dumps([LEAST, LEAST]), "duplicate case"),
    ],
)
def test_a_file_that_holds_no_cases_ends_with_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as raised:
        main([str(path)])

    assert says in str(raised.value)


def test_the_ladder_scores_on_the_build_half_what_its_source_scores(
    cases: list[PublishedCase],
) -> None:
    scored = measures(cases, {case.id: ladder_label(case) for case in cases})
    hits = {
        name: scored[name].hits
        for name in (
            "act",
            "both switches",
            "accepted",
            "wrong",
            "wrong + unscored",
            "exact",
            "contrast pairs",
        )
    }

    assert hits == {
        "act": 41,
        "both switches": 44,
        "accepted": 45,
        "wrong": 3,
        "wrong + unscored": 6,
        "exact": 24,
        "contrast pairs": 7,
    }
    assert scored["contrast pairs"].of == len(differing_pairs(cases)) == 8


def test_an_act_a_switch_and_a_verdict_follow_from_the_label() -> None:
    mixed = GoldAnswer("combo", ("lora",), ("rag",), ("lora", "dpo"))
    case = replace(parse_case(MAIL), gold=mixed)

    assert [act_of(one) for one in ("few_shot", "rag", "dpo", "combo", "not_yet")] == [
        "prompt",
        "retrieve",
        "train",
        "combination",
        "not yet",
    ]
    assert switches_of("combo") == (True, True)
    assert switches_of("combo", mixed) == (False, True)
    assert [label_verdict(one, case) for one in ("combo", "lora", "rag", "prompt")] == [
        "best",
        "acceptable",
        "wrong",
        "unscored",
    ]


def test_a_combination_is_needless_where_the_source_did_not_accept_it() -> None:
    case = parse_case(MAIL)
    accepted = replace(case, gold=replace(case.gold, acceptable=("combo",)))

    assert measures([case], {"mail": "combo"})["needless combinations"].hits == 1
    assert measures([accepted], {"mail": "combo"})["needless combinations"].hits == 0


def test_counts_per_label_add_up_to_the_cases(cases: list[PublishedCase]) -> None:
    rows = per_label(cases, {case.id: "lora" for case in cases})

    assert sum(row["cases"] for row in rows.values()) == len(cases)
    assert rows["lora"]["given"] == len(cases)
    assert rows["lora"]["exact"] == rows["lora"]["cases"]
    assert rows["rag"]["exact"] == 0


def test_a_share_of_nothing_has_no_value_and_any_interval() -> None:
    assert Proportion(0, 0).value is None
    assert Proportion(0, 0).ends == (0.0, 1.0)
    assert Proportion(51, 51).ends == pytest.approx((0.93, 1.0), abs=0.001)


def test_every_case_of_the_file_belongs_to_the_build_half() -> None:
    told = yaml.safe_load(BUILD.read_text(encoding="utf-8"))

    assert {half_of(case) for case in told} == {"build"}


def test_the_hash_of_the_rules_moves_with_any_file_that_decides(tmp_path: Path) -> None:
    names = {path.relative_to(Path.cwd()).as_posix() for path in deciding_files(Path.cwd())}
    (tmp_path / "advisor" / "data").mkdir(parents=True)
    rules = tmp_path / "advisor" / "data" / "evidence.yaml"
    rules.write_text("a: 1\n", encoding="utf-8")
    before = rules_sha256(tmp_path)
    rules.write_text("a: 2\n", encoding="utf-8")

    assert {
        "advisor/data/evidence.yaml",
        "advisor/decision/checks.py",
        "advisor/options/provider_tuning.py",
        "benchmarks/decision_scenario.py",
        "pricing.yaml",
    } <= names
    assert all(any(path for path in Path.cwd().glob(pattern)) for pattern in DECIDING_PATTERNS)
    assert rules_sha256(tmp_path) != before


@pytest.mark.parametrize("year", [2022, 2023, 2024, 2025, 2026])
def test_each_year_has_its_own_prompts_tuning_and_machines(history: PriceBook, year: int) -> None:
    told = copy.deepcopy(MAIL) | {"as_of_year": year}
    day = day_in(year)
    given = advise(parse_case(told), day, book_of_models_on_sale(history, day))
    approaches = {option.approach for option in given.answer.options}

    assert {"prompt", "few_shot", "lora", "encoder"} <= approaches
    assert ("ft_api" in approaches) == (year < 2026)
    assert not any("gpt-6" in option.id for option in given.answer.options)


def test_a_model_is_not_on_sale_before_it_was_announced(history: PriceBook) -> None:
    assert "openai/gpt-4o" not in book_of_models_on_sale(history, date(2023, 7, 1)).models
    assert "openai/gpt-4o" in book_of_models_on_sale(history, date(2024, 7, 1)).models
    assert "openai/text-davinci-002" not in book_of_models_on_sale(history, date(2024, 7, 1)).models


def test_the_advice_keeps_every_hard_limit_on_the_build_half(cases: list[PublishedCase]) -> None:
    book = load_prices()
    some = [case for case in cases if case.goals.get("privacy_self_host")] + cases[::4]
    given = {case.id: advise(case, TODAY, book) for case in some}
    limits = check_all_limits(given)

    assert limits.broken == ()
    assert {"privacy", "evaluation exists"} <= set(limits.kept)
    assert limits.kept["evaluation exists"].of > 0
    assert all(share < 0.05 for share in limits.shares)


def test_text_at_a_provider_breaks_privacy_and_training_unmeasured_breaks_evaluation() -> None:
    book = load_prices()
    given = advise(parse_case(MAIL), TODAY, book)
    hosted = next(o for o in given.answer.options if o.approach == "managed_lora")
    scenario = given.answer.question
    private = scenario.model_copy(
        update={
            "needs": scenario.needs.model_copy(update={"privacy_self_host": True}),
            "quality": scenario.quality.model_copy(update={"has_eval": False}),
        }
    )

    assert check_limits(hosted, private, book)["privacy"] is False
    assert check_limits(hosted, private, book)["evaluation exists"] is False
    assert check_limits(hosted, scenario, book)["provider open"] is True


def test_regret_is_what_a_dearer_training_costs_more_and_none_without_training() -> None:
    given = advise(parse_case(MAIL), TODAY, load_prices())
    trained = [
        o
        for o in given.answer.options
        if o.approach in ("lora", "encoder", "full_ft") and o.quality.reaches_target
    ]
    most_expensive = max(trained, key=lambda option: float(option.per_month.likely))
    prompt = next(o for o in given.answer.options if o.approach == "prompt")

    assert (regret_usd(most_expensive, given.answer) or 0) > 0
    assert regret_usd(prompt, given.answer) is None


def test_a_miss_tells_facts_the_reason_and_what_kept_the_best_away() -> None:
    case = replace(parse_case(MAIL), gold=GoldAnswer("ft_api", (), ("distill", "lora"), ()))
    given = advise(case, TODAY, load_prices())
    told = list_misses([case], {"mail": given}, "today")

    assert "mail (2025): given" in told
    assert "examples 5,000" in told
    assert "prompting gap" in told
    assert given.reasons[0] in told
    assert why_not(given, "ft_api").startswith("ft_api:bedrock:amazon.nova-micro costs ")
    assert why_not(given, "rag").startswith("ruled out: ")


def test_what_runs_today_is_named_by_the_approach_that_was_stated() -> None:
    given = advise(changed(MAIL, current_cost="$40/month"), TODAY, load_prices())
    decision = given.answer.decision.model_copy(update={"recommended": "current"})

    assert label_of(given.answer.model_copy(update={"decision": decision})) == "prompt"


def test_the_command_prints_tables_and_the_same_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump([MAIL, LEAST]), encoding="utf-8")
    main([str(path), "--misses"])
    printed = capsys.readouterr().out
    main([str(path), "--json"])
    record = json.loads(capsys.readouterr().out)

    assert f"rules sha256 {record['rules_sha256']}" in printed
    assert "crude ladder" in printed
    assert [row["id"] for row in record["rows"]] == ["mail", "least"]
    assert record["measures"]["always prompt"]["act"]["hits"] == 1
    assert set(record["rows"][0]["given"]) == {"its year", "today"}
    assert record["rows"][0]["given"]["today"]["reasons"]
