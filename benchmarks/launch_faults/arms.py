"""Arms of the fault injection: one launcher with one fake provider, and its result."""

from __future__ import annotations

import gc
import json
import sqlite3
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from benchmarks.launch_faults.faults import LATE_SECONDS, serve_fake, set_provider_url, stop_fake
from benchmarks.launch_faults.launchers import Launcher, launch_naive, launch_ours, open_context_at
from benchmarks.launch_faults.supervisor import SupervisedLaunch, Supervisor
from tests.support.fakes.fireworks import FakeFireworks
from tests.support.fakes.http_server import FakeProvider
from tests.support.fakes.openai import FakeOpenAI
from tests.support.fakes.together import FakeTogether
from tests.support.runs import make_plan, provider_book, write_rows
from trainer.clock import SystemClock
from trainer.storage.database import open_database

ARMS: dict[str, tuple[str, str, Launcher, Callable[[], FakeProvider]]] = {
    "naive": ("own", "/v1", launch_naive, FakeOpenAI),
    "openai": ("own", "/v1", launch_ours, FakeOpenAI),
    "together": ("together", "/v1", launch_ours, FakeTogether),
    "fireworks": ("fireworks", "", launch_ours, FakeFireworks),
}


@dataclass
class ArmResult:
    """Result of one arm."""

    arm: str
    launches: int
    duplicated: int
    extra: int
    lost: int
    equal: bool
    kills: int
    asked: int
    fired: Counter[str]
    boundaries: Counter[str]
    seconds: float


def run_arm(arm: str, count: int, seed: int) -> ArmResult:
    """Run one arm, and compare the database with the jobs of the provider."""
    provider, path, launcher, make = ARMS[arm]
    book = provider_book()
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.monotonic()
        open_database(f"sqlite:///{folder / 'state.db'}").dispose()
        warm_up(folder, book, provider, path, launcher, make)
        pid, url = serve_fake(lambda: _quoting(make()), seed)
        set_provider_url(provider, url + path)
        launches = [SupervisedLaunch(plan) for plan in make_plans(folder, book, provider, count)]
        supervisor = Supervisor(folder, book, launcher, seed)
        supervisor.run(launches)
        time.sleep(LATE_SECONDS + 0.1)
        truth = json.load(urllib.request.urlopen(f"{url}/_truth"))
        names = saved_jobs(folder, arm, launches, book)
        stop_fake(pid)
    made = Counter(key_of(job) for job in truth["jobs"])
    ids = {str(job.get("id") or job["name"].rsplit("/", 1)[-1]) for job in truth["jobs"]}
    return ArmResult(
        arm=arm,
        launches=count,
        duplicated=sum(n > 1 for n in made.values()),
        extra=sum(n - 1 for n in made.values()),
        lost=sum(
            launch.plan.plan_id[:24] not in names or launch.plan.plan_id[:24] not in made
            for launch in launches
        ),
        equal=set(names.values()) == ids,
        kills=supervisor.kills,
        asked=supervisor.asked,
        fired=Counter(truth["fired"]),
        boundaries=supervisor.boundaries,
        seconds=time.monotonic() - started,
    )


def warm_up(
    folder: Path,
    book: PriceBook,
    provider: str,
    path: str,
    launcher: Launcher,
    make: Callable[[], FakeProvider],
) -> None:
    """Launch once without a fault, so that forked children have all modules imported."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        pid, url = serve_fake(lambda: _quoting(make()), None)
        set_provider_url(provider, url + path)
        for plan in make_plans(Path(name), book, provider, 1):
            launcher(Path(name), book, plan, None)
        stop_fake(pid)
    gc.collect()
    gc.freeze()


def make_plans(folder: Path, book: PriceBook, provider: str, count: int) -> Iterator[TrainingPlan]:
    """Create plans, each with its own rows."""
    base = {"own": "tiny-model", "together": "Qwen/Qwen3.5-9B", "fireworks": "qwen3-8b"}[provider]
    for number in range(count):
        _, data = write_rows(folder, 10, f"{provider} {number}")
        plan = make_plan(book, data, SystemClock(), provider, base)  # type: ignore[arg-type]
        item = f"{provider}/{base}/training"
        yield plan.model_validate(
            {**plan.model_dump(), "figure": {**plan.figure.model_dump(), "item": item}}
        )


def saved_jobs(
    folder: Path, arm: str, launches: list[SupervisedLaunch], book: PriceBook
) -> dict[str, str]:
    """Return the jobs of the database: plan -> job."""
    if arm == "naive":
        with sqlite3.connect(folder / "naive.db") as database:
            return {plan[:24]: job for plan, job in database.execute("SELECT * FROM jobs")}
    context = open_context_at(folder, book)
    names = {}
    for launch in launches:
        run = context.store.run(str(context.store.run_of(launch.plan)))
        names[launch.plan.plan_id[:24]] = str(run.job_id).rsplit("/", 1)[-1]
    context.store.engine.dispose()
    return names


def key_of(job: dict[str, Any]) -> str:
    """Return the launch key of a job at a provider."""
    if "metadata" in job:
        return str(job["metadata"]["launch_key"])[:24]
    return str(job.get("suffix") or job["name"].rsplit("/", 1)[-1]).removeprefix("ton-")


def _quoting(fake: FakeProvider) -> FakeProvider:
    if isinstance(fake, FakeTogether):
        fake.usd = 1.0
    return fake
