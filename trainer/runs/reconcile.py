"""Reconciler: advances a run as far as possible now; every entry point calls it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from advisor.errors import AdvisorError
from trainer.context import RetryLater, RunSession, TrainerContext
from trainer.errors import TrainerError, Unreachable
from trainer.providers.base import Adapter, Job, ProviderError
from trainer.run_states import WORKING, Run, State
from trainer.runs import follow, launch
from trainer.storage.run_store import Lease

Step = Callable[[RunSession, Run], RetryLater | None]
MANY_RUNS = 3

STEPS: Mapping[State, Step] = {
    "intent": launch.validate,
    "validated": launch.reserve,
    "reserved": launch.upload,
    "uploading": launch.upload,
    "uploaded": launch.create,
    "creating": launch.recover_crashed,
    "unknown_outcome": launch.find_job,
    "created": follow.follow_job,
    "queued": follow.follow_job,
    "running": follow.follow_job,
    "paused": follow.follow_job,
    "succeeded": follow.smoke_test,
    "verified": follow.settle_run,
    "failed": follow.settle_run,
    "cancelled": follow.settle_run,
}
UNSENT = frozenset({"intent", "validated", "reserved", "uploading", "uploaded"})


def reconcile(
    context: TrainerContext,
    run_id: str,
    adapter: Adapter | None = None,
    seen: Mapping[str, Job] | None = None,
) -> RetryLater | None:
    """Advance a run as far as possible now, under its lease; return when to poll again and why.

    None once it is settled or needs a decision. *adapter* is open already, and *seen* are the jobs
    that it has just listed, by id.

    Raises:
        LeaseLost: another process works on the run.
        Refused: a rule or a cap forbids the next step; the run keeps its state.
    """
    lease = context.store.take(run_id)
    pause: RetryLater | None = None
    session = None
    try:
        run = context.store.run(run_id)
        with _open(context, run.provider, adapter) as way:
            session = RunSession(context, way, context.store.plan(run.plan_id), lease, seen)
            pause = _advance(session, run)
    except TrainerError as error:
        _record_refusal(context, lease, error)
        raise
    finally:
        until = context.clock.now() + pause.seconds if pause else 0.0
        context.store.release(session.lease if session else lease, until)
    return pause


def _record_refusal(context: TrainerContext, lease: Lease, error: TrainerError) -> None:
    """Record once why a run keeps its state."""
    if isinstance(error, Unreachable):
        return  # temporary, and a busy database cannot be written to
    run, why = context.store.run(lease.run_id), str(error)
    if run.events[-1].kind != "refused" or run.said("refused", "why") != why:
        context.store.append(lease, "refused", why=why)


def _advance(session: RunSession, run: Run) -> RetryLater | None:
    while run.state not in ("settled", "needs_human"):
        session.renew_lease()
        if run.state in UNSENT and run.last("cancel_asked"):
            session.append("cancelled", why="cancelled before a job was requested", model=None)
        else:
            pause = STEPS[run.state](session, run)
            if pause:
                return pause
        run = session.context.store.run(run.run_id)
    return None


@contextmanager
def _open(context: TrainerContext, provider: str, adapter: Adapter | None) -> Iterator[Adapter]:
    if adapter is not None:
        yield adapter
        return
    with closing(context.adapter(provider)) as made:
        yield made


def reconcile_all(
    context: TrainerContext, is_stopped: Callable[[], bool] = lambda: False
) -> dict[str, RetryLater | None]:
    """Advance every open run that is due as far as possible; many jobs are read by list page.

    *is_stopped* is checked before each run; the rest waits for the next call.
    """
    now = context.clock.now()
    done: dict[str, RetryLater | None] = {}
    by_provider = defaultdict(list)
    for summary in context.store.listed(open_only=True):
        if summary.next_at <= now:
            by_provider[summary.provider].append(summary)
    for provider, runs in by_provider.items():
        with _open(context, provider, None) as adapter:
            working = [run for run in runs if run.state in WORKING]
            oldest = min((run.made_at for run in working), default=now)
            seen: dict[str, Job] = {}
            if len(working) > MANY_RUNS:
                with suppress(ProviderError):  # else each job is polled by itself
                    seen = {job.job_id: job for page in adapter.jobs(oldest) for job in page}
            for run in runs:
                if is_stopped():
                    return done
                try:
                    done[run.run_id] = reconcile(context, run.run_id, adapter, seen)
                except AdvisorError as error:
                    done[run.run_id] = RetryLater(context.limits.poll_seconds, str(error))
    return done
