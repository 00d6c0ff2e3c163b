"""Model versions over the working API."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.support.working_api import ApiHarness
from trainer.storage.model_version import ModelVersionInput


def test_a_version_is_shown_with_its_cost_and_shutdown_day(door: ApiHarness) -> None:
    run_id = door.launch(door.plan()).json()["run_id"]
    plan_id = door.server.context.store.run(run_id).plan_id
    door.server.context.registry.register(
        run_id,
        "triage",
        ModelVersionInput(
            plan_id, "own", "base", "d", "s", "model", "remote",
            usd=Decimal("1.10"), shutdown_on=date(2027, 1, 14),
        ),
    )  # fmt: skip

    (shown,) = door.call("GET", "/versions").json()

    assert (shown["version_id"], shown["stage"]) == ("triage-v1", "candidate")
    assert (shown["usd"], shown["shutdown_on"]) == ("1.10", "2027-01-14")
    assert (shown["verdict"], shown["evaluation"]) == ("", None)
