"""One launcher against one provider, a number of times, and what came of it."""

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
from advisor.prices.book import Book
from benchmarks.launch_faults.faults import LATE_SECONDS, point_at, serve, stop
from benchmarks.launch_faults.launchers import Launcher, naive, office_at, ours
from benchmarks.launch_faults.supervisor import Launch, Supervisor
from tests.fakes.fireworks import FakeFireworks
from tests.fakes.openai import FakeOpenAI
from tests.fakes.server import FakeProvider
from tests.fakes.together import FakeTogether
from tests.runs import a_plan, own_book, rows
from trainer.clock import SystemClock
from trainer.storage.database import open_database

ARMS: dict[str, tuple[str, str, Launcher, Callable[[], FakeProvider]]] = {
    "naive": ("own", "/v1", naive, FakeOpenAI),
    "openai": ("own", "/v1", ours, FakeOpenAI),
    "together": ("together", "/v1", ours, FakeTogether),
    "fireworks": ("fireworks", "", ours, FakeFireworks),
}


@dataclass
class Result:
    """What came of one arm."""

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


def run_arm(arm: str, count: int, seed: int) -> Result:
    """Run one arm, and compare what the database says with what there is."""
    provider, path, launcher, make = ARMS[arm]
    book = own_book()
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.monotonic()
        open_database(f"sqlite:///{folder / 'state.db'}").dispose()
        warm_up(folder, book, provider, path, launcher, make)
        pid, url = serve(lambda: _quoting(make()), seed)
        point_at(provider, url + path)
        launches = [Launch(plan) for plan in plans(folder, book, provider, count)]
        supervisor = Supervisor(folder, book, launcher, seed)
        supervisor.run(launches)
        time.sleep(LATE_SECONDS + 0.1)
        truth = json.load(urllib.request.urlopen(f"{url}/_truth"))
        names = saved(folder, arm, launches, book)
        stop(pid)
    made = Counter(key_of(job) for job in truth["jobs"])
    ids = {str(job.get("id") or job["name"].rsplit("/", 1)[-1]) for job in truth["jobs"]}
    return Result(
        arm=arm, launches=count, duplicated=sum(n > 1 for n in made.values()),
        extra=sum(n - 1 for n in made.values()),
        lost=sum(launch.plan.plan_id[:24] not in names or launch.plan.plan_id[:24] not in made
                 for launch in launches),
        equal=set(names.values()) == ids, kills=supervisor.kills, asked=supervisor.asked,
        fired=Counter(truth["fired"]), boundaries=supervisor.boundaries,
        seconds=time.monotonic() - started,
    )  # fmt: skip


def warm_up(
    folder: Path,
    book: Book,
    provider: str,
    path: str,
    launcher: Launcher,
    make: Callable[[], FakeProvider],
) -> None:
    """Launch once without a fault, so that every child finds all imported."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        pid, url = serve(lambda: _quoting(make()), None)
        point_at(provider, url + path)
        for plan in plans(Path(name), book, provider, 1):
            launcher(Path(name), book, plan, None)
        stop(pid)
    gc.collect()
    gc.freeze()


def plans(folder: Path, book: Book, provider: str, count: int) -> Iterator[TrainingPlan]:
    """Make plans, each with rows of its own."""
    base = {"own": "tiny-model", "together": "Qwen/Qwen3.5-9B", "fireworks": "qwen3-8b"}[provider]
    for number in range(count):
        _, data = rows(folder, 10, f"{provider} {number}")
        plan = a_plan(book, data, SystemClock(), provider, base)  # type: ignore[arg-type]
        item = f"{provider}/{base}/training"
        yield plan.model_validate({**plan.model_dump(), "figure": {**plan.figure.model_dump(),
                                                                  "item": item}})  # fmt: skip


def saved(folder: Path, arm: str, launches: list[Launch], book: Book) -> dict[str, str]:
    """Return what the database says: plan -> job."""
    if arm == "naive":
        with sqlite3.connect(folder / "naive.db") as database:
            return {plan[:24]: job for plan, job in database.execute("SELECT * FROM jobs")}
    office = office_at(folder, book)
    names = {}
    for launch in launches:
        run = office.store.run(str(office.store.run_of(launch.plan)))
        names[launch.plan.plan_id[:24]] = str(run.job_id).rsplit("/", 1)[-1]
    office.store.engine.dispose()
    return names


def key_of(job: dict[str, Any]) -> str:
    """Return the key that a job at a provider carries."""
    if "metadata" in job:
        return str(job["metadata"]["launch_key"])[:24]
    return str(job.get("suffix") or job["name"].rsplit("/", 1)[-1]).removeprefix("ton-")


def _quoting(fake: FakeProvider) -> FakeProvider:
    if isinstance(fake, FakeTogether):
        fake.usd = 1.0
    return fake
