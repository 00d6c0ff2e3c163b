"""Export and import: a plan exported, trained by a separate Python, and imported as a version."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from advisor.errors import UsageError
from advisor.gpu.recipe import recipe_for
from advisor.plan.training_plan import DataFile, LocalJob, TrainingPlan
from tests.support import tiny_models
from tests.support.runs import RunHarness, make_plan, open_run_harness
from trainer.cli.export import export_plan as export_by_name
from trainer.cli.export import import_folder as bring_by_name
from trainer.errors import OverBudget, Refused
from trainer.export import import_
from trainer.export.export import EXPORT_FILE, SCRIPTS, requirements, write_export
from trainer.export.import_ import read_export
from trainer.local.run_folder import RunFolder
from trainer.scripts.manifest import base_hash, seal, sha256_of

STEPS = 60


def _keep(folder: Path, rows: list[dict[str, Any]]) -> DataFile:
    content = b"".join(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) + b"\n" for row in rows)
    sha = hashlib.sha256(content).hexdigest()
    (folder / f"{sha}.jsonl").write_bytes(content)
    return DataFile(sha256=sha, bytes=len(content), rows=len(rows), tokens=len(rows) * 20,
                    longest_tokens=30)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_causal(tmp_path_factory.mktemp("secret-place") / "tiny-base")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunHarness:
    """A context whose home folder is that of the test."""
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    return open_run_harness(tmp_path)


def _plan(desk: RunHarness, base: Path, **local: Any) -> TrainingPlan:
    recipe = recipe_for("sft", "lora", False, 60, 50.0).model_copy(
        update={"most_steps": STEPS, "save_steps": 5, "log_steps": 2, "learning_rate": 1e-2}
    )
    job = LocalJob(base=str(base), base_sha256=base_hash(base), gpu="cpu", hours=(0.01, 0.02, 0.05),
                   recipe=recipe, metric="exact").model_copy(update=local)  # fmt: skip
    training, held = (
        _keep(desk.folder, tiny_models.task_rows(n, seed)) for n, seed in ((64, 1), (12, 9))
    )
    return make_plan(desk.context.book, training, desk.clock, provider="local", base="tiny-base",
                  held_out=held, local=job)  # fmt: skip


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("with_base", [True, False])
def test_the_folder_contains_everything_a_training_needs(
    desk: RunHarness, base: Path, tmp_path: Path, with_base: bool
) -> None:
    plan, out = _plan(desk, base), tmp_path / "out"

    files = write_export(plan, desk.context.files, out, with_base)

    told = json.loads((out / EXPORT_FILE).read_text())
    assert told["plan_id"] == plan.plan_id
    assert told["files"] == {
        str(p.relative_to(out)): sha256_of(p) for p in files if p.name != EXPORT_FILE
    }
    assert set(_files(out)) == set(told["files"]) | {EXPORT_FILE}
    assert {*SCRIPTS, "training.jsonl", "held_out.jsonl", "job.json", "run.sh"} <= set(_files(out))
    assert (out / "base" / "model.safetensors").exists() is with_base
    assert json.loads((out / "job.json").read_text())["base"] == "base"
    assert (out / "run.sh").stat().st_mode & stat.S_IXUSR
    task = yaml.safe_load((out / "task.yaml").read_text())
    assert task["resources"] == {"cpus": "4+"}
    assert ("envs" in task) is not with_base
    assert "cap of the plan is $2.00" in (out / "task.yaml").read_text()
    pins = (out / "requirements.txt").read_text().splitlines()
    assert [pin for pin in pins if pin.count("==") != 1 or "+" in pin] == []
    assert "bitsandbytes" not in requirements(plan.local)  # type: ignore[arg-type]


def test_validation_rows_are_exported_too(desk: RunHarness, base: Path, tmp_path: Path) -> None:
    rows = _keep(desk.folder, tiny_models.task_rows(8, 5))
    plan = _plan(desk, base, validation=rows)

    write_export(plan, desk.context.files, tmp_path / "out", with_base=False)

    job = json.loads((tmp_path / "out" / "job.json").read_text())
    assert sha256_of(tmp_path / "out" / job["validation"]) == rows.sha256


@pytest.mark.parametrize("with_base", [True, False])
def test_no_file_contains_a_path_of_this_machine(
    desk: RunHarness, base: Path, tmp_path: Path, with_base: bool
) -> None:
    scorer = (str(tmp_path / "score.py"),)
    out = tmp_path / "out"

    write_export(_plan(desk, base, scorer=scorer), desk.context.files, out, with_base)

    places = [str(Path.home()), str(base), str(base.parent), str(tmp_path), os.environ["HOME"]]
    for name, content in _files(out).items():
        assert [p for p in places if len(p) > 5 and p.encode() in content] == [], name


def test_a_base_with_a_path_of_this_machine_is_not_exported(
    desk: RunHarness, tmp_path: Path
) -> None:
    base = tiny_models.make_causal(tmp_path / "base-with-a-path")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"_name_or_path": str(base)}))

    with pytest.raises(Refused, match="a folder of this machine"):
        write_export(_plan(desk, base), desk.context.files, tmp_path / "out", with_base=True)
    assert write_export(_plan(desk, base), desk.context.files, tmp_path / "out", with_base=False)


def test_a_gpu_has_its_name_in_skypilot(desk: RunHarness, base: Path, tmp_path: Path) -> None:
    plan = _plan(desk, base, gpu="H100_SXM")

    write_export(plan, desk.context.files, tmp_path / "out", with_base=False)

    task = yaml.safe_load((tmp_path / "out" / "task.yaml").read_text())
    assert set(task["resources"]["accelerators"]) == {"H100-SXM:1", "H100:1"}
    assert task["envs"] == {"BASE": None}


def test_a_folder_with_other_content_is_not_overwritten(
    desk: RunHarness, base: Path, tmp_path: Path
) -> None:
    plan, out = _plan(desk, base), tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")

    with pytest.raises(UsageError, match="not empty"):
        write_export(plan, desk.context.files, out, with_base=False)

    (out / "thesis.tex").unlink()
    write_export(plan, desk.context.files, out, with_base=False)
    first = _files(out)
    write_export(plan, desk.context.files, out, with_base=False)
    assert _files(out) == first
    with pytest.raises(UsageError, match="not an export of this plan"):
        write_export(
            plan.model_copy(update={"attempt": 2}), desk.context.files, out, with_base=False
        )


def test_a_provider_plan_and_changed_rows_are_refused(
    desk: RunHarness, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Plan with --base"):
        write_export(desk.plan(), desk.context.files, tmp_path / "out", with_base=False)

    plan = _plan(desk, base)
    desk.context.files(plan.training.sha256).write_text("{}")
    with pytest.raises(Refused, match="missing or have changed"):
        write_export(plan, desk.context.files, tmp_path / "out", with_base=False)


STUB = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    *venv*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
    *time.time*) echo 1.5;;
    *train.py*) exit "${TRAIN_CODE:-0}";;
esac
"""


