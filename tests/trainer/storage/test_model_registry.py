"""Versions of tuned models: one number each, one champion a name, a way back, an audit."""

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
    """A registry over runs of a desk."""

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
def shelf(tmp_path: Path, engine: Engine) -> RegistryHarness:
    desk = open_run_harness(tmp_path, engine)
    return RegistryHarness(desk, Registry(engine, desk.clock))


def run_in_parallel(count: int, work: Callable[[int], object]) -> list[BaseException | None]:
    """Do something in many threads at once; return what went wrong."""
    gate = threading.Barrier(count)

    def one(number: int) -> None:
        gate.wait()
        work(number)

    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(one, number) for number in range(count)]
    return [each.exception() for each in asked if each.exception()]


def test_the_migrations_make_the_tables_that_the_code_names(engine: Engine) -> None:
    there = inspect(engine)
    for name in ("versions", "version_events"):
        said = {(c["name"], c["nullable"]) for c in there.get_columns(name)}
        assert said == {(c.name, c.nullable) for c in metadata.tables[name].columns}
    assert schema_version(engine) >= "0002"


def test_a_run_is_one_version_however_often_it_is_registered(shelf: RegistryHarness) -> None:
    run_id = shelf.run()
    first = shelf.registry.register(run_id, "voice", shelf.made(), "jo")
    again = shelf.registry.register(run_id, "other-name", shelf.made(model="x"), "jo")

    assert first == again
    assert (first.version_id, first.stage, first.usd) == ("voice-v1", "candidate", Decimal("1.25"))
    assert first.facts == {"seconds": 12.5}
    assert shelf.add().version_id == "voice-v2"
    assert shelf.add("other").version_id == "other-v1"
    assert [one.version_id for one in shelf.registry.listed("voice")] == ["voice-v2", "voice-v1"]
    assert [e.kind for e in shelf.registry.history("voice-v1")] == ["registered"]


