"""Home folder cleanup: disk usage, garbage collection and deletion."""

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
    """A home folder with runs, models and files."""

    desk: RunHarness
    registry: Registry
    home: Path

    @property
    def parts(self) -> tuple[Path, RunStore, Registry]:
        return self.home, self.desk.context.store, self.registry

    def file(self, path: str, size: int = 10, days: float = 0.0) -> Path:
        """Write a file with a modification time some days ago."""
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x" * size)
        return self.age(target, days)

    def age(self, path: Path, days: float = 0.0) -> Path:
        then = self.desk.clock.now() - days * DAY
        os.utime(path, (then, then), follow_symlinks=False)
        return path

    def run(self, text: str = "hello", settled: bool = True) -> tuple[str, TrainingPlan]:
        """Start a run with its own rows and folder, and settle it."""
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
        evaluation = {"verdict": {"word": "better"}, "answers": SECRET}
        return self.registry.evaluated(version.version_id, evaluation)

    def stored_files(self) -> set[str]:
        return {str(path.relative_to(self.home)) for top in ("runs", "models", "uploads", "files")
                for path in (self.home / top).rglob("*") if not path.is_dir()}  # fmt: skip

    def later(self, days: float) -> None:
        self.desk.clock.pass_(days * DAY)


@pytest.fixture
def harness(tmp_path: Path, engine: Engine) -> HomeFolderHarness:
    desk = open_run_harness(tmp_path, engine)
    home = tmp_path / "home"
    home.mkdir()
    return HomeFolderHarness(desk, Registry(engine, desk.clock), home)


def upload(plan: TrainingPlan) -> str:
    return f"uploads/{plan.training.sha256}.jsonl"


