"""The twelve datasets: same bytes each time, expectations that hold together, and our answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.decision.answer import Answer, recommend
from advisor.loading import make_question
from advisor.scenario.scenario import scenario_from
from benchmarks.twelve import __main__ as command
from benchmarks.twelve import peer
from benchmarks.twelve.making import MAKERS, dataset_lines, make_datasets
from benchmarks.twelve.ours import ASKED_ON, tool_answer
from benchmarks.twelve.told import (
    DatasetExpectation,
    ToolAnswer,
    is_confidently_wrong,
    read_expectations,
)

TOLD = {told.name: told for told in read_expectations()}
SURE = ToolAnswer("train", "format gap", "high", has_caveat=False)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_datasets(tmp_path_factory.mktemp("twelve"))


def answered(told: DatasetExpectation, path: Path) -> Answer:
    question = make_question(
        {"name": told.name, "asked_on": ASKED_ON, **told.scenario}, dataset=path
    )
    return recommend(replace(question, with_sensitivity=False))


def profiled(path: Path) -> Profile:
    return profile_file(path)


def test_twelve_are_made_and_each_is_told_of() -> None:
    assert len(MAKERS) == 12
    assert list(TOLD) == list(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_varied_lines(name: str) -> None:
    lines = dataset_lines(name)

    assert lines == dataset_lines(name)
    assert len(set(lines)) > 0.8 * len(lines)
    assert 20 <= len(lines) <= 800


@pytest.mark.parametrize("told", TOLD.values(), ids=lambda told: told.name)
def test_what_is_told_is_a_scenario_with_a_reason_and_disjoint_answers(
    told: DatasetExpectation,
) -> None:
    scenario_from({"asked_on": ASKED_ON, **told.scenario}, told.name)

    assert told.right
    assert told.forbidden
    assert not set(told.right) & set(told.forbidden)
    assert len(told.because) > 40


@pytest.mark.parametrize("told", TOLD.values(), ids=lambda told: told.name)
def test_our_advice_on_none_of_the_twelve_is_a_forbidden_one(
    told: DatasetExpectation, paths: dict[str, Path]
) -> None:
    said = tool_answer(answered(told, paths[told.name]))

    assert said.act not in told.forbidden, f"{said.words}: {told.because}"


def test_the_files_show_what_is_told_of_them(paths: dict[str, Path]) -> None:
    dirty, pairs = profiled(paths["dirty"]), profiled(paths["preference_pairs"])
    labels, german = profiled(paths["labels"]), profiled(paths["german_replies"])

    assert dirty.rejected >= 20
    assert dirty.conflicting >= 40
    assert pairs.pairs == pairs.examples == 600
    assert labels.distinct_labels == 12
    assert (german.language, german.examples) == ("de", 300)
    assert profiled(paths["weekly_prices"]).outside_facts > 300


def test_one_question_of_the_rules_has_one_answer(paths: dict[str, Path]) -> None:
    assert profiled(paths["faq"]).conflicting == 0


def test_a_diagnosis_of_the_peer_is_read_with_its_doubts() -> None:
    sure = {"classification": "format", "confidence": "high", "secondary": None}

    assert peer.tool_answer(dict(sure)) == SURE
    assert peer.tool_answer(sure | {"secondary": "prompt"}).has_caveat
    assert peer.tool_answer(sure | {"confidence": "low"}).has_caveat
    assert peer.tool_answer(sure | {"classification": "unclear"}).act == "not yet"


def test_only_a_forbidden_act_without_a_caveat_is_confidently_wrong() -> None:
    told = TOLD["translation"]
    waits = replace(SURE, act="not yet")

    assert is_confidently_wrong(SURE, told)
    assert not is_confidently_wrong(replace(SURE, has_caveat=True), told)
    assert not is_confidently_wrong(replace(SURE, act="prompt"), told)
    assert not is_confidently_wrong(waits, replace(told, forbidden=("not yet",)))


def test_where_the_peer_is_not_installed_the_table_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "read_expectations", lambda: (TOLD["tiny"],))
    command.main(["--peers", str(tmp_path)])
    printed = capsys.readouterr().out
    command.main(["--peers", str(tmp_path), "--json"])
    record: dict[str, Any] = json.loads(capsys.readouterr().out)

    assert f"--target {tmp_path}/trainjudge trainjudge==0.3.1" in printed
    assert "confidently wrong 0" in printed
    assert record["peer"] is None
    assert record["rows"][0]["ours"]["judged"] == "right"
