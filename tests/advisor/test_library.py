"""`import advisor` as a library: what it exports, how fast it imports, what an answer prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import advisor
from advisor.decision import answer as decision_answer
from advisor.errors import ScenarioError, TeamRuleError, UsageError
from advisor.loading import example_question, examples_folder
from tests.support.paths import ROOT

PATH = examples_folder() / "email-triage.yaml"
RULE = {"id": "no-encoder", "when": "option.approach == 'encoder'", "then": "rule_out",
        "says": "Classifiers are not maintained here.", "source": "platform team"}  # fmt: skip


@pytest.fixture(scope="module")
def answer() -> advisor.Answer:
    return advisor.recommend(PATH)


def test_a_bare_import_loads_no_other_module_of_ours() -> None:
    code = "import sys, advisor; print([m for m in sys.modules if m.startswith('advisor.')])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_every_public_name_is_there_and_documented() -> None:
    for name in advisor.__all__:
        assert (getattr(advisor, name).__doc__ or "").strip(), name
    assert set(advisor.__all__) <= set(dir(advisor))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        advisor.nothing  # noqa: B018


def test_packages_are_typed() -> None:
    assert all((ROOT / name / "py.typed").is_file() for name in ("advisor", "trainer", "ui"))


def test_a_path_a_mapping_and_a_question_get_the_same_answer(answer: advisor.Answer) -> None:
    question = replace(example_question("email-triage"), with_sensitivity=False)
    mapping = question.scenario.model_dump(mode="json", exclude_unset=True)
    dataset = PATH.parent / mapping["dataset"]["path"]

    expected = decision_answer.recommend(question)

    assert answer == expected
    assert advisor.recommend(str(PATH)) == expected
    assert advisor.recommend(question) == expected
    assert advisor.recommend(mapping, dataset=dataset) == expected
    assert advisor.recommend(question.scenario, dataset=dataset) == expected


def test_a_loaded_scenario_finds_its_dataset_from_any_folder(
    answer: advisor.Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    scenario = advisor.load_scenario(PATH)

    assert advisor.recommend(scenario).options == answer.options


def test_a_scenario_without_a_day_is_answered_for_today(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"task": "other"}))

    found = advisor.recommend(path)

    assert found.assumptions[0].path == "asked_on"
    assert advisor.load_scenario(path).asked_on == found.question.asked_on


def test_prices_rules_and_sensitivity_are_used(answer: advisor.Answer, tmp_path: Path) -> None:
    overlay = tmp_path / "prices.yaml"
    overlay.write_text(
        "prices:\n  hetzner/CX43/cpu_hour: {unit: USD/hour, steps: [{since: 2026-09-15, value: 4,"
        " source: our quote, read_on: 2026-11-01}]}\n"
    )

    expensive = advisor.recommend(PATH, prices=overlay)
    ruled = advisor.recommend(PATH, rules=[RULE], sensitivity=True)

    assert expensive.decision.recommended != answer.decision.recommended
    assert "encoder" not in {bill.approach for bill in ruled.options}
    assert ruled.decision.flips
    assert not answer.decision.flips
    with pytest.raises(TeamRuleError, match="rule 1"):
        advisor.recommend(PATH, rules=[{**RULE, "when": "option.nothing"}])


def test_errors_are_those_of_the_other_interfaces(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.yaml"):
        advisor.recommend(tmp_path / "missing.yaml")
    with pytest.raises(ScenarioError, match="traffic"):
        advisor.recommend({"traffic": 5})


def test_sweep_accepts_what_recommend_accepts(answer: advisor.Answer) -> None:
    columns = advisor.sweep(PATH, [{}, {"traffic.requests_per_month": 10}], ranges=False)

    assert columns.recommended[0] == answer.decision.recommended
    assert columns.monthly[0] != columns.monthly[1]


def test_profile_counts_a_dataset() -> None:
    assert advisor.profile(PATH.parent / "data" / "email-triage.csv").labels


def test_an_answer_prints_its_verdict_costs_and_runner_up(answer: advisor.Answer) -> None:
    verdict, cost, runner_up = repr(answer).splitlines()

    assert verdict == answer.decision.verdict
    assert cost == (
        "Cost: Small classifier, RoBERTa-base on CX43 at Hetzner,"
        " $106.84 ($35.62 to $645.45) per month, $0.13 one-off"
    )
    assert runner_up.startswith("Runner-up: Hosted fine-tuning, Nova Micro at Amazon Bedrock, $343")
    assert str(answer) == repr(answer)


def test_a_notebook_shows_one_row_per_approach_and_escapes(answer: advisor.Answer) -> None:
    hostile = answer.decision.model_copy(update={"verdict": "<script>alert(1)</script>"})

    html = answer.model_copy(update={"decision": hostile})._repr_html_()

    assert "<script>" not in html
    assert html.count("<tr>") == 1 + len({bill.approach for bill in answer.options})
    assert "$106.84 ($35.62 to $645.45)" in html


def test_the_example_of_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "import advisor" in block]

    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("Train the classifier RoBERTa-base and serve it at Hetzner")
