"""Two launchers that can be killed: ours, and a naive one that calls, then saves."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai

from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from trainer.clock import SystemClock
from trainer.context import RunLimits, TrainerContext
from trainer.errors import LeaseLost
from trainer.providers import adapter_for
from trainer.providers.base import Job
from trainer.runs.reconcile import reconcile
from trainer.storage.database import open_database
from trainer.storage.ledger import Ledger
from trainer.storage.model_registry import Registry
from trainer.storage.run_store import RunStore

QUARANTINE_SECONDS = 1.0
NEEDS_HUMAN = 7


STEPS = ("validated", "reserved", "uploading", "uploaded", "creating", "created")


BOUNDARIES = tuple(f"{side} {step}" for step in (*STEPS, "request") for side in ("before", "after"))


NAIVE_BOUNDARIES = ("before request", "after request", "before created", "after created")


Launcher = Callable[[Path, PriceBook, TrainingPlan, str | None], None]


def open_context_at(folder: Path, book: PriceBook) -> TrainerContext:
    """Open a context as a new process does."""
    engine, clock = open_database(f"sqlite:///{folder / 'state.db'}"), SystemClock()
    limits = replace(
        RunLimits(), quarantine_seconds=QUARANTINE_SECONDS, poll_seconds=0.05, upload_tries=1000
    )
    return TrainerContext(
        store=RunStore(engine, clock),
        ledger=Ledger(engine),
        registry=Registry(engine, clock),
        clock=clock,
        book=book,
        files=lambda sha: folder / f"{sha}.jsonl",
        adapter=lambda name: adapter_for(name, book),
        limits=limits,
    )


def launch_ours(folder: Path, book: PriceBook, plan: TrainingPlan, kill_at: str | None) -> None:
    """Launch as the product does, until the job is recorded."""
    context = open_context_at(folder, book)
    run_id, _ = context.store.start(plan)
    if kill_at:
        _kill_at_boundary(context.store, kill_at)
    adapter = context.adapter(plan.provider)
    if kill_at and kill_at.endswith("request"):
        _kill_at_request(adapter, kill_at)
    while context.store.run(run_id).job_id is None:
        try:
            pause = reconcile(context, run_id, adapter)
        except LeaseLost:  # the killed process still has the lease
            time.sleep(0.02)
            continue
        run = context.store.run(run_id)
        if run.state == "needs_human":
            os._exit(NEEDS_HUMAN)
        if run.job_id is None and pause is not None:
            time.sleep(min(pause.seconds, 0.2))


def _kill_at_boundary(store: RunStore, kill_at: str) -> None:
    append = store.append

    def deadly(lease: Any, kind: str, **body: Any) -> Any:
        if kill_at == f"before {kind}":
            os.kill(os.getpid(), signal.SIGKILL)
        done = append(lease, kind, **body)
        if kill_at == f"after {kind}":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    store.append = deadly  # type: ignore[method-assign]


def _kill_at_request(adapter: Any, kill_at: str) -> None:
    create = adapter.create

    def deadly(plan: TrainingPlan, files: Any) -> Job:
        if kill_at == "before request":
            os.kill(os.getpid(), signal.SIGKILL)
        job: Job = create(plan, files)
        os.kill(os.getpid(), signal.SIGKILL)
        return job

    adapter.create = deadly


def launch_naive(folder: Path, book: PriceBook, plan: TrainingPlan, kill_at: str | None) -> None:
    """Launch naively: call, then save the response."""
    client = openai.OpenAI(api_key="key", base_url=os.environ["OWN_BASE_URL"], timeout=5.0)
    with sqlite3.connect(folder / "naive.db", timeout=30) as database:
        database.execute("CREATE TABLE IF NOT EXISTS jobs (plan TEXT PRIMARY KEY, job TEXT)")
        asked = "SELECT job FROM jobs WHERE plan = ?"
        if database.execute(asked, (plan.plan_id,)).fetchone():
            return
    with (folder / f"{plan.training.sha256}.jsonl").open("rb") as content:
        file = client.files.create(file=content, purpose="fine-tune")
    if kill_at == "before request":
        os.kill(os.getpid(), signal.SIGKILL)
    job = client.fine_tuning.jobs.create(
        model=plan.base_model, training_file=file.id, metadata={"launch_key": plan.plan_id}
    )
    if kill_at in ("after request", "before created"):
        os.kill(os.getpid(), signal.SIGKILL)
    with sqlite3.connect(folder / "naive.db", timeout=30) as database:
        database.execute("INSERT INTO jobs VALUES (?, ?)", (plan.plan_id, job.id))
    database.close()
    if kill_at == "after created":
        os.kill(os.getpid(), signal.SIGKILL)
