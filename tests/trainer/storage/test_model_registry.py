"""Model registry: numbers, champions, rollbacks, history, and logging to MLflow."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import IntegrityError

from advisor.errors import UsageError
from tests.support.runs import RunHarness, open_run_harness
from trainer.errors import Refused
from trainer.runs.mlflow_log import log_version
from trainer.storage.database import schema_version, write_transaction
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import ModelVersion, ModelVersionInput
from trainer.storage.schema import metadata, versions

BETTER = {"verdict": {"word": "better"}, "score": 0.91}
WORSE = {"verdict": {"word": "worse"}, "score": 0.40}


@dataclass
class RegistryHarness:
    """A registry with runs to register."""

    desk: RunHarness
    registry: Registry
    attempts: int = 0

    def run(self) -> str:
        self.attempts += 1
        return self.desk.start(attempt=self.attempts)

    def made(self, **more: Any) -> ModelVersionInput:
        made = ModelVersionInput("plan", "own", "tiny-model", "d" * 64, "s" * 64, "ft:tiny:1", "remote",
                    usd=Decimal("1.25"), facts={"seconds": 12.5})  # fmt: skip
        return replace(made, **more)

    def add(self, name: str = "voice", evaluation: dict[str, Any] | None = None,
            **more: Any) -> ModelVersion:  # fmt: skip
        version = self.registry.register(self.run(), name, self.made(**more), "jo")
        if evaluation is None:
            return version
        return self.registry.evaluated(version.version_id, evaluation)

    def stages(self) -> dict[str, str]:
        return {one.version_id: one.stage for one in self.registry.listed()}


@pytest.fixture
def harness(tmp_path: Path, engine: Engine) -> RegistryHarness:
    desk = open_run_harness(tmp_path, engine)
    return RegistryHarness(desk, Registry(engine, desk.clock))


def run_in_parallel(count: int, work: Callable[[int], object]) -> list[BaseException | None]:
    """Run a function in many threads at once; return the errors."""
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait()
        work(number)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run, number) for number in range(count)]
    return [future.exception() for future in futures if future.exception()]


def test_the_migrations_create_the_tables_of_the_schema(engine: Engine) -> None:
    there = inspect(engine)
    for name in ("versions", "version_events"):
        said = {(c["name"], c["nullable"]) for c in there.get_columns(name)}
        assert said == {(c.name, c.nullable) for c in metadata.tables[name].columns}
    assert schema_version(engine) >= "0002"


def test_a_run_is_one_version_however_often_it_is_registered(harness: RegistryHarness) -> None:
    run_id = harness.run()
    first = harness.registry.register(run_id, "voice", harness.made(), "jo")
    again = harness.registry.register(run_id, "other-name", harness.made(model="x"), "jo")

    assert first == again
    assert (first.version_id, first.stage, first.usd) == ("voice-v1", "candidate", Decimal("1.25"))
    assert first.facts == {"seconds": 12.5}
    assert harness.add().version_id == "voice-v2"
    assert harness.add("other").version_id == "other-v1"
    assert [one.version_id for one in harness.registry.listed("voice")] == ["voice-v2", "voice-v1"]
    assert [e.kind for e in harness.registry.history("voice-v1")] == ["registered"]


@pytest.mark.parametrize("name", ["", "../x", "Voice", "-x", "a" * 54, "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(harness: RegistryHarness, name: str) -> None:
    with pytest.raises(UsageError, match="not a valid model name"):
        harness.registry.register(harness.run(), name, harness.made())


def test_an_unknown_run_has_no_version(harness: RegistryHarness) -> None:
    with pytest.raises(UsageError, match="run not found"):
        harness.registry.register("run_none", "voice", harness.made())
    assert harness.registry.listed() == ()


def test_parallel_runs_get_different_numbers(harness: RegistryHarness, engine: Engine) -> None:
    runs = [harness.run() for _ in range(8)]
    twice = [*runs, *runs]
    wrong = run_in_parallel(16, lambda n: Registry(engine, harness.desk.clock).register(
        twice[n], "voice", harness.made()))  # fmt: skip

    assert wrong == []
    assert sorted(one.number for one in harness.registry.listed()) == list(range(1, 9))


def test_only_an_evaluated_version_that_is_not_worse_is_promoted(harness: RegistryHarness) -> None:
    bare, worse = harness.add(), harness.add(evaluation=WORSE)

    with pytest.raises(Refused, match=r"not evaluated.*trainer evaluate"):
        harness.registry.promote(bare.version_id, "jo", anyway=True)
    with pytest.raises(Refused, match=r"found it worse.*--anyway"):
        harness.registry.promote(worse.version_id, "jo")
    assert set(harness.stages().values()) == {"candidate"}

    assert harness.registry.promote(worse.version_id, "jo", anyway=True).stage == "champion"
    assert harness.registry.history(worse.version_id)[-1].body["anyway"] is True


def test_a_promotion_retires_the_previous_champion(harness: RegistryHarness) -> None:
    one, two = harness.add(evaluation=BETTER), harness.add(evaluation=BETTER)
    other = harness.add("other", evaluation=BETTER)
    for version in (one, other, two, two):
        harness.registry.promote(version.version_id, "jo")

    assert harness.stages() == {
        "other-v1": "champion",
        "voice-v1": "retired",
        "voice-v2": "champion",
    }
    said = [(event.kind, event.by) for event in harness.registry.history("voice-v1")]
    assert said == [("registered", "jo"), ("evaluated", ""), ("promoted", "jo"), ("retired", "jo")]
    assert [event.kind for event in harness.registry.history("voice-v2")].count("promoted") == 1


def test_parallel_promotions_leave_one_champion(harness: RegistryHarness, engine: Engine) -> None:
    made = [harness.add(evaluation=BETTER).version_id for _ in range(8)]
    wrong = run_in_parallel(
        8, lambda n: Registry(engine, harness.desk.clock).promote(made[n], f"p{n}")
    )

    assert wrong == []
    stages = list(harness.stages().values())
    assert (stages.count("champion"), stages.count("retired")) == (1, 7)


def test_the_database_itself_refuses_a_second_champion(
    harness: RegistryHarness, engine: Engine
) -> None:
    harness.registry.promote(harness.add(evaluation=BETTER).version_id, "jo")
    harness.add()
    with pytest.raises(IntegrityError), write_transaction(engine) as connection:
        connection.execute(versions.update().values(stage="champion"))


def test_rolling_back_goes_one_champion_back_at_a_time(harness: RegistryHarness) -> None:
    for _ in range(3):
        harness.registry.promote(harness.add(evaluation=BETTER).version_id, "jo")
    harness.registry.promote("voice-v1", "jo")  # v1, v2, v3, v1

    walked = [harness.registry.rollback("voice", "mo").version_id for _ in range(3)]

    assert walked == ["voice-v3", "voice-v2", "voice-v1"]
    with pytest.raises(Refused, match="no champion before voice-v1"):
        harness.registry.rollback("voice", "mo")
    assert list(harness.stages().values()).count("champion") == 1
    assert [e.kind for e in harness.registry.history("voice-v3")][-2:] == [
        "promoted",
        "rolled_back",
    ]


def test_a_rollback_skips_a_deleted_version(harness: RegistryHarness) -> None:
    for _ in range(3):
        harness.registry.promote(harness.add(evaluation=BETTER).version_id, "jo")
    harness.registry.forget("voice-v2")

    assert harness.registry.rollback("voice", "jo").version_id == "voice-v1"


def test_a_rollback_needs_a_champion(harness: RegistryHarness) -> None:
    version = harness.add(evaluation=BETTER)
    with pytest.raises(Refused, match=r"voicee: there is no champion.*'voice'"):
        harness.registry.rollback("voicee", "jo")
    harness.registry.promote(version.version_id, "jo")

    assert harness.registry.retire(version.version_id, "jo").stage == "retired"
    harness.registry.retire(version.version_id, "jo")
    assert [e.kind for e in harness.registry.history("voice-v1")].count("retired") == 1
    with pytest.raises(Refused, match="there is no champion"):
        harness.registry.rollback("voice", "jo")


def test_a_version_is_found_by_a_prefix(harness: RegistryHarness) -> None:
    for _ in range(10):
        harness.add()
    harness.add("other")

    assert harness.registry.version("oth").version_id == "other-v1"
    assert harness.registry.version("voice-v1").number == 1
    with pytest.raises(UsageError, match="prefix matches several versions"):
        harness.registry.version("voice")
    with pytest.raises(UsageError, match=r"version not found. Did you mean 'voice-v1"):
        harness.registry.version("vioce-v1")
    with pytest.raises(UsageError, match="version not found"):
        harness.registry.version("%")


def test_two_versions_are_compared(harness: RegistryHarness) -> None:
    harness.add(evaluation=BETTER)
    harness.add(evaluation={"verdict": "worse", "score": 0.4, "model": "not this"},
              usd=None, facts={"gpu": {"peak_bytes": 7}})  # fmt: skip

    rows = {what: (a, b) for what, a, b in harness.registry.compare("voice-v1", "voice-v2")}

    assert rows["USD"] == ("1.25", "")
    assert rows["score"] == ("0.91", "0.4")
    assert rows["verdict"] == ("better", "worse")
    assert rows["gpu.peak_bytes"] == ("", "7")
    assert rows["seconds"] == ("12.5", "")
    assert rows["model"] == ("ft:tiny:1", "ft:tiny:1")


def test_versions_that_are_shut_down_are_listed(harness: RegistryHarness) -> None:
    harness.add(shutdown_on=date(2027, 3, 1))
    harness.add(shutdown_on=date(2027, 1, 1))
    harness.add()

    def by(day: date) -> list[str]:
        return [one.version_id for one in harness.registry.ending(day)]

    assert by(date(2026, 12, 31)) == []
    assert by(date(2027, 1, 1)) == ["voice-v2"]
    assert by(date(2028, 1, 1)) == ["voice-v2", "voice-v1"]


def test_a_deleted_version_keeps_its_history_and_its_number(
    harness: RegistryHarness, engine: Engine
) -> None:
    harness.add(evaluation=BETTER, kind="adapter", model="some/folder")
    harness.registry.promote("voice-v1", "jo")
    with pytest.raises(Refused, match="it is the champion"):
        harness.registry.forget("voice-v1")
    harness.registry.retire("voice-v1", "jo")

    assert harness.registry.forget("voice-v1", "jo") == Path("some/folder")
    with pytest.raises(UsageError):
        harness.registry.version("voice-v1")
    assert harness.registry.history("voice-v1")[-1].kind == "deleted"
    assert harness.registry.deleted() == ("voice-v1",)
    assert harness.add().version_id == "voice-v2"
    assert harness.registry.forget("voice-v2") is None
    with engine.connect() as connection:
        assert connection.execute(select(versions)).all() == []


def test_no_secret_is_stored_in_the_registry(harness: RegistryHarness) -> None:
    version = harness.add(evaluation={"verdict": "better", "said": "Bearer abcdefgh12345"},
                        facts={"who": "jo@example.org"})  # fmt: skip
    version = harness.registry.version(version.version_id)
    assert (version.evaluation or {})["said"] == version.facts["who"] == "[hidden]"


@pytest.mark.parametrize(
    "uri",
    ["http://mlflow.example.org", "https://10.0.0.1:5000", "databricks", "databricks://work", "uc",
     "file://server/share", "postgresql://db.example.org/x", "http://127.0.0.1@example.org",
     "http://example.org\\@127.0.0.1", "//example.org/x", "s3://bucket/x", ""],
)  # fmt: skip
def test_measurements_are_logged_on_this_machine_only(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=None))
    with pytest.raises(Refused, match="this machine"):
        log_version(a_version(), BETTER, uri)


def a_version() -> ModelVersion:
    return ModelVersion("p" * 64, "own", "tiny-model", "d" * 64, "s" * 64, "ft:1", "remote",
                   usd=Decimal("1.25"), facts={"seconds": 12.5, "gpu": "L4"},
                   version_id="voice-v1", name="voice", number=1, run_id="run_1")  # fmt: skip


def test_the_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match=r"tune-or-not\[mlflow\]"):
        log_version(a_version(), None, "sqlite:///x.db")


class FakeClient:
    """Records the calls to an MLflow client."""

    asked: list[tuple[Any, ...]] = []  # noqa: RUF012
    runs: list[Any] = []  # noqa: RUF012

    def __init__(self, tracking_uri: str) -> None:
        self.asked.append(("open", tracking_uri))

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="7") if self.runs else None

    def create_experiment(self, name: str) -> str:
        self.asked.append(("experiment", name))
        return "7"

    def search_runs(self, experiments: list[str], filter_string: str) -> list[Any]:
        assert filter_string == "tags.version_id = 'voice-v1'"
        return self.runs

    def create_run(self, experiment_id: str, **more: Any) -> Any:
        self.runs.append(SimpleNamespace(info=SimpleNamespace(run_id="m1")))
        return self.runs[0]

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.asked.append((name, *args))


@pytest.mark.parametrize("uri", ["sqlite:///x.db", "sqlite:////tmp/x.db", "http://localhost:5000"])
def test_a_version_is_logged_once_with_its_params_metrics_and_tags(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setattr(FakeClient, "asked", [])
    monkeypatch.setattr(FakeClient, "runs", [])
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=FakeClient))

    assert log_version(a_version(), BETTER, uri) == "m1"
    assert log_version(a_version(), BETTER, uri) == "m1"

    asked = FakeClient.asked
    assert len(FakeClient.runs) == 1
    assert asked.count(("experiment", "voice")) == 1
    for call in (("open", uri), ("log_param", "m1", "base_model", "tiny-model"),
                 ("log_metric", "m1", "score", 0.91), ("log_metric", "m1", "usd", 1.25),
                 ("log_metric", "m1", "seconds", 12.5), ("set_tag", "m1", "gpu", "L4"),
                 ("set_tag", "m1", "stage", "candidate"), ("set_tag", "m1", "verdict.word", "better"),
                 ("set_terminated", "m1")):  # fmt: skip
        assert asked.count(call) == 2, call


@pytest.mark.parametrize("uri", ["runs/mlflow", "file:///tmp/x"])
def test_a_folder_is_not_accepted_as_a_store_of_mlflow(uri: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///FILE"):
        log_version(a_version(), BETTER, uri)
