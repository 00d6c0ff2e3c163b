"""One request for every entry point: settings go where they belong, and errors name their field."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UsageError
from trainer.plan.request import PlanRequest, request_from_text


def test_settings_are_split_between_hyperparameters_and_the_recipe() -> None:
    request = request_from_text(["n_epochs=3", " lora_dropout = 0.05"], base=Path("tiny"))

    assert request.hyperparameters.n_epochs == 3
    assert request.settings == {"lora_dropout": "0.05"}
    assert request.trains_here


@pytest.mark.parametrize(
    ("settings", "fields", "message"),
    [
        (["speed"], {}, "expected NAME=VALUE"),
        (["lora_dropout=0.05"], {}, "there is no such setting"),
        (["n_epochs=many"], {}, "n_epochs: found 'many'"),
        ([], {"held_out_share": 1.0}, "held_out_share: found '1.0'"),
        ([], {"cap_usd": Decimal(0)}, "cap_usd: found '0'"),
    ],
)
def test_an_error_names_the_field(
    settings: list[str], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        request_from_text(settings, **fields)


@pytest.mark.parametrize(
    ("option", "base", "here"),
    [
        ("encoder:local:tfidf-logreg", None, True),
        ("lora:local:tiny", Path("tiny"), True),
        ("encoder:hf_jobs:tiny:T4", Path("tiny"), True),
        ("ft_api:openai:gpt-4.1-mini", None, False),
        (None, None, False),
    ],
)
def test_a_base_or_the_baseline_trains_here(
    option: str | None, base: Path | None, here: bool
) -> None:
    assert PlanRequest(option=option, base=base).trains_here is here


def test_the_dataset_of_the_scenario_is_relative_to_its_file() -> None:
    scenario = {"dataset": {"path": "rows.jsonl"}}

    assert PlanRequest(scenario=scenario, where="in/s.yaml").rows_path == Path("in/rows.jsonl")
    assert PlanRequest(scenario=scenario, dataset=Path("x")).rows_path == Path("x")
    assert PlanRequest().rows_path is None
