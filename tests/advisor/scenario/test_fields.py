"""The table of scenario fields, and the dotted paths that read and set them."""

from __future__ import annotations

from datetime import date

import pytest

from advisor.errors import ScenarioError
from advisor.inputs import INPUT_PATHS, Inputs
from advisor.scenario.fields import CHOICE_FIELDS, FIELDS, NUMBER_FIELDS
from advisor.scenario.paths import get_path, set_path, with_paths, without_path
from advisor.scenario.scenario import Needs, Scenario

SCENARIO = Scenario(asked_on=date(2026, 11, 20))


def test_every_field_is_one_of_the_scenario_with_help_and_a_label_of_its_own() -> None:
    labels = [field.label for field in FIELDS.values()]

    assert all(field.name in field.record.model_fields for field in FIELDS.values())
    assert all(field.help for field in FIELDS.values())
    assert len(set(labels)) == len(labels)
    assert {f"needs.{name}" for name in Needs.model_fields} <= set(FIELDS)


def test_every_number_has_a_column_of_inputs() -> None:
    assert list(INPUT_PATHS.values()) == [field.name for field in NUMBER_FIELDS.values()]
    assert set(INPUT_PATHS.values()) <= set(Inputs.__dataclass_fields__)
    assert len(set(INPUT_PATHS.values())) == len(Inputs.__dataclass_fields__)


@pytest.mark.parametrize("path", CHOICE_FIELDS)
def test_every_choice_can_be_set_to_each_of_its_values(path: str) -> None:
    for value in CHOICE_FIELDS[path].choices:
        assert get_path(with_paths(SCENARIO, {path: value}), path) == value


@pytest.mark.parametrize("path", NUMBER_FIELDS)
def test_the_bounds_of_a_number_are_those_the_scenario_accepts(path: str) -> None:
    field = NUMBER_FIELDS[path]
    low, high = field.bounds

    assert low <= field.slider[0] < field.slider[1] <= high
    with pytest.raises(ScenarioError):
        with_paths(SCENARIO, {path: low - 0.01})
    if field.low_is_valid:
        with_paths(SCENARIO, {path: low})
    else:
        with pytest.raises(ScenarioError):
            with_paths(SCENARIO, {path: low})
    if high < float("inf"):
        with pytest.raises(ScenarioError):
            with_paths(SCENARIO, {path: high * 1.01})


def test_bounds_defaults_and_choices_of_some_fields() -> None:
    assert FIELDS["horizon_months"].bounds == (0.0, 120.0)
    assert FIELDS["traffic.peak_factor"].bounds == (1.0, float("inf"))
    assert FIELDS["team.ml"].choices == ("none", "some", "strong")
    assert "classification" in FIELDS["task"].choices
    assert FIELDS["quality.has_eval"].choices == (True, False)
    assert FIELDS["limits.data_may_leave"].default is True


def test_a_path_is_set_and_removed() -> None:
    assert set_path({"a": {"b": 1, "c": 2}}, "a.b", 3) == {"a": {"b": 3, "c": 2}}
    assert set_path({"a": None}, "a.b", 3) == {"a": {"b": 3}}
    assert without_path({"a": {"b": 1, "c": 2}}, "a.b") == {"a": {"c": 2}}
    assert without_path({"a": 1, "d": 2}, "d") == {"a": 1}
    assert without_path({"a": 1}, "x.y") == {"a": 1}
    assert get_path({"a": None}, "a.b") is None
    assert get_path(SCENARIO, "current.monthly_cost_usd") is None
