"""The home folder: what lies there, what nobody needs, and an end to all of one thing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Engine

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan
from tests.support.runs import RunHarness, open_run_harness, write_rows
from trainer.cli import versions as cli
from trainer.context import close_contexts
from trainer.errors import Refused
from trainer.home import PILOT_DATASET_FILE
from trainer.run_states import JobEvent
from trainer.storage.cleanup import (
    collect_garbage,
    delete_everywhere,
    disk_usage,
    garbage,
    plan_deletion,
)
from trainer.storage.database import open_database
from trainer.storage.files import FileStore, FileUpload
from trainer.storage.ledger import LedgerEntry
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import ModelVersion, ModelVersionInput
from trainer.storage.run_store import RunStore

DAY = 86_400.0
SECRET = "The patient's name is Ada"


@dataclass
class HomeFolderHarness:
    """A home folder with a desk over it."""

    desk: RunHarness
    registry: Registry
    home: Path

    @property
    def parts(self) -> tuple[Path, RunStore, Registry]:
        return self.home, self.desk.context.store, self.registry

    def file(self, path: str, size: int = 10, days: float = 0.0) -> Path:
        """Write a file that is some days old."""
        there = self.home / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(b"x" * size)
        return self.age(there, days)

    def age(self, path: Path, days: float = 0.0) -> Path:
        then = self.desk.clock.now() - days * DAY
        os.utime(path, (then, then), follow_symlinks=False)
        return path

    def run(self, text: str = "hello", settled: bool = True) -> tuple[str, TrainingPlan]:
        """Start a run over rows of its own, in its folder, and end it."""
        (self.home / "uploads").mkdir(exist_ok=True)
        path, data = write_rows(self.home / "uploads", text=text)
        self.age(path)
        plan = self.desk.plan().model_copy(update={
            "training": data, "source_sha256": f"source-{text}-" + "0" * 20,
            "dataset_sha256": f"rows-{text}-" + "0" * 20})  # fmt: skip
        run_id = self.desk.start(plan)
        store = self.desk.context.store
        store.note(run_id, "held", why=SECRET, usd="1.00")
        store.keep_job_events(run_id, [JobEvent("e1", 0.0, "message", "info", SECRET, {})])
        self.desk.context.ledger.reserve(
            LedgerEntry(run_id, "training", "own", "2026-11-20", 5, None, ""))  # fmt: skip
        self.file(f"runs/{run_id}/plan.json")
        self.file(f"runs/{run_id}/checkpoints/step-1/weights", 100)
        if settled:
            self.settle(run_id)
        return run_id, plan

    def settle(self, run_id: str) -> None:
        store = self.desk.context.store
        for kind in ("cancelled", "settled"):
            lease = store.take(run_id)
            store.append(lease, kind, why=SECRET)
            store.release(lease)

    def version(self, run_id: str, plan: TrainingPlan, model: str = "") -> ModelVersion:
        self.file("models/voice-v1/adapter", 50)
        made = ModelVersionInput(plan.plan_id, "local", "tiny-model", plan.dataset_sha256, plan.source_sha256,
                    model or str(self.home / "models" / "voice-v1"), "adapter")  # fmt: skip
        version = self.registry.register(run_id, "voice", made)
        said = {"verdict": {"word": "better"}, "answers": SECRET}
        return self.registry.evaluated(version.version_id, said)

    def there(self) -> set[str]:
        return {str(path.relative_to(self.home)) for top in ("runs", "models", "uploads", "files")
                for path in (self.home / top).rglob("*") if not path.is_dir()}  # fmt: skip

    def later(self, days: float) -> None:
        self.desk.clock.pass_(days * DAY)


@pytest.fixture
def house(tmp_path: Path, engine: Engine) -> HomeFolderHarness:
    desk = open_run_harness(tmp_path, engine)
    home = tmp_path / "home"
    home.mkdir()
    return HomeFolderHarness(desk, Registry(engine, desk.clock), home)


def upload(plan: TrainingPlan) -> str:
    return f"uploads/{plan.training.sha256}.jsonl"


def test_every_byte_has_its_user(house: HomeFolderHarness) -> None:
    run_id, plan = house.run()
    house.version(run_id, plan)
    house.file("uploads/nobody.jsonl", 7)

    listed = {str(p.path.relative_to(house.home)): (p.what, p.bytes, p.used_by)
              for p in disk_usage(*house.parts)}  # fmt: skip

    assert listed[f"runs/{run_id}"] == ("run", 110, "settled, voice-v1")
    assert listed["models/voice-v1"] == ("model", 50, "candidate")
    assert listed[upload(plan)][2] == f"voice-v1, plan {plan.plan_id[:12]}"
    assert listed["uploads/nobody.jsonl"] == ("upload", 7, "")
    sizes = [piece.bytes for piece in disk_usage(*house.parts)]
    assert sizes == sorted(sizes, reverse=True)


def test_only_what_nobody_needs_is_garbage(house: HomeFolderHarness) -> None:
    done, old = house.run("old")
    at_work, working = house.run("at-work", settled=False)
    kept, with_version = house.run("kept")
    house.version(kept, with_version)
    house.later(2)
    _, young = house.run("young", settled=False)
    house.file("uploads/fresh.jsonl", days=0.9)
    house.file("uploads/abc.train.part", 30, days=1.1)
    house.file("uploads/def.train.part", 30, days=0.9)
    house.file("files/upload-1.part", 20, days=1.1)
    house.file("runs/unknown/checkpoints/weights", days=9)
    before = house.there()

    freed = collect_garbage(*house.parts, dry_run=True)
    assert house.there() == before
    assert collect_garbage(*house.parts) == freed > 230

    assert before - house.there() == {
        upload(old), "uploads/abc.train.part", "files/upload-1.part", f"runs/{done}/checkpoints/step-1/weights",
        f"runs/{kept}/checkpoints/step-1/weights",
    }  # fmt: skip
    assert {upload(working), upload(with_version), upload(young)} < house.there()
    assert f"runs/{at_work}/checkpoints/step-1/weights" in house.there()
    assert garbage(*house.parts) == []
    assert collect_garbage(*house.parts) == 0


def test_checkpoints_that_are_a_version_stay(house: HomeFolderHarness) -> None:
    run_id, plan = house.run()
    house.version(run_id, plan, str(house.home / "runs" / run_id / "checkpoints" / "step-1"))
    assert garbage(*house.parts) == []


def test_the_folder_of_a_deleted_version_is_garbage(house: HomeFolderHarness) -> None:
    version = house.version(*house.run())
    house.registry.forget(version.version_id)
    assert [p.what for p in garbage(*house.parts)] == ["checkpoints", "model"]


def test_a_run_is_deleted_with_all_that_it_made_but_its_money(house: HomeFolderHarness) -> None:
    run_id, plan = house.run()
    house.version(run_id, plan)
    store = house.desk.context.store
    house.run("other")
    before = len(house.there())

    gone = delete_everywhere("run", run_id[:12], *house.parts)

    assert (gone.runs, gone.versions) == ((run_id,), ("voice-v1",))
    assert len(house.there()) == before - 4
    assert not any(run_id in one or "voice" in one for one in house.there())
    assert store.job_events(run_id) == ()
    run = store.run(run_id)
    assert (run.state, SECRET in str(run.events)) == ("settled", False)
    assert run.said("intent", "cap_usd") == "2.00"
    assert house.desk.context.ledger.entry(run_id) is not None
    assert store.start(plan) == (run_id, False)
    assert house.registry.listed() == ()
    assert delete_everywhere("run", run_id, *house.parts).pieces == ()


def test_rows_that_another_needs_stay_when_a_run_is_deleted(house: HomeFolderHarness) -> None:
    run_id, plan = house.run()
    house.desk.start(plan.model_copy(update={"attempt": 2}))
    delete_everywhere("run", run_id, *house.parts)
    assert upload(plan) in house.there()


@pytest.mark.parametrize("by", ["source", "rows"])
def test_a_dataset_is_deleted_everywhere(house: HomeFolderHarness, by: str) -> None:
    run_id, plan = house.run("hello")
    house.version(run_id, plan)
    house.run("other")

    gone = delete_everywhere("dataset", f"{by}-hello", *house.parts)

    assert (gone.runs, gone.versions) == ((run_id,), ("voice-v1",))
    assert upload(plan) not in house.there()
    assert len(house.there()) == 3


def test_with_a_dataset_go_its_files_as_they_were_sent(
    house: HomeFolderHarness, tmp_path: Path
) -> None:
    _, plan = house.run("hello")
    file_store = FileStore(house.desk.context.store.engine, house.desk.clock)
    sent = [file_store.keep(house.file(f"{n}.part"), FileUpload("a", "t.jsonl", "fine-tune", sha))
            for n, sha in enumerate((plan.source_sha256, "0" * 64))]  # fmt: skip
    for one in sent:
        target = house.home / "files" / one.file_id
        target.parent.mkdir(exist_ok=True)
        one.path.replace(target)
    page = house.file(f"page/{plan.source_sha256}/tickets.csv")
    pilots = [house.file(f"pilots/{name}/rows.jsonl") for name in ("ours", "other")]
    for pilot, sha in zip(pilots, (plan.source_sha256, "0" * 64), strict=True):
        (pilot.parent / PILOT_DATASET_FILE).write_text(f"{sha}\n")

    delete_everywhere("dataset", plan.source_sha256, *house.parts)

    assert [(house.home / "files" / one.file_id).exists() for one in sent] == [False, True]
    assert [one.file_id for one in file_store.listed(None)] == [sent[1].file_id]
    assert not page.exists()
    assert [pilot.exists() for pilot in pilots] == [False, True]
    assert {piece.what for piece in disk_usage(*house.parts)} >= {"uploaded file"}


def test_deleted_words_are_not_in_the_file_of_the_database(
    house: HomeFolderHarness, tmp_path: Path
) -> None:
    run_id, plan = house.run()
    house.version(run_id, plan)
    files = list(tmp_path.glob("state.db*"))
    told = any(SECRET.encode() in path.read_bytes() for path in files)
    assert told or not files

    delete_everywhere("run", run_id, *house.parts)

    assert [p for p in tmp_path.glob("state.db*") if SECRET.encode() in p.read_bytes()] == []


def test_a_version_is_deleted_and_its_run_stays(house: HomeFolderHarness) -> None:
    run_id, plan = house.run()
    house.version(run_id, plan)
    gone = delete_everywhere("version", "voice", *house.parts)

    assert [piece.what for piece in gone.pieces] == ["model"]
    assert not (house.home / "models" / "voice-v1").exists()
    assert (house.home / "runs" / run_id / "plan.json").exists()
    assert SECRET in str(house.desk.context.store.run(run_id).events)


def test_what_is_at_work_or_champion_is_not_deleted(house: HomeFolderHarness) -> None:
    run_id, plan = house.run(settled=False)
    before = house.there()
    for kind, name in (("run", run_id), ("dataset", "rows-hello")):
        with pytest.raises(Refused, match=r"the run is intent.*trainer follow"):
            delete_everywhere(kind, name, *house.parts)  # type: ignore[arg-type]
    house.version(run_id, plan)
    with pytest.raises(Refused, match="the run is intent"):
        delete_everywhere("version", "voice-v1", *house.parts)
    house.settle(run_id)
    house.registry.promote("voice-v1", "jo")
    for kind, name in (("run", run_id), ("dataset", "rows-hello"), ("version", "voice-v1")):
        with pytest.raises(Refused, match="it is the champion"):
            delete_everywhere(kind, name, *house.parts)  # type: ignore[arg-type]
    assert before < house.there()


@pytest.mark.parametrize("name", ["", "rows-he", "rows-nothing", "source-"])
def test_a_dataset_that_is_not_plainly_named_is_not_deleted(
    house: HomeFolderHarness, name: str
) -> None:
    house.run("hello")
    house.run("help-me")
    with pytest.raises(UsageError, match="dataset"):
        plan_deletion("dataset", name, *house.parts)


def test_no_link_leads_out_of_the_home_folder(house: HomeFolderHarness, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    treasure = [outside / "a", outside / "deep" / "b.part", outside / "rows.jsonl"]
    for path in treasure:
        path.write_text("mine")
        os.utime(path, (0, 0))
    run_id, plan = house.run()
    house.version(run_id, plan, str(outside))
    run = house.home / "runs" / run_id
    (run / "link").symlink_to(outside)
    (run / "checkpoints" / "link").symlink_to(outside)
    for link in ("uploads/rows.jsonl", "uploads/b.part"):
        (house.home / link).symlink_to(outside / "rows.jsonl")
        house.age(house.home / link, 5)
    (house.home / "uploads" / "folder").symlink_to(outside)

    assert all(piece.bytes < 2000 for piece in disk_usage(*house.parts))
    collect_garbage(*house.parts)
    assert not os.path.lexists(house.home / "uploads" / "rows.jsonl")
    delete_everywhere("run", run_id, *house.parts)

    assert not run.exists()
    assert [path.read_text() for path in treasure] == ["mine"] * 3


def test_a_run_folder_that_is_a_link_is_only_unlinked(
    house: HomeFolderHarness, tmp_path: Path
) -> None:
    run_id, _ = house.run()
    run, outside = house.home / "runs" / run_id, tmp_path / "outside"
    run.rename(outside)
    run.symlink_to(outside)

    assert collect_garbage(*house.parts) == 0
    delete_everywhere("run", run_id, *house.parts)

    assert not os.path.lexists(run)
    assert (outside / "checkpoints" / "step-1" / "weights").exists()


def test_a_folder_of_runs_that_lies_elsewhere_is_left_alone(
    house: HomeFolderHarness, tmp_path: Path
) -> None:
    run_id, _ = house.run()
    (house.home / "runs").rename(tmp_path / "elsewhere")
    (house.home / "runs").symlink_to(tmp_path / "elsewhere")

    assert collect_garbage(*house.parts) == 0
    with pytest.raises(Refused, match="leads out of"):
        delete_everywhere("run", run_id, *house.parts)
    assert (tmp_path / "elsewhere" / run_id / "checkpoints").exists()


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeFolderHarness]:
    """A house that the commands find."""
    home = tmp_path / "home"
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(home))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    home.mkdir()
    engine = open_database()
    desk = open_run_harness(tmp_path, engine)
    yield HomeFolderHarness(desk, Registry(engine, desk.clock), home)
    close_contexts()
    engine.dispose()


def test_the_commands_say_what_they_did(
    at_home: HomeFolderHarness, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        return capsys.readouterr().out

    cli.show_versions(None, False)
    assert said() == "No version yet.\n"
    run_id, plan = at_home.run()
    at_home.version(run_id, plan)
    cli.promote_version("voice", False)
    assert said().startswith("voice-v1 is champion")
    cli.show_versions(None, False)
    assert "better" in said()
    cli.show_versions("voice", True)
    assert json.loads(said())[0]["stage"] == "champion"
    cli.compare_versions("voice-v1", "voice-v1", False)
    assert "differs" not in said()
    cli.compare_versions("voice-v1", "voice-v1", True)
    assert {"what": "stage", "a": "champion", "b": "champion"} in json.loads(said())
    with pytest.raises(Refused, match="no champion before"):
        cli.rollback_model("voice")
    cli.retire_version("voice")
    assert "voice-v1 is retired" in said()
    cli.show_disk(False)
    assert "models/voice-v1" in said().replace("\n", "")
    cli.delete_garbage(True, True)
    assert json.loads(said())["bytes"] == 100
    cli.delete_garbage(False, False)
    assert "100 bytes freed" in said()

    monkeypatch.setattr(sys, "stdin", StringIO("no\n"))
    with pytest.raises(Refused, match="nothing was deleted"):
        cli.delete_item("version", "voice-v1", False)
    monkeypatch.setattr(sys, "stdin", StringIO("voice-v1\n"))
    cli.delete_item("version", "voice-v1", False)
    assert "version voice-v1 is deleted: 50 bytes" in said()
    cli.delete_item("dataset", plan.dataset_sha256, True)
    assert at_home.there() == set()
    with pytest.raises(UsageError, match="Did you mean 'run'"):
        cli.delete_item("runs", "x", True)
