"""This machine as a provider: a job is a run folder, and polling it restarts a dead process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, plan_bytes
from trainer.evaluation.baselines import TfidfClassifier
from trainer.local import process
from trainer.local.run_folder import WANT_CANCEL, WANT_PAUSE, FolderStatus, RunFolder
from trainer.providers.base import (
    Checkpoint,
    Job,
    JobFiles,
    NotOffered,
    ProviderDeclined,
    ProviderError,
    Quote,
    RemoteFile,
)
from trainer.run_states import JobEvent
from trainer.scripts.manifest import checkpoints, flaw_of, write_json

MAX_STARTS = 4
"""How often a run is restarted without a newer checkpoint."""
ASK_SECONDS = 300.0
SMOKE_QUESTION = "Say hello."
ENDED: frozenset[FolderStatus] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class LocalAdapter:
    """Adapter for runs on this machine; their state is read from the run folders."""

    home: Path
    run_of: Callable[[TrainingPlan], str | None]
    file_of: Callable[[str], Path]
    name: str = "local"
    idempotent: bool = True
    serves_per_token: bool = True
    failed_is_free: bool = False
    max_file_bytes: int = 1 << 50
    reads_here: bool = True

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the hash of the plan: a run has exactly one folder."""
        return plan.plan_id

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Return the job file that the training script reads.

        Raises:
            UsageError: the plan is not for this machine.
        """
        if plan.local is None:
            raise UsageError("plan", "it is for a provider, not for this machine.", "Plan again.")
        return job_settings(plan)

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Nothing is uploaded: rows are read in place."""
        return RemoteFile(sha256, path.stat().st_size, ready=True)

    def find_file(self, name: str) -> RemoteFile | None:
        """There are no remote files."""
        return None

    def file(self, file_id: str) -> RemoteFile | None:
        """Return the local path of the rows."""
        path = self.file_of(file_id)
        return RemoteFile(file_id, path.stat().st_size, ready=True) if path.is_file() else None

    def delete_file(self, file_id: str) -> None:
        """Keep the rows: nothing was uploaded."""

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """There is no second estimate of a local run."""
        return None

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Create the run folder and start its process; idempotent."""
        assert plan.local is not None
        folder = self._folder(str(self.run_of(plan)))
        if not (folder.path / "job.json").exists():
            create_run_folder(folder.path, plan, self.file_of)
        process.start(folder)
        return self._job(folder)

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """Return the job of a plan, if its folder exists."""
        folder = self._folder(str(self.run_of(plan)))
        return [self._job(folder)] if folder.has("job.json") else []

    def job(self, job_id: str) -> Job:
        """Return the state of a run; restart its process if it died.

        Raises:
            ProviderError: its folder is missing.
        """
        folder = self._folder(job_id)
        if not folder.has("job.json"):
            raise ProviderError(f"{folder.path}: the run folder is missing")
        if folder.word == "stopped":
            self._again(folder)
        return self._job(folder)

    def _again(self, folder: RunFolder) -> None:
        step = folder.last_step()
        starts = [*(folder.read("starts.json") or []), {"at": time.time(), "step": step}]
        if sum(one["step"] == step for one in starts) >= MAX_STARTS:
            log = (folder.path / "log").read_text(errors="replace").strip().splitlines()
            why = log[-1] if log else "no error message"
            write_json(
                folder.path / "failed.json",
                {"why": f"the process ended {MAX_STARTS} times at step {step}: {why[:500]}"},
            )
            return
        write_json(folder.path / "starts.json", starts)
        process.start(folder)

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """Local runs are polled one by one, which is cheap."""
        yield from ()

    def events(self, job_id: str) -> list[JobEvent]:
        """Return the events of the training, with losses."""
        found = []
        for event in self._folder(job_id).events():
            body = {k: v for k, v in event.items() if k not in ("seq", "at", "kind", "message")}
            if "loss" in body:
                body["train_loss"] = body["loss"]
            message = event.get("message") or _event_message(event["kind"], body)
            level = "error" if event["kind"] == "failed" else "info"
            seq, kind = str(event["seq"]), str(event["kind"])
            found.append(JobEvent(seq, float(event["at"]), kind, level, message, body))
        return found

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the complete checkpoints."""
        there = checkpoints(self._folder(job_id).path / "checkpoints")
        return [Checkpoint(path.name, step, {}) for step, path in there if flaw_of(path) is None]

    def cancel(self, job_id: str) -> Job:
        """Request that the training end at its next step."""
        return self._want(job_id, WANT_CANCEL, "cancelled.json")

    def pause(self, job_id: str) -> Job:
        """Request that the training save a checkpoint and pause."""
        return self._want(job_id, WANT_PAUSE, "paused")

    def resume(self, job_id: str) -> Job:
        """Resume a paused training."""
        folder = self._folder(job_id)
        folder.set_request("")
        for mark in ("paused", "capped.json"):
            (folder.path / mark).unlink(missing_ok=True)
        process.start(folder)
        return self._job(folder)

    def _want(self, job_id: str, word: str, mark: str) -> Job:
        folder = self._folder(job_id)
        if folder.word in ENDED:
            raise ProviderDeclined(409, "ended", f"the run is {folder.word}")
        folder.set_request(word)
        process.stop(folder)
        if not folder.is_locked() and folder.word in ("stopped", "paused", "running"):
            (folder.path / mark).write_text(json.dumps({"at": time.time()}))
            folder.set_request("")
        return self._job(folder)

    def smoke(self, model: str) -> str:
        """Return a saved answer to a held-out row, else ask the model one question."""
        folder = RunFolder(Path(model).parent)
        if folder.read("job.json").get("plain"):
            return TfidfClassifier.load(Path(model)).answer([SMOKE_QUESTION])[0]
        if folder.has("answers.tuned.jsonl"):
            with (folder.path / "answers.tuned.jsonl").open(encoding="utf-8") as lines:
                return str(json.loads(next(lines))["answer"])
        return ask_model(folder.path, SMOKE_QUESTION)

    def shutdown_on(self, model: str) -> str | None:
        """A local model exists until you delete it."""
        return None

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Copy the tuned weights."""
        model = self._folder(job.job_id).path / "model"
        if flaw_of(model) is not None:
            raise NotOffered(f"{model}: {flaw_of(model)}")
        shutil.copytree(model, folder, dirs_exist_ok=True)
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def close(self) -> None:
        """No connection to close."""

    def _folder(self, job_id: str) -> RunFolder:
        return RunFolder(self.home / "runs" / Path(job_id).name)

    def _job(self, folder: RunFolder) -> Job:
        job = folder.read("job.json")
        word = folder.word
        result, failed = folder.read("result.json") or {}, folder.read("failed.json") or {}
        usd = folder.usd(Decimal(str(job["usd_per_hour"])))
        return Job(
            job_id=folder.path.name,
            state="running" if word == "stopped" else word,
            word=word,
            base_model=job["base_model"],
            key=job["plan_id"],
            created_at=None,
            model=str(folder.path / "model") if word == "succeeded" else None,
            error=failed.get("why") or _cap_error(folder),
            trained_tokens=result.get("tokens"),
            usd=str(usd) if word in ENDED else None,
        )


def job_settings(plan: TrainingPlan) -> dict[str, Any]:
    """Return a plan as the job file of the training script."""
    local = plan.local
    assert local is not None
    return {
        "plan_id": plan.plan_id,
        "plain": local.is_plain,
        "base": local.base,
        "base_sha256": local.base_sha256,
        "base_model": plan.base_model,
        "recipe": local.recipe.model_dump(mode="json"),
        "training": "training.jsonl",
        "held_out": "held_out.jsonl" if plan.held_out else None,
        "general": "general.jsonl" if local.general else None,
        "grader": plan.grader,
        "validation": "validation.jsonl" if local.validation else None,
        "schema": json.loads(local.answer_schema) if local.answer_schema else None,
        "usd_per_hour": plan.figure.price,
        "cap_usd": plan.cap_usd,
        "use_cpu": local.gpu == "cpu",
        "scorer": list(local.scorer) or None,
        "metric": local.metric,
    }


def create_run_folder(path: Path, plan: TrainingPlan, file_of: Callable[[str], Path]) -> None:
    """Create the run folder, `job.json` last: the folder is complete or not valid."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "plan.json").write_bytes(plan_bytes(plan))
    assert plan.local is not None
    parts = {
        "training": plan.training,
        "held_out": plan.held_out,
        "validation": plan.local.validation,
        "general": plan.local.general,
    }
    for name, data in parts.items():
        if data is not None:
            source, part = file_of(data.sha256), path / f"{name}.part"
            shutil.copyfile(source, part)
            if part.stat().st_size != data.bytes:
                raise ProviderError(f"{source}: the file has changed since the plan was created")
            part.replace(path / f"{name}.jsonl")
    write_json(path / "job.json", job_settings(plan))


def ask_model(folder: Path, text: str, most_tokens: int = 64) -> str:
    """Ask the tuned model of a folder one question.

    Raises:
        ProviderError: the model cannot be loaded, with the reason.
    """
    script = Path(__file__).parent.parent / "scripts" / "generate.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder), "--ask", text, "--max-tokens", str(most_tokens)],
        capture_output=True,
        text=True,
        env=dict(process.environment()),
        timeout=ASK_SECONDS,
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ProviderError(f"the tuned model does not answer: {why[0]}")
    return str(json.loads(done.stdout.strip().splitlines()[-1])["answer"])


def _cap_error(folder: RunFolder) -> str | None:
    told = folder.read("capped.json") if folder.word == "paused" else None
    if told is None:
        return None
    return (
        f"the training has cost {told['usd']:.2f} USD, and the cap is {told['cap_usd']} USD. "
        "Plan again with a higher cap, or `trainer cancel RUN`."
    )


def _event_message(kind: str, body: dict[str, Any]) -> str:
    if kind == "metric":
        return f"step {body['step']} of {body['of_steps']}"
    if kind == "checkpoint":
        return f"{body['name']} is complete"
    return kind
