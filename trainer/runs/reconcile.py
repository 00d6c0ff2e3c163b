"""One function that brings a run as far as it can go now; every door and driver calls it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

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
    """Bring a run as far as it can go now, under its lease.

    Args:
        context: What to work with.
        run_id: Which run.
        adapter: The way to the provider, where one is open already.
        seen: Jobs that a list has just told of, by their names.

    Returns:
        When to look again and why; nothing once it is settled or a person is needed.

    Raises:
        LeaseLost: another process works on it.
        Refused: a rule or a cap forbids the next step; the run waits where it is.
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
        _tell(context, lease, error)
        raise
    finally:
        until = context.clock.now() + pause.seconds if pause else 0.0
        context.store.release(session.lease if session else lease, until)
    return pause


def _tell(context: TrainerContext, lease: Lease, error: TrainerError) -> None:
    """Write down once why a run waits where it is, for whoever looks at it later."""
    if isinstance(error, Unreachable):
        return  # it passes, and where the database is busy nothing can be written
    run, why = context.store.run(lease.run_id), str(error)
    if run.events[-1].kind != "refused" or run.said("refused", "why") != why:
        context.store.append(lease, "refused", why=why)


def _advance(session: RunSession, run: Run) -> RetryLater | None:
    while run.state not in ("settled", "needs_human"):
        session.renew_lease()
        if run.state in UNSENT and run.last("cancel_asked"):
            session.append("cancelled", why="cancelled before a job was asked for", model=None)
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
    made = context.adapter(provider)
    try:
        yield made
    finally:
        made.close()


def reconcile_all(
    context: TrainerContext, is_stopped: Callable[[], bool] = lambda: False
) -> dict[str, RetryLater | None]:
    """Advance every open run that is due as far as possible; many jobs are read by list page.

    Args:
        context: Stores, clock and providers.
        is_stopped: Checked before each run; the rest waits for the next call.
    """
    now = context.clock.now()
    due = [one for one in context.store.listed(open_only=True) if one.next_at <= now]
    done: dict[str, RetryLater | None] = {}
    by_provider = defaultdict(list)
    for one in due:
        by_provider[one.provider].append(one)
    for provider, runs in by_provider.items():
        with _open(context, provider, None) as adapter:
            at_work = [one for one in runs if one.state in WORKING]
            oldest = min((one.made_at for one in at_work), default=now)
            seen = _listed(adapter, oldest) if len(at_work) > MANY_RUNS else {}
            for one in runs:
                if is_stopped():
                    return done
                try:
                    done[one.run_id] = reconcile(context, one.run_id, adapter, seen)
                except AdvisorError as error:
                    done[one.run_id] = RetryLater(context.limits.poll_seconds, str(error))
    return done


def _listed(adapter: Adapter, since: float) -> dict[str, Job]:
    try:
        return {job.job_id: job for page in adapter.jobs(since) for job in page}
    except ProviderError:
        return {}  # each is asked after by itself then