def test_every_entry_is_listed_with_its_users(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run()
    harness.version(run_id, plan)
    harness.file("uploads/unused.jsonl", 7)

    listed = {str(p.path.relative_to(harness.home)): (p.what, p.bytes, p.used_by)
              for p in disk_usage(*harness.parts)}  # fmt: skip

    assert listed[f"runs/{run_id}"] == ("run", 110, "settled, voice-v1")
    assert listed["models/voice-v1"] == ("model", 50, "candidate")
    assert listed[upload(plan)][2] == f"voice-v1, plan {plan.plan_id[:12]}"
    assert listed["uploads/unused.jsonl"] == ("upload", 7, "")
    sizes = [piece.bytes for piece in disk_usage(*harness.parts)]
    assert sizes == sorted(sizes, reverse=True)


def test_only_unused_files_are_garbage(harness: HomeFolderHarness) -> None:
    done, old = harness.run("old")
    at_work, working = harness.run("at-work", settled=False)
    kept, with_version = harness.run("kept")
    harness.version(kept, with_version)
    harness.later(2)
    _, young = harness.run("young", settled=False)
    harness.file("uploads/fresh.jsonl", days=0.9)
    harness.file("uploads/abc.train.part", 30, days=1.1)
    harness.file("uploads/def.train.part", 30, days=0.9)
    harness.file("files/upload-1.part", 20, days=1.1)
    harness.file("runs/unknown/checkpoints/weights", days=9)
    before = harness.stored_files()

    freed = collect_garbage(*harness.parts, dry_run=True)
    assert harness.stored_files() == before
    assert collect_garbage(*harness.parts) == freed > 230

    assert before - harness.stored_files() == {
        upload(old), "uploads/abc.train.part", "files/upload-1.part", f"runs/{done}/checkpoints/step-1/weights",
        f"runs/{kept}/checkpoints/step-1/weights",
    }  # fmt: skip
    assert {upload(working), upload(with_version), upload(young)} < harness.stored_files()
    assert f"runs/{at_work}/checkpoints/step-1/weights" in harness.stored_files()
    assert garbage(*harness.parts) == []
    assert collect_garbage(*harness.parts) == 0


def test_checkpoints_that_are_a_version_are_kept(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run()
    harness.version(run_id, plan, str(harness.home / "runs" / run_id / "checkpoints" / "step-1"))
    assert garbage(*harness.parts) == []


def test_the_folder_of_a_deleted_version_is_garbage(harness: HomeFolderHarness) -> None:
    version = harness.version(*harness.run())
    harness.registry.forget(version.version_id)
    assert [p.what for p in garbage(*harness.parts)] == ["checkpoints", "model"]


def test_a_run_is_deleted_with_everything_but_its_amounts(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run()
    harness.version(run_id, plan)
    store = harness.desk.context.store
    harness.run("other")
    before = len(harness.stored_files())

    deleted = delete_everywhere("run", run_id[:12], *harness.parts)

    assert (deleted.runs, deleted.versions) == ((run_id,), ("voice-v1",))
    assert len(harness.stored_files()) == before - 4
    assert not any(run_id in name or "voice" in name for name in harness.stored_files())
    assert store.job_events(run_id) == ()
    run = store.run(run_id)
    assert (run.state, SECRET in str(run.events)) == ("settled", False)
    assert run.said("intent", "cap_usd") == "2.00"
    assert harness.desk.context.ledger.entry(run_id) is not None
    assert store.start(plan) == (run_id, False)
    assert harness.registry.listed() == ()
    assert delete_everywhere("run", run_id, *harness.parts).pieces == ()


def test_rows_of_another_run_are_kept_when_a_run_is_deleted(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run()
    harness.desk.start(plan.model_copy(update={"attempt": 2}))
    delete_everywhere("run", run_id, *harness.parts)
    assert upload(plan) in harness.stored_files()


@pytest.mark.parametrize("by", ["source", "rows"])
def test_a_dataset_is_deleted_everywhere(harness: HomeFolderHarness, by: str) -> None:
    run_id, plan = harness.run("hello")
    harness.version(run_id, plan)
    harness.run("other")

    deleted = delete_everywhere("dataset", f"{by}-hello", *harness.parts)

    assert (deleted.runs, deleted.versions) == ((run_id,), ("voice-v1",))
    assert upload(plan) not in harness.stored_files()
    assert len(harness.stored_files()) == 3


def test_a_dataset_is_deleted_with_its_uploaded_copies(
    harness: HomeFolderHarness, tmp_path: Path
) -> None:
    _, plan = harness.run("hello")
    file_store = FileStore(harness.desk.context.store.engine, harness.desk.clock)
    sent = [file_store.keep(harness.file(f"{n}.part"), FileUpload("a", "t.jsonl", "fine-tune", sha))
            for n, sha in enumerate((plan.source_sha256, "0" * 64))]  # fmt: skip
    for stored in sent:
        target = harness.home / "files" / stored.file_id
        target.parent.mkdir(exist_ok=True)
        stored.path.replace(target)
    page = harness.file(f"page/{plan.source_sha256}/tickets.csv")
    pilots = [harness.file(f"pilots/{name}/rows.jsonl") for name in ("ours", "other")]
    for pilot, sha in zip(pilots, (plan.source_sha256, "0" * 64), strict=True):
        (pilot.parent / PILOT_DATASET_FILE).write_text(f"{sha}\n")

    delete_everywhere("dataset", plan.source_sha256, *harness.parts)

    assert [(harness.home / "files" / stored.file_id).exists() for stored in sent] == [False, True]
    assert [stored.file_id for stored in file_store.listed(None)] == [sent[1].file_id]
    assert not page.exists()
    assert [pilot.exists() for pilot in pilots] == [False, True]
    assert {piece.what for piece in disk_usage(*harness.parts)} >= {"uploaded file"}


def test_deleted_text_is_not_in_the_database_file(
    harness: HomeFolderHarness, tmp_path: Path
) -> None:
    run_id, plan = harness.run()
    harness.version(run_id, plan)
    files = list(tmp_path.glob("state.db*"))
    is_stored = any(SECRET.encode() in path.read_bytes() for path in files)
    assert is_stored or not files

    delete_everywhere("run", run_id, *harness.parts)

    assert [p for p in tmp_path.glob("state.db*") if SECRET.encode() in p.read_bytes()] == []


def test_a_version_is_deleted_and_its_run_is_kept(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run()
    harness.version(run_id, plan)
    deleted = delete_everywhere("version", "voice", *harness.parts)

    assert [piece.what for piece in deleted.pieces] == ["model"]
    assert not (harness.home / "models" / "voice-v1").exists()
    assert (harness.home / "runs" / run_id / "plan.json").exists()
    assert SECRET in str(harness.desk.context.store.run(run_id).events)


def test_an_open_run_or_a_champion_is_not_deleted(harness: HomeFolderHarness) -> None:
    run_id, plan = harness.run(settled=False)
    before = harness.stored_files()
    for kind, name in (("run", run_id), ("dataset", "rows-hello")):
        with pytest.raises(Refused, match=r"the run is intent.*trainer follow"):
            delete_everywhere(kind, name, *harness.parts)  # type: ignore[arg-type]
    harness.version(run_id, plan)
    with pytest.raises(Refused, match="the run is intent"):
        delete_everywhere("version", "voice-v1", *harness.parts)
    harness.settle(run_id)
    harness.registry.promote("voice-v1", "jo")
    for kind, name in (("run", run_id), ("dataset", "rows-hello"), ("version", "voice-v1")):
        with pytest.raises(Refused, match="it is the champion"):
            delete_everywhere(kind, name, *harness.parts)  # type: ignore[arg-type]
    assert before < harness.stored_files()


@pytest.mark.parametrize("name", ["", "rows-he", "rows-nothing", "source-"])
def test_a_dataset_with_an_ambiguous_prefix_is_not_deleted(
    harness: HomeFolderHarness, name: str
) -> None:
    harness.run("hello")
    harness.run("help-me")
    with pytest.raises(UsageError, match="dataset"):
        plan_deletion("dataset", name, *harness.parts)


def test_no_link_is_followed_out_of_the_home_folder(
    harness: HomeFolderHarness, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    files = [outside / "a", outside / "deep" / "b.part", outside / "rows.jsonl"]
    for path in files:
        path.write_text("content")
        os.utime(path, (0, 0))
    run_id, plan = harness.run()
    harness.version(run_id, plan, str(outside))
    run = harness.home / "runs" / run_id
    (run / "link").symlink_to(outside)
    (run / "checkpoints" / "link").symlink_to(outside)
    for link in ("uploads/rows.jsonl", "uploads/b.part"):
        (harness.home / link).symlink_to(outside / "rows.jsonl")
        harness.age(harness.home / link, 5)
    (harness.home / "uploads" / "folder").symlink_to(outside)

    assert all(piece.bytes < 2000 for piece in disk_usage(*harness.parts))
    collect_garbage(*harness.parts)
    assert not os.path.lexists(harness.home / "uploads" / "rows.jsonl")
    delete_everywhere("run", run_id, *harness.parts)

    assert not run.exists()
    assert [path.read_text() for path in files] == ["content"] * 3


def test_a_run_folder_that_is_a_link_is_only_unlinked(
    harness: HomeFolderHarness, tmp_path: Path
) -> None:
    run_id, _ = harness.run()
    run, outside = harness.home / "runs" / run_id, tmp_path / "outside"
    run.rename(outside)
    run.symlink_to(outside)

    assert collect_garbage(*harness.parts) == 0
    delete_everywhere("run", run_id, *harness.parts)

    assert not os.path.lexists(run)
    assert (outside / "checkpoints" / "step-1" / "weights").exists()


def test_a_linked_folder_of_runs_is_not_deleted(harness: HomeFolderHarness, tmp_path: Path) -> None:
    run_id, _ = harness.run()
    (harness.home / "runs").rename(tmp_path / "elsewhere")
    (harness.home / "runs").symlink_to(tmp_path / "elsewhere")

    assert collect_garbage(*harness.parts) == 0
    with pytest.raises(Refused, match="leads out of"):
        delete_everywhere("run", run_id, *harness.parts)
    assert (tmp_path / "elsewhere" / run_id / "checkpoints").exists()


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeFolderHarness]:
    """A home folder that the commands use."""
    home = tmp_path / "home"
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(home))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    home.mkdir()
    engine = open_database()
    desk = open_run_harness(tmp_path, engine)
    yield HomeFolderHarness(desk, Registry(engine, desk.clock), home)
    close_contexts()
    engine.dispose()


def test_the_commands_report_what_they_did(
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
    assert at_home.stored_files() == set()
    with pytest.raises(UsageError, match="Did you mean 'run'"):
        cli.delete_item("runs", "x", True)
