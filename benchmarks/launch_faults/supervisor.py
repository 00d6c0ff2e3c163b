"""Supervisor of the fault injection: forks, kills and restarts launchers."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from benchmarks.launch_faults.faults import LATE_SECONDS
from benchmarks.launch_faults.launchers import (
    BOUNDARIES,
    NAIVE_BOUNDARIES,
    NEEDS_HUMAN,
    Launcher,
    launch_naive,
    open_context_at,
)
from trainer.runs.user_actions import resolve_run

WORKERS = 24
MAX_KILLS = 3
KILL_SHARE = 0.55
BOUNDARY_SHARE = 0.6


@dataclass
class SupervisedLaunch:
    """One plan to launch."""

    plan: TrainingPlan
    kills: list[str] = field(default_factory=list)
    done: bool = False


class Supervisor:
    """Forks launchers, kills them, and restarts them until each launch is done."""

    def __init__(self, folder: Path, book: PriceBook, launcher: Launcher, seed: int) -> None:
        self.folder, self.book, self.launcher = folder, book, launcher
        self.draw = random.Random(seed)
        self.kills = self.asked = 0
        self.boundaries: Counter[str] = Counter()
        self.order = NAIVE_BOUNDARIES if launcher is launch_naive else BOUNDARIES

    def run(self, launches: list[SupervisedLaunch]) -> None:
        """Run until every launch is done."""
        waiting, at_work = (
            list(launches),
            dict[int, tuple[SupervisedLaunch, float | None, str | None]](),
        )
        while waiting or at_work:
            while waiting and len(at_work) < WORKERS:
                launch = waiting.pop(0)
                pid, deadline, kill_at = self.start(launch)
                at_work[pid] = (launch, deadline, kill_at)
            for pid, (launch, deadline, kill_at) in list(at_work.items()):
                if deadline is not None and time.monotonic() > deadline:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del at_work[pid]
                    if not self.ended(launch, status, kill_at):
                        waiting.append(launch)
            time.sleep(0.002)

    def start(self, launch: SupervisedLaunch) -> tuple[int, float | None, str | None]:
        """Fork a launcher, possibly with a time or a step at which it is killed."""
        kill_at, deadline = None, None
        if len(launch.kills) < MAX_KILLS and self.draw.random() < KILL_SHARE:
            if self.draw.random() < BOUNDARY_SHARE:
                rarest = sorted(self.order, key=lambda place: self.boundaries[place])
                kill_at = self.draw.choice(rarest[:4])
            else:
                deadline = time.monotonic() + self.draw.uniform(0.0, 0.3)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self.launcher(self.folder, self.book, launch.plan, kill_at)
                code = 0
            except Exception:  # noqa: BLE001 - a failed launcher is restarted
                code = 1
            finally:
                os._exit(code)
        return pid, deadline, kill_at

    def ended(self, launch: SupervisedLaunch, status: int, kill_at: str | None) -> bool:
        """Record how a launcher ended; return whether its launch is done."""
        if os.WIFSIGNALED(status):
            self.kills += 1
            launch.kills.append(kill_at or "at random")
            self.boundaries[kill_at or "at random"] += 1
            return False
        code = os.WEXITSTATUS(status)
        if code == NEEDS_HUMAN:
            self.asked += 1
            self.help(launch)
            return False
        return code == 0

    def help(self, launch: SupervisedLaunch) -> None:
        """Resolve a run as a user would: check the provider, and enter the job or continue."""
        context = open_context_at(self.folder, self.book)
        run = context.store.run(str(context.store.run_of(launch.plan)))
        time.sleep(LATE_SECONDS)
        adapter = context.adapter(launch.plan.provider)
        found = adapter.find(launch.plan, 0.0)
        adapter.close()
        resolve_run(context, run, "looked", found[0].job_id if found else None)
        context.store.engine.dispose()
