"""calibration.yaml: what a comparison offers is what later estimates read and name."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from advisor.actuals.calibration import calibrated, calibration_entries, calibration_factors
from advisor.cli.calibration import calibration_text
from advisor.decision.answer import Question, recommend
from advisor.errors import ActualsFileError
from advisor.inputs import resolve
from advisor.loading import make_question
from benchmarks.actuals import (
    OPTION,
    REQUESTS,
    SCENARIO,
    STARTS_ON,
    comparison_of,
    forecast,
    planted,
)
from benchmarks.usage_export import daily_usage, openai_cost_csv, openai_usage_csv
from tests.support.paths import ROOT

LATER = {**SCENARIO, "asked_on": "2027-11-30"}


def step(since: str, likely: float, unit: str = "1") -> dict[str, object]:
    values = {"low": likely, "likely": likely, "high": likely}
    return {"unit": unit, "steps": [{"since": date.fromisoformat(since), **values}]}


def corrected(entries: dict[str, object], **changes: object) -> Question:
    question = make_question({**LATER, **changes}, "test")
    return calibrated(question, calibration_factors(entries.items(), "file"), "calibration.yaml")


def inputs(question: Question) -> dict[str, float]:
    found = resolve(question.scenario, question.profile, question.evidence).inputs
    names = ("requests_per_month", "user_tokens", "completion_tokens", "prefix_tokens")
    return {name: float(getattr(found, name)[0, 0]) for name in (*names, "cache_hit_share")}


def test_each_factor_multiplies_its_input_and_is_named() -> None:
    names = ("requests_per_month", "user_tokens", "completion_tokens", "prefix_tokens")

    question = corrected({name: step("2027-03-01", 1.5) for name in names})

    assert inputs(question) == {
        "requests_per_month": 1.5 * REQUESTS, "user_tokens": 600.0, "completion_tokens": 225.0,
        "prefix_tokens": 3000.0, "cache_hit_share": 0.8,
    }  # fmt: skip
    notes = {a.path: a for a in recommend(question).assumptions}
    assert notes["traffic.requests_per_month"].value == "1.5e+06"
    assert notes["traffic.requests_per_month"].says == (
        "Calibrated by calibration.yaml: 1e+06 times 1.5 (1.5 to 1.5) since 2027-03-01."
    )


def test_an_input_that_was_not_given_is_multiplied_too() -> None:
    traffic = {key: value for key, value in dict(SCENARIO["traffic"]).items()  # type: ignore[call-overload]
               if key != "completion_tokens"}  # fmt: skip

    question = corrected({"completion_tokens": step("2027-03-01", 2.0)}, traffic=traffic)

    assert inputs(question)["completion_tokens"] == 2 * 120.0  # assumed for an extraction


def test_a_share_is_multiplied_if_given_and_replaced_by_a_share() -> None:
    halved = corrected({"cache_hit_share": step("2027-03-01", 0.5)})
    replaced = corrected({"cache_hit_share": step("2027-03-01", 0.3, "share")})
    capped = corrected({"cache_hit_share": step("2027-03-01", 3.0)})

    assert [inputs(question)["cache_hit_share"] for question in (halved, replaced, capped)] == [
        0.4,
        0.3,
        1.0,
    ]


def test_the_newest_step_of_the_scenario_applies_and_none_before_its_day() -> None:
    entries = [
        ("requests_per_month", step("2027-01-01", 9.0)),
        ("requests_per_month/Invoice extraction", step("2027-02-01", 1.2)),
        ("requests_per_month/Invoice extraction", step("2027-10-01", 1.4)),
        ("requests_per_month/Invoice extraction", step("2027-12-01", 7.0)),
        ("requests_per_month/Another", step("2027-11-01", 5.0)),
        ("train_time/L4/lora", {"unit": "hours", "steps": []}),
    ]
    factors = calibration_factors(entries, "file")

    def requests(day: str) -> float:
        question = make_question({**SCENARIO, "asked_on": day}, "test")
        return inputs(calibrated(question, factors, "x"))["requests_per_month"] / REQUESTS

    assert [requests(day) for day in ("2026-12-01", "2027-01-15", "2027-02-01", "2027-11-30")] == [
        1.0,
        9.0,
        1.2,
        1.4,
    ]


def test_what_a_comparison_offers_removes_the_drift_from_the_next_forecast() -> None:
    comparison = comparison_of(planted("traffic", "output", "cached"), "OpenAI")
    entries = calibration_entries(comparison, "usage.csv, cost.csv")

    assert entries.keys() == {
        f"{name}/Invoice extraction"
        for name in ("requests_per_month", "completion_tokens", "cache_hit_share")
    }
    question = corrected(yaml.safe_load(calibration_text(entries)))
    bill = next(bill for bill in recommend(question).options if bill.id == OPTION)
    paid = sum(
        float(line.actual_usd or 0)
        for line in comparison.lines
        if line.starts_on == date(2027, 11, 1)
    )
    assert float(bill.monthly.likely) == pytest.approx(paid, rel=0.05)
    before = float(forecast()[1].monthly.likely)
    assert abs(before / paid - 1) > 0.3


def test_a_difference_that_is_over_gets_a_step_back_to_1() -> None:
    comparison = comparison_of(planted("traffic"), "OpenAI")
    drift = comparison.drifts[0].model_copy(update={"until": date(2027, 9, 1)})
    ended = comparison.model_copy(update={"drifts": (drift,)})

    (entry,) = calibration_entries(ended, "usage.csv").values()

    assert [(s["since"], round(s["likely"], 1)) for s in entry["steps"]] == [
        (date(2027, 3, 1), 1.3),
        (date(2027, 9, 1), 1.0),
    ]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (3, "file, user_tokens:"),
        ({"unit": "1"}, "Field required"),
        ({"unit": "tokens", "steps": []}, "expected the unit 1 or share, found tokens"),
        (step("2027-01-01", -1.0), "greater than or equal to 0"),
        ({"unit": "1", "steps": [{"since": "soon", "low": 1, "likely": 1, "high": 1}]}, "date"),
    ],
)
def test_a_bad_factor_is_refused(entry: object, says: str) -> None:
    with pytest.raises(ActualsFileError) as caught:
        calibration_factors([("user_tokens", entry)], "file")

    assert says in str(caught.value)
    assert "`advisor actuals --calibration`" in caught.value.remedy


def advisor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "advisor", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_compares_prints_lines_and_the_next_estimate_reads_them(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO))
    days = list(daily_usage(forecast()[2], planted("traffic"), 1))
    usage, cost = tmp_path / "usage.csv", tmp_path / "cost.csv"
    usage.write_text(openai_usage_csv(days))
    cost.write_text(openai_cost_csv(days))
    compare = ("actuals", str(scenario), str(usage), str(cost), "--option", OPTION)

    text = advisor(*compare)
    lines = advisor(*compare, "--calibration")
    (tmp_path / "calibration.yaml").write_text(lines.stdout)
    later = advisor("estimate", str(scenario), "--set", "asked_on=2027-11-30", "--option", OPTION,
                    "--format", "json")  # fmt: skip
    again = advisor(*compare, "--format", "json")

    assert text.returncode == 0, text.stderr
    assert (
        "Requests per month are 1.32 times the forecast in 9 months, from 2027-03." in text.stdout
    )
    entries = yaml.safe_load(lines.stdout)
    assert entries.keys() == {"requests_per_month/Invoice extraction"}
    (bill,) = (bill for bill in json.loads(later.stdout) if bill["id"] == OPTION)
    assert float(bill["monthly"]["likely"]) == pytest.approx(
        1.3 * float(forecast()[1].monthly.likely), rel=0.02
    )
    # the comparison itself is against the scenario as written, so the factor stays the same
    assert [drift["name"] for drift in json.loads(again.stdout)["drifts"]] == ["requests_per_month"]


def test_the_calibration_of_the_home_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    entries = {"requests_per_month": step("2026-01-01", 2.0)}
    (tmp_path / "calibration.yaml").write_text(calibration_text(entries))

    done = advisor("recommend", "examples/policy-faq.yaml", "--format", "json")

    paths = [one for one in json.loads(done.stdout)["assumptions"] if "Calibrated" in one["says"]]
    assert [one["path"] for one in paths] == ["traffic.requests_per_month"]


def test_a_missing_calibration_file_is_named() -> None:
    done = advisor("recommend", "examples/policy-faq.yaml", "--calibration", "none.yaml")

    assert done.returncode == 2
    assert "none.yaml: it cannot be read. Check the path." in done.stderr


def test_the_first_month_is_the_one_of_the_flag() -> None:
    assert STARTS_ON.day == 1
    assert comparison_of(planted(), "FOCUS").months[0] == STARTS_ON