@pytest.mark.parametrize("name", ["", "../x", "Voice", "-x", "a" * 54, "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(shelf: RegistryHarness, name: str) -> None:
    with pytest.raises(UsageError, match="not a valid model name"):
        shelf.registry.register(shelf.run(), name, shelf.made())


def test_a_run_that_is_not_there_has_no_version(shelf: RegistryHarness) -> None:
    with pytest.raises(UsageError, match="run not found"):
        shelf.registry.register("run_none", "voice", shelf.made())
    assert shelf.registry.listed() == ()


def test_numbers_of_parallel_runs_are_each_given_once(
    shelf: RegistryHarness, engine: Engine
) -> None:
    runs = [shelf.run() for _ in range(8)]
    twice = [*runs, *runs]
    wrong = run_in_parallel(16, lambda n: Registry(engine, shelf.desk.clock).register(
        twice[n], "voice", shelf.made()))  # fmt: skip

    assert wrong == []
    assert sorted(one.number for one in shelf.registry.listed()) == list(range(1, 9))


def test_only_what_was_measured_and_is_not_worse_is_promoted(shelf: RegistryHarness) -> None:
    bare, worse = shelf.add(), shelf.add(evaluation=WORSE)

    with pytest.raises(Refused, match=r"not evaluated.*trainer evaluate"):
        shelf.registry.promote(bare.version_id, "jo", anyway=True)
    with pytest.raises(Refused, match=r"found it worse.*--anyway"):
        shelf.registry.promote(worse.version_id, "jo")
    assert set(shelf.stages().values()) == {"candidate"}

    assert shelf.registry.promote(worse.version_id, "jo", anyway=True).stage == "champion"
    assert shelf.registry.history(worse.version_id)[-1].body["anyway"] is True


def test_promoting_retires_the_champion_before(shelf: RegistryHarness) -> None:
    one, two = shelf.add(evaluation=BETTER), shelf.add(evaluation=BETTER)
    other = shelf.add("other", evaluation=BETTER)
    for version in (one, other, two, two):
        shelf.registry.promote(version.version_id, "jo")

    assert shelf.stages() == {"other-v1": "champion", "voice-v1": "retired", "voice-v2": "champion"}
    said = [(event.kind, event.by) for event in shelf.registry.history("voice-v1")]
    assert said == [("registered", "jo"), ("evaluated", ""), ("promoted", "jo"), ("retired", "jo")]
    assert [event.kind for event in shelf.registry.history("voice-v2")].count("promoted") == 1


def test_parallel_promotions_leave_one_champion(shelf: RegistryHarness, engine: Engine) -> None:
    made = [shelf.add(evaluation=BETTER).version_id for _ in range(8)]
    wrong = run_in_parallel(
        8, lambda n: Registry(engine, shelf.desk.clock).promote(made[n], f"p{n}")
    )

    assert wrong == []
    stages = list(shelf.stages().values())
    assert (stages.count("champion"), stages.count("retired")) == (1, 7)


def test_the_database_itself_holds_no_second_champion(
    shelf: RegistryHarness, engine: Engine
) -> None:
    shelf.registry.promote(shelf.add(evaluation=BETTER).version_id, "jo")
    shelf.add()
    with pytest.raises(IntegrityError), write_transaction(engine) as connection:
        connection.execute(versions.update().values(stage="champion"))


def test_rolling_back_goes_one_champion_back_at_a_time(shelf: RegistryHarness) -> None:
    for _ in range(3):
        shelf.registry.promote(shelf.add(evaluation=BETTER).version_id, "jo")
    shelf.registry.promote("voice-v1", "jo")  # v1, v2, v3, v1

    walked = [shelf.registry.rollback("voice", "mo").version_id for _ in range(3)]

    assert walked == ["voice-v3", "voice-v2", "voice-v1"]
    with pytest.raises(Refused, match="no champion before voice-v1"):
        shelf.registry.rollback("voice", "mo")
    assert list(shelf.stages().values()).count("champion") == 1
    assert [e.kind for e in shelf.registry.history("voice-v3")][-2:] == ["promoted", "rolled_back"]


def test_rolling_back_passes_over_a_deleted_version(shelf: RegistryHarness) -> None:
    for _ in range(3):
        shelf.registry.promote(shelf.add(evaluation=BETTER).version_id, "jo")
    shelf.registry.forget("voice-v2")

    assert shelf.registry.rollback("voice", "jo").version_id == "voice-v1"


def test_where_there_is_no_champion_nothing_is_rolled_back(shelf: RegistryHarness) -> None:
    version = shelf.add(evaluation=BETTER)
    with pytest.raises(Refused, match=r"voicee: there is no champion.*'voice'"):
        shelf.registry.rollback("voicee", "jo")
    shelf.registry.promote(version.version_id, "jo")

    assert shelf.registry.retire(version.version_id, "jo").stage == "retired"
    shelf.registry.retire(version.version_id, "jo")
    assert [e.kind for e in shelf.registry.history("voice-v1")].count("retired") == 1
    with pytest.raises(Refused, match="there is no champion"):
        shelf.registry.rollback("voice", "jo")


def test_a_version_is_named_by_its_beginning(shelf: RegistryHarness) -> None:
    for _ in range(10):
        shelf.add()
    shelf.add("other")

    assert shelf.registry.version("oth").version_id == "other-v1"
    assert shelf.registry.version("voice-v1").number == 1
    with pytest.raises(UsageError, match="prefix matches several versions"):
        shelf.registry.version("voice")
    with pytest.raises(UsageError, match=r"version not found. Did you mean 'voice-v1"):
        shelf.registry.version("vioce-v1")
    with pytest.raises(UsageError, match="version not found"):
        shelf.registry.version("%")


def test_two_versions_are_laid_side_by_side(shelf: RegistryHarness) -> None:
    shelf.add(evaluation=BETTER)
    shelf.add(evaluation={"verdict": "worse", "score": 0.4, "model": "not this"},
              usd=None, facts={"gpu": {"peak_bytes": 7}})  # fmt: skip

    rows = {what: (a, b) for what, a, b in shelf.registry.compare("voice-v1", "voice-v2")}

    assert rows["USD"] == ("1.25", "")
    assert rows["score"] == ("0.91", "0.4")
    assert rows["verdict"] == ("better", "worse")
    assert rows["gpu.peak_bytes"] == ("", "7")
    assert rows["seconds"] == ("12.5", "")
    assert rows["model"] == ("ft:tiny:1", "ft:tiny:1")


def test_what_its_provider_ends_is_listed_in_time(shelf: RegistryHarness) -> None:
    shelf.add(shutdown_on=date(2027, 3, 1))
    shelf.add(shutdown_on=date(2027, 1, 1))
    shelf.add()

    def by(day: date) -> list[str]:
        return [one.version_id for one in shelf.registry.ending(day)]

    assert by(date(2026, 12, 31)) == []
    assert by(date(2027, 1, 1)) == ["voice-v2"]
    assert by(date(2028, 1, 1)) == ["voice-v2", "voice-v1"]


def test_a_deleted_version_keeps_its_history_and_its_number(
    shelf: RegistryHarness, engine: Engine
) -> None:
    shelf.add(evaluation=BETTER, kind="adapter", model="some/folder")
    shelf.registry.promote("voice-v1", "jo")
    with pytest.raises(Refused, match="it is the champion"):
        shelf.registry.forget("voice-v1")
    shelf.registry.retire("voice-v1", "jo")

    assert shelf.registry.forget("voice-v1", "jo") == Path("some/folder")
    with pytest.raises(UsageError):
        shelf.registry.version("voice-v1")
    assert shelf.registry.history("voice-v1")[-1].kind == "deleted"
    assert shelf.registry.deleted() == ("voice-v1",)
    assert shelf.add().version_id == "voice-v2"
    assert shelf.registry.forget("voice-v2") is None
    with engine.connect() as connection:
        assert connection.execute(select(versions)).all() == []


def test_no_secret_gets_into_the_registry(shelf: RegistryHarness) -> None:
    version = shelf.add(evaluation={"verdict": "better", "said": "Bearer abcdefgh12345"},
                        facts={"who": "jo@example.org"})  # fmt: skip
    version = shelf.registry.version(version.version_id)
    assert (version.evaluation or {})["said"] == version.facts["who"] == "[hidden]"


@pytest.mark.parametrize(
    "uri",
    ["http://mlflow.example.org", "https://10.0.0.1:5000", "databricks", "databricks://work", "uc",
     "file://server/share", "postgresql://db.example.org/x", "http://127.0.0.1@example.org",
     "http://example.org\\@127.0.0.1", "//example.org/x", "s3://bucket/x", ""],
)  # fmt: skip
def test_what_was_measured_does_not_leave_the_machine(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=None))
    with pytest.raises(Refused, match="this machine"):
        log_version(a_version(), BETTER, uri)


def a_version() -> ModelVersion:
    return ModelVersion("p" * 64, "own", "tiny-model", "d" * 64, "s" * 64, "ft:1", "remote",
                   usd=Decimal("1.25"), facts={"seconds": 12.5, "gpu": "L4"},
                   version_id="voice-v1", name="voice", number=1, run_id="run_1")  # fmt: skip


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match=r"tune-or-not\[mlflow\]"):
        log_version(a_version(), None, "sqlite:///x.db")


class FakeClient:
    """Takes down what a client of mlflow is asked."""

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
def test_a_folder_is_no_store_of_mlflow_any_more(uri: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///FILE"):
        log_version(a_version(), BETTER, uri)
