"""The twelve datasets: same bytes each time, expectations that hold together, and our answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.decision.answer import Answer, answer
from advisor.loading import ask
from advisor.scenario.scenario import scenario_from
from benchmarks.twelve import __main__ as command
from benchmarks.twelve import peer
from benchmarks.twelve.making import MAKERS, lines_of, make
from benchmarks.twelve.ours import ASKED_ON, said_of
from benchmarks.twelve.told import Said, Told, is_confidently_wrong, read_told

TOLD = {told.name: told for told in read_told()}
SURE = Said("train", "format gap", "high", has_caveat=False)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make(tmp_path_factory.mktemp("twelve"))


def answered(told: Told, path: Path) -> Answer:
    question = ask({"name": told.name, "asked_on": ASKED_ON, **told.scenario}, dataset=path)
    return answer(replace(question, with_flips=False))


def profiled(path: Path) -> Profile:
    return profile_file(path)


def test_twelve_are_made_and_each_is_told_of() -> None:
    assert len(MAKERS) == 12
    assert list(TOLD) == list(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_varied_lines(name: str) -> None:
    lines = lines_of(name)

    assert lines == lines_of(name)
    assert len(set(lines)) > 0.8 * len(lines)
    assert 20 <= len(lines) <= 800


@pytest.mark.parametrize("told", TOLD.values(), ids=lambda told: told.name)
def test_what_is_told_is_a_scenario_with_a_reason_and_disjoint_answers(told: Told) -> None:
    scenario_from({"asked_on": ASKED_ON, **told.scenario}, told.name)

    assert told.right
    assert told.forbidden
    assert not set(told.right) & set(told.forbidden)
    assert len(told.because) > 40


@pytest.mark.parametrize("told", TOLD.values(), ids=lambda told: told.name)
def test_our_advice_on_none_of_the_twelve_is_a_forbidden_one(
    told: Told, paths: dict[str, Path]
) -> None:
    said = said_of(answered(told, paths[told.name]))

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

    assert peer.said_of(dict(sure)) == SURE
    assert peer.said_of(sure | {"secondary": "prompt"}).has_caveat
    assert peer.said_of(sure | {"confidence": "low"}).has_caveat
    assert peer.said_of(sure | {"classification": "unclear"}).act == "not yet"


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
    monkeypatch.setattr(command, "read_told", lambda: (TOLD["tiny"],))
    command.main(["--peers", str(tmp_path)])
    printed = capsys.readouterr().out
    command.main(["--peers", str(tmp_path), "--json"])
    record: dict[str, Any] = json.loads(capsys.readouterr().out)

    assert f"--target {tmp_path}/trainjudge trainjudge==0.3.1" in printed
    assert "confidently wrong 0" in printed
    assert record["peer"] is None
    assert record["rows"][0]["ours"]["judged"] == "right"
