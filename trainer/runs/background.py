"""Background reconciler: a thread that advances every open run, for the server and the page."""

from __future__ import annotations

import threading
from collections.abc import Callable

from advisor.api.observability import access_log
from advisor.errors import AdvisorError
from trainer.context import TrainerContext
from trainer.providers import LOCAL
from trainer.runs.reconcile import reconcile, reconcile_all
from trainer.security.redact import redact

POLL_SECONDS = 1.0
"""Between two polls of due runs, and of trainings on this machine."""
SWEEP_SECONDS = 600.0

log = access_log()


class BackgroundReconciler:
    """One thread for all runs; leases make several of them safe, in any process."""

    def __init__(self, context: TrainerContext, chores: Callable[[], object] | None = None) -> None:
        self.context, self.chores = context, chores
        self._end, self._due = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="driver", daemon=True)
        self._swept = -SWEEP_SECONDS

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Poll now: a request has just been made."""
        self._due.set()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop after the run that is being reconciled."""
        self._end.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a failed poll must not end the thread
                log.warning("poll failed", error=redact(f"{type(error).__name__}: {error}"))
            self._due.wait(POLL_SECONDS)
            self._due.clear()

    def look(self) -> None:
        """Advance due runs once; local trainings are polled each time."""
        reconcile_all(self.context, self._end.is_set)
        for run in self.context.store.listed(open_only=True):
            if self._end.is_set():
                return
            if run.provider == LOCAL and run.state in ("running", "queued", "created"):
                try:
                    reconcile(self.context, run.run_id)
                except AdvisorError as error:
                    log.info("run not advanced", run_id=run.run_id, error=redact(str(error)))
        now = self.context.clock.ticks()
        if self.chores is not None and now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self.chores()
