"""One function that brings a run as far as it can go now; every door and driver calls it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from advisor.errors import AdvisorError
from trainer import following, launching
from trainer.errors import TrainerError, Unreachable
from trainer.office import Office, Pause, Work
from trainer.providers.job import Adapter, Job, ProviderError
from trainer.states import WORKING, Run, State
from trainer.store import Lease

Step = Callable[[Work, Run], Pause | None]
MANY_RUNS = 3

STEPS: Mapping[State, Step] = {
    "intent": launching.validate,
    "validated": launching.reserve,
    "reserved": launching.upload,
    "uploading": launching.upload,
    "uploaded": launching.create,
    "creating": launching.crashed,
    "unknown_outcome": launching.find,
    "created": following.follow,
    "queued": following.follow,
    "running": following.follow,
    "paused": following.follow,
    "succeeded": following.try_out,
    "verified": following.settle,
    "failed": following.settle,
    "cancelled": following.settle,
}
UNSENT = frozenset({"intent", "validated", "reserved", "uploading", "uploaded"})


def reconcile(
    office: Office, run_id: str, adapter: Adapter | None = None,
    seen: Mapping[str, Job] | None = None,
) -> Pause | None:  # fmt: skip
    """Bring a run as far as it can go now, under its lease.

    Args:
        office: What to work with.
        run_id: Which run.
        adapter: The way to the provider, where one is open already.
        seen: Jobs that a list has just told of, by their names.

    Returns:
        When to look again and why; nothing once it is settled or a person is needed.

    Raises:
        LeaseLost: another process works on it.
        Refused: a rule or a cap forbids the next step; the run waits where it is.
    """
    lease = office.store.take(run_id)
    pause: Pause | None = None
    work = None
    try:
        run = office.store.run(run_id)
        with _open(office, run.provider, adapter) as way:
            work = Work(office, way, office.store.plan(run.plan_id), lease, seen)
            pause = _advance(work, run)
    except TrainerError as error:
        _tell(office, lease, error)
        raise
    finally:
        until = office.clock.now() + pause.seconds if pause else 0.0
        office.store.release(work.lease if work else lease, until)
    return pause


def _tell(office: Office, lease: Lease, error: TrainerError) -> None:
    """Write down once why a run waits where it is, for whoever looks at it later."""
    if isinstance(error, Unreachable):
        return  # it passes, and where the database is busy nothing can be written
    run, why = office.store.run(lease.run_id), str(error)
    if run.events[-1].kind != "refused" or run.said("refused", "why") != why:
        office.store.append(lease, "refused", why=why)


def _advance(work: Work, run: Run) -> Pause | None:
    while run.state not in ("settled", "needs_human"):
        work.stay()
        if run.state in UNSENT and run.last("cancel_asked"):
            work.append("cancelled", why="cancelled before a job was asked for", model=None)
        else:
            pause = STEPS[run.state](work, run)
            if pause:
                return pause
        run = work.office.store.run(run.run_id)
    return None


@contextmanager
def _open(office: Office, provider: str, adapter: Adapter | None) -> Iterator[Adapter]:
    if adapter is not None:
        yield adapter
        return
    made = office.adapter(provider)
    try:
        yield made
    finally:
        made.close()


def reconcile_all(
    office: Office, is_stopped: Callable[[], bool] = lambda: False
) -> dict[str, Pause | None]:
    """Bring every open run that is due as far as it goes; many jobs are looked at by the page.

    Args:
        office: What to work with.
        is_stopped: Checked before each run; the rest is left for the next time.
    """
    now = office.clock.now()
    due = [one for one in office.store.listed(open_only=True) if one.next_at <= now]
    done: dict[str, Pause | None] = {}
    by_provider = defaultdict(list)
    for one in due:
        by_provider[one.provider].append(one)
    for provider, runs in by_provider.items():
        with _open(office, provider, None) as adapter:
            at_work = [one for one in runs if one.state in WORKING]
            oldest = min((one.made_at for one in at_work), default=now)
            seen = _listed(adapter, oldest) if len(at_work) > MANY_RUNS else {}
            for one in runs:
                if is_stopped():
                    return done
                try:
                    done[one.run_id] = reconcile(office, one.run_id, adapter, seen)
                except AdvisorError as error:
                    done[one.run_id] = Pause(office.limits.poll_seconds, str(error))
    return done


def _listed(adapter: Adapter, since: float) -> dict[str, Job]:
    try:
        return {job.job_id: job for page in adapter.jobs(since) for job in page}
    except ProviderError:
        return {}  # each is asked after by itself then