@pytest.mark.parametrize(
    ("code", "asked"), [(0, ["train.py .", "generate.py ."]), (3, ["train.py ."])]
)
def test_run_sh_installs_trains_answers_and_returns_the_exit_code(
    desk: RunHarness, base: Path, tmp_path: Path, code: int, asked: list[str]
) -> None:
    out, stub = tmp_path / "out", tmp_path / "bin" / "python3"
    write_export(_plan(desk, base), desk.context.files, out, with_base=False)
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    env = {"PATH": f"{stub.parent}:/usr/bin:/bin", "LOG": str(tmp_path / "log"),
           "TRAIN_CODE": str(code), "BASE": str(base)}  # fmt: skip

    done = subprocess.run(["sh", str(out / "run.sh")], env=env, capture_output=True, text=True)

    assert done.returncode == code, done.stderr
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[:2] == ["-m venv .venv", "-m pip install --quiet -r requirements.txt"]
    assert [line.removeprefix("-I ") for line in lines if ".py ." in line] == asked
    assert (out / "clock.jsonl").read_text() == '{"from": 1.5}\n{"to": 1.5}\n'


def test_run_sh_reports_a_missing_base(desk: RunHarness, base: Path, tmp_path: Path) -> None:
    write_export(_plan(desk, base), desk.context.files, tmp_path / "out", with_base=False)

    done = subprocess.run(["sh", str(tmp_path / "out" / "run.sh")], text=True, capture_output=True,
                          env={"PATH": os.environ["PATH"], "SKIP_INSTALL": "1"})  # fmt: skip

    assert (done.returncode, done.stderr) == (
        2,
        "run.sh: no base in this folder. Set BASE to the folder of the base.\n",
    )


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python with the packages of the scripts, but without this program."""
    place = tmp_path_factory.mktemp("fresh")
    venv.create(place / "env", symlinks=True)
    python = place / "env" / "bin" / "python"
    ours = Path(orjson.__file__).parent.parent
    theirs = next((place / "env" / "lib").glob("python*/site-packages"))
    (theirs / "packages.pth").write_text(f"{ours}\n")  # its own .pth files, ours too, are not read
    env = {"PATH": os.environ["PATH"], "PYTHON": str(python), "SKIP_INSTALL": "1",
           "HOME": str(place), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}  # fmt: skip
    for name, can in (("trainer", False), ("advisor", False), ("torch", True)):
        looked = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec('{name}'))"
        asked = subprocess.run([python, "-I", "-c", looked], env=env, cwd=place, check=False)
        assert (asked.returncode == 0) is can, name
    return env


@pytest.fixture(scope="module")
def trained(
    base: Path, stranger: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunHarness, TrainingPlan, Path]:
    """A folder that a separate Python trained, killed once during the training."""
    desk = open_run_harness(tmp_path_factory.mktemp("desk"))
    plan, out = _plan(desk, base), tmp_path_factory.mktemp("rented") / "out"
    write_export(plan, desk.context.files, out, with_base=True)
    command = ["sh", str(out / "run.sh")]
    with (out.parent / "log").open("wb") as log, subprocess.Popen(
        command, env=stranger, cwd="/", stdout=log, stderr=log, start_new_session=True
    ) as child:  # fmt: skip
        until = time.monotonic() + 120
        while not (out / "checkpoints" / "checkpoint-5" / "manifest.json").exists():
            assert child.poll() is None, (out.parent / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
    assert not (out / "result.json").exists()
    with pytest.raises(Refused, match="the training is not complete"):
        read_export(out, plan)
    done = subprocess.run(command, env=stranger, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return desk, plan, out


@pytest.fixture
def back(
    trained: tuple[RunHarness, TrainingPlan, Path], desk: RunHarness, tmp_path: Path
) -> tuple[RunHarness, TrainingPlan, Path]:
    """The trained folder, copied to a context that has the plan."""
    _, plan, out = trained
    folder = shutil.copytree(out, tmp_path / "back", ignore=shutil.ignore_patterns("checkpoints"))
    desk.context.store.keep_plan(plan)
    return desk, plan, folder


@pytest.mark.fresh
def test_a_separate_python_trains_the_folder_and_it_is_imported(
    back: tuple[RunHarness, TrainingPlan, Path], tmp_path: Path
) -> None:
    desk, plan, folder = back
    shutil.rmtree(desk.folder / "uploads", ignore_errors=True)

    imported = read_export(folder, plan)
    run = import_.record_import(desk.context, imported, Decimal("0.40"))

    assert any(event["kind"] == "resumed" for event in RunFolder(folder).events())
    moments = [moment for line in (folder / "clock.jsonl").read_text().splitlines()
               for moment in json.loads(line).values()]  # fmt: skip
    assert 0 < imported.seconds <= moments[-1] - moments[0]
    assert imported.result["steps_done"] == STEPS
    assert imported.evaluation
    assert imported.evaluation["rows"] == 12
    assert (run.state, run.outcome, run.said("created", "how")) == (
        "settled",
        "succeeded",
        "imported",
    )
    assert run.said("settled", "usd") == "0.40"
    entry = desk.context.ledger.entry(run.run_id)
    assert entry
    assert (entry.reserved, entry.settled) == (400_000, 400_000)
    version = desk.context.registry.listed()[0]
    assert (version.run_id, version.kind, version.usd) == (run.run_id, "adapter", Decimal("0.40"))
    assert version.evaluation == json.loads(json.dumps(imported.evaluation))
    place = RunFolder(tmp_path / "home" / "runs" / run.run_id)
    assert (place.word, place.is_trained()) == ("succeeded", True)
    assert version.folder == place.path / "model"
    assert place.read("job.json")["base"] == plan.local.base  # type: ignore[union-attr]
    assert [e.kind for e in desk.context.store.job_events(run.run_id)].count("metric") > 5
    with pytest.raises(Refused, match="launched already"):
        import_.record_import(desk.context, imported, Decimal("0.40"))


@pytest.mark.fresh
def test_running_a_finished_folder_again_changes_nothing(
    trained: tuple[RunHarness, TrainingPlan, Path], stranger: dict[str, str]
) -> None:
    _, _, out = trained
    before = {name: content for name, content in _files(out).items() if name != "clock.jsonl"}

    subprocess.run(["sh", str(out / "run.sh")], env=stranger, check=True)

    assert before == {n: content for n, content in _files(out).items() if n != "clock.jsonl"}


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


def _answer_less(folder: Path) -> None:
    path = folder / "answers.tuned.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _swap(folder: Path) -> None:
    rows = (folder / "held_out.jsonl").read_text()
    (folder / "held_out.jsonl").write_text(rows.replace("returns", "account"))


def _with_code(folder: Path) -> None:
    (folder / "model" / "weights.bin").write_bytes(b"pickle")
    seal(
        folder / "model",
        base_sha256=json.loads((folder / "result.json").read_text())["base_sha256"],
    )


HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated model": (lambda f: os.truncate(f / "model" / "adapter_model.safetensors", 100), "is incomplete"),
    "no model": (lambda f: shutil.rmtree(f / "model"), "is incomplete"),
    "no result": (lambda f: (f / "result.json").unlink(), "no result.json"),
    "truncated result": (lambda f: os.truncate(f / "result.json", 40), "not valid JSON"),
    "failed": (lambda f: (f / "failed.json").write_text('{"why": "no memory"}'), "no memory"),
    "changed rows": (_swap, "rows were changed"),
    "no rows": (lambda f: (f / "training.jsonl").unlink(), "file not found"),
    "other rows": (lambda f: _edit(f / "result.json", lambda b: b.update(training_sha256="x")),
                   "trained with other rows"),
    "other base": (lambda f: _edit(f / "result.json", lambda b: b.update(base_sha256="x")),
                   "trained with another base"),
    "other settings": (lambda f: _edit(f / "result.json", lambda b: b["recipe"].update(epochs=9)),
                       "with epochs 9, the plan has 50"),
    "other plan": (lambda f: _edit(f / "plan.json", lambda b: b.update(attempt=7)), "not an export of"),
    "an answer too few": (_answer_less, "one answer to each of the 12"),
    "no perplexity": (lambda f: (f / "perplexity.json").unlink(), "perplexity.json is missing"),
    "code in the model": (_with_code, "can run code"),
}  # fmt: skip


@pytest.mark.fresh
@pytest.mark.parametrize("harm", sorted(HARMS))
def test_an_invalid_folder_is_refused_with_the_reason(
    back: tuple[RunHarness, TrainingPlan, Path], harm: str
) -> None:
    desk, plan, folder = back
    do, says = HARMS[harm]
    do(folder)

    with pytest.raises(Refused, match=says):
        read_export(folder, plan)

    assert desk.context.store.listed() == ()


@pytest.mark.fresh
def test_a_cap_is_checked_before_anything_is_recorded(
    back: tuple[RunHarness, TrainingPlan, Path],
) -> None:
    desk, plan, folder = back
    imported = read_export(folder, plan)
    desk.context.ledger.set_caps(Decimal("0.10"), None)

    with pytest.raises(OverBudget, match="Raise the cap"):
        import_.record_import(desk.context, imported, Decimal("0.40"))
    assert desk.context.store.listed() == ()

    desk.context.ledger.set_caps(None, None)
    estimated = import_.record_import(desk.context, imported, None)
    assert "seconds at $1.00 per hour" in estimated.said("settled", "how")


@pytest.mark.fresh
@pytest.mark.parametrize("at", ["validated", "reserved", "created", "succeeded", "settled"])
def test_an_interrupted_import_is_resumed(
    back: tuple[RunHarness, TrainingPlan, Path], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    desk, plan, folder = back
    imported = read_export(folder, plan)
    append = type(desk.context.store).append

    def dies(store: Any, lease: Any, kind: str, **body: Any) -> Any:
        if kind == at:
            raise KeyboardInterrupt
        return append(store, lease, kind, **body)

    with monkeypatch.context() as patch:
        patch.setattr(type(desk.context.store), "append", dies)
        with pytest.raises(KeyboardInterrupt):
            import_.record_import(desk.context, imported, Decimal("0.40"))

    run = import_.record_import(desk.context, imported, Decimal("0.40"))

    assert run.state == "settled"
    assert len(desk.context.registry.listed()) == 1
    assert [entry.settled for entry in desk.context.ledger.entries()] == [400_000]


@pytest.mark.fresh
def test_export_and_import_from_the_command_line(
    back: tuple[RunHarness, TrainingPlan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    desk, plan, folder = back
    context = replace(desk.context, files=lambda sha: folder / (
        "training.jsonl" if sha == plan.training.sha256 else "held_out.jsonl"))  # fmt: skip
    monkeypatch.setattr("trainer.cli.export.open_context", lambda: context)

    export_by_name(plan.plan_id[:10], tmp_path / "again", with_base=False)
    bring_by_name(folder, "0.25")

    said = capsys.readouterr().out
    assert "Nothing was started" in said
    assert "$0.25 (as billed). It made tiny-base-" in said
    assert "exact on 12 held-out rows" in said
    with pytest.raises(UsageError, match=r"export\.json not found"):
        bring_by_name(tmp_path, None)
    with pytest.raises(UsageError, match="not an amount in USD"):
        bring_by_name(folder, "much")
    assert sys.exc_info() == (None, None, None)
