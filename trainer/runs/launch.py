"""From an intent to one job at the provider: the only place that spends money on training."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from decimal import Decimal

from advisor.errors import AdvisorError
from advisor.plan.training_plan import DataFile
from trainer.context import RetryLater, RunSession
from trainer.errors import LeaseLost, NoConsent
from trainer.providers import base_url_of
from trainer.providers.base import (
    Job,
    JobFiles,
    NotSent,
    ProviderDeclined,
    ProviderError,
    RateLimited,
    RemoteFile,
    UnknownOutcome,
)
from trainer.providers.status_words import REMEDIES
from trainer.run_states import Run
from trainer.runs.preflight import check_file, check_plan
from trainer.security.egress import is_loopback
from trainer.storage.ledger import LedgerEntry, micro_usd

FILE_POLL_SECONDS = 5.0
RETRY_SECONDS = 15.0
STALE_SEND_SECONDS = 5.0


def validate(session: RunSession, run: Run) -> None:
    """Intent -> validated: nothing is sent yet."""
    checked = check_plan(session.plan, session.context.book, session.context.clock.now())
    for data in filter(None, (session.plan.training, session.plan.validation)):
        path = session.context.files(data.sha256)
        check_file(data, path, session.adapter.max_file_bytes, session.plan.provider)
    session.adapter.request(session.plan, JobFiles("not sent yet"))
    session.append("validated", checked=checked)


def reserve(session: RunSession, run: Run) -> None:
    """Validated -> reserved: the worst case is reserved before any request to the provider."""
    amount = micro_usd(Decimal(session.plan.figure.at_most))
    session.context.ledger.reserve(
        LedgerEntry(run.run_id, "training", session.plan.provider, session.day, amount)
    )
    session.append("reserved", usd=session.plan.figure.at_most, day=session.day)


def upload(session: RunSession, run: Run) -> RetryLater | None:
    """Reserved -> uploading -> uploaded: the exact bytes of the plan, each file once."""
    if session.adapter.reads_here:
        held = session.plan.validation.sha256 if session.plan.validation else None
        files = JobFiles(session.plan.training.sha256, held)
        session.append("uploaded", why="read in place", **asdict(files))
        return None
    url = base_url_of(session.plan.provider, session.context.book)
    if run.last("consented") is None and not is_loopback(url):
        raise NoConsent(
            f"{run.run_id}: no consent to send rows to {session.plan.provider}. "
            f"Launch with --allow-egress {session.plan.provider}."
        )
    if run.count("uploading") >= session.context.limits.upload_tries:
        last = run.last("held")
        return _needs_decision(
            session,
            f"the upload failed {run.count('uploading')} times: "
            f"{last.body['why'] if last else 'no answer'}",
            "Check the connection, then `trainer resume RUN`.",
        )
    session.append("uploading")
    parts = (("train", session.plan.training), ("valid", session.plan.validation))
    try:
        sent = [_send(session, data, half) for half, data in parts if data]
    except ProviderError as error:
        return _not_uploaded(session, error)
    files, training = JobFiles(*(file.file_id for file in sent)), session.plan.training
    content = {"bytes": training.bytes, "sha256": training.sha256, "why": "sent, size compared"}
    session.append("uploaded", **content, **asdict(files))
    return None


def _send(session: RunSession, data: DataFile, half: str) -> RemoteFile:
    """Send a file, unless an earlier attempt left it there complete."""
    name = f"ton-{data.sha256[:24]}.{half}.jsonl"
    there = session.adapter.find_file(name)
    if there is not None:
        if there.bytes == data.bytes and there.broken is None:
            return there
        session.adapter.delete_file(there.file_id)
    path = session.context.files(data.sha256)
    return session.adapter.upload(path, name, data.sha256, data.rows)


def _not_uploaded(session: RunSession, error: ProviderError) -> RetryLater | None:
    if isinstance(error, ProviderDeclined):
        session.append("failed", why=f"the provider refused the file: {error}", model=None)
        return None
    seconds = error.wait_seconds if isinstance(error, RateLimited) else RETRY_SECONDS
    session.append("held", why=f"upload: {error}", seconds=seconds, **session.mark())
    return session.wait(seconds, f"the upload failed ({error}); retrying")


def create(session: RunSession, run: Run) -> RetryLater | None:
    """Uploaded -> creating -> created: the one request that costs money."""
    pause = _held(session, run) or _files_ready(session, run) or _check_quote(session, run)
    if pause or session.context.store.run(run.run_id).state != "uploaded":
        return pause
    files = files_of(run)
    body = hashlib.sha256(repr(session.adapter.request(session.plan, files)).encode()).hexdigest()
    session.lease = session.context.store.renew(session.lease)
    key = session.adapter.key_of(session.plan)
    session.append("creating", key=key, request_sha256=body, **session.mark())
    if session.context.clock.ticks() - session.lease.taken_ticks > STALE_SEND_SECONDS:
        session.append("uploaded", why="delayed before the request was sent", **asdict(files))
        raise LeaseLost(f"{run.run_id}: this machine was suspended; the request is retried.")
    return _send_create(session, files)


def _send_create(session: RunSession, files: JobFiles) -> RetryLater | None:
    try:
        job = session.adapter.create(session.plan, files)
    except UnknownOutcome as error:
        session.append("unknown_outcome", why=str(error), **session.mark())
        return None
    except ProviderDeclined as error:
        session.append("failed", why=f"the provider refused the job: {error}", model=None)
        return None
    except RateLimited as error:
        session.append("uploaded", why=str(error), **asdict(files))
        return _wait_for_limit(session, error)
    except (NotSent, AdvisorError) as error:
        session.append("uploaded", why=f"never sent: {error}", **asdict(files))
        if isinstance(error, AdvisorError):
            raise
        return _hold_run(session, f"provider unreachable: {error}", RETRY_SECONDS)
    record_created(session, job, "answered")
    return None


def record_created(session: RunSession, job: Job, how: str) -> None:
    """Record the provider's job."""
    session.append("created", job_id=job.job_id, how=how, word=job.word, created_at=job.created_at)


def _wait_for_limit(session: RunSession, error: RateLimited) -> RetryLater | None:
    """Handle the four meanings of 429: two pass with time, two need money or the user."""
    if error.meaning in ("seconds", "a_day"):
        return _hold_run(session, f"{error} {REMEDIES[error.meaning]}", error.wait_seconds)
    return _needs_decision(session, str(error), REMEDIES[error.meaning])


def _hold_run(session: RunSession, why: str, seconds: float) -> RetryLater:
    session.append("held", why=why, seconds=seconds, **session.mark())
    return RetryLater(seconds, why)


def _needs_decision(session: RunSession, why: str, remedy: str) -> RetryLater | None:
    session.append("needs_human", why=why, remedy=remedy)
    return None


def _held(session: RunSession, run: Run) -> RetryLater | None:
    """Return the rest of a wait; a restart of the machine starts it again."""
    last = run.last("held")
    answered = run.last("answered_by_human")
    if last is None or (answered and answered.seq > last.seq):
        return None
    left = session.left(last.body, float(last.body["seconds"]))
    if left is None:
        return _hold_run(session, str(last.body["why"]), float(last.body["seconds"]))
    return RetryLater(left, str(last.body["why"])) if left > 0 else None


def _files_ready(session: RunSession, run: Run) -> RetryLater | None:
    for file_id in filter(None, (files_of(run).training, files_of(run).validation)):
        try:
            there = session.adapter.file(file_id)
        except ProviderError as error:
            return session.wait(RETRY_SECONDS, f"no response about the file {file_id}: {error}")
        if there is None or there.broken:
            why = there.broken if there else "it was deleted"
            session.append("failed", why=f"the provider cannot use {file_id}: {why}", model=None)
            return None
        if not there.ready:
            return session.wait(FILE_POLL_SECONDS, f"the provider is processing {file_id}")
    return None


def _check_quote(session: RunSession, run: Run) -> RetryLater | None:
    """Compare the provider's estimate with ours; a large gap needs the user's decision."""
    if session.context.store.run(run.run_id).state != "uploaded" or run.last("estimated"):
        return None
    try:
        quote = session.adapter.quote(session.plan, files_of(run))
    except ProviderError as error:
        return session.wait(RETRY_SECONDS, f"no estimate from the provider: {error}")
    if quote is None:
        return None
    figure = session.plan.figure
    usd, ours = max(Decimal(quote.usd), Decimal(figure.minimum or 0)), Decimal(figure.likely)
    planned = {"ours_usd": figure.likely, "ours_tokens": figure.trained_tokens}
    session.append("estimated", usd=quote.usd, tokens=quote.tokens, **planned)
    apart = abs(usd - ours) / max(ours, Decimal("0.01"))
    if not quote.allowed:
        why = f"the provider would refuse the job: its limit is ${quote.limit_usd}."
        remedy = "Add credit to the account, then `trainer resume RUN`."
    elif usd > Decimal(session.plan.cap_usd):
        why = f"the provider estimates ${usd}; the cap is ${session.plan.cap_usd}."
        remedy = "Plan again with a higher cap; `trainer cancel RUN` cancels this run."
    elif apart > Decimal(str(session.context.limits.quote_gap_share)):
        why = (
            f"the provider estimates ${usd} for {quote.tokens} tokens, the plan ${ours} for "
            f"{figure.trained_tokens}: {apart:.0%} apart. Its tokenizer, packing or price differs "
            "from the plan's."
        )
        remedy = (
            "Compare both: `trainer resume RUN` accepts it, `trainer cancel RUN` cancels the run."
        )
    else:
        return None
    return _needs_decision(session, why, remedy)


def find_job(session: RunSession, run: Run) -> RetryLater | None:
    """unknown_outcome -> created, or another attempt, or the user's decision.

    A job that exists is listed under our key sooner or later. It counts as not created only
    after a wait longer than the slowest listing ever observed.
    """
    unknown = run.last("unknown_outcome")
    assert unknown is not None
    try:
        jobs = session.adapter.find(session.plan, unknown.at)
    except ProviderError as error:
        return session.wait(RETRY_SECONDS, f"cannot list the jobs: {error}")
    if len(jobs) > 1:
        names = ", ".join(job.job_id for job in jobs)
        return _needs_decision(
            session,
            f"{len(jobs)} jobs have the key of this plan: {names}.",
            "Cancel all but one at the provider, then `trainer resume RUN --adopt JOB`.",
        )
    if jobs:
        record_created(session, jobs[0], "adopted")
        return None
    if session.adapter.idempotent:
        return _again(session, run, "the provider creates one job per key")
    return _quarantine(session, run)


def _quarantine(session: RunSession, run: Run) -> RetryLater | None:
    seconds = session.context.limits.quarantine_seconds
    since = [event for event in run.events if event.kind in ("unknown_outcome", "held")][-1]
    left = session.left(since.body, seconds)
    if left is None:
        return _hold_run(session, "another machine, or a restart: the wait starts again", seconds)
    if left > 0:
        return RetryLater(min(left, max(seconds / 10, 0.05)), "unknown whether a job was created")
    is_repeated = run.count("unknown_outcome") > 1 + run.count("answered_by_human")
    if is_repeated and not run.last("cancel_asked"):
        return _needs_decision(
            session,
            f"two requests to {session.plan.provider} had an unknown outcome, and no job is "
            "listed there.",
            "Check there; then `trainer resume RUN --adopt JOB`, or `trainer resume RUN` if "
            "there is no job.",
        )
    return _again(session, run, "no job was listed within the quarantine")


def _again(session: RunSession, run: Run, why: str) -> RetryLater | None:
    if run.last("cancel_asked"):
        session.append("cancelled", why="cancelled before a job was found", model=None)
    else:
        session.append("uploaded", why=why, **asdict(files_of(run)))
    return None


def recover_crashed(session: RunSession, run: Run) -> None:
    """Creating -> unknown_outcome: the process stopped between request and response."""
    why = "the process stopped before the response"
    session.append("unknown_outcome", why=why, **session.mark())


def files_of(run: Run) -> JobFiles:
    """Return the files that were sent."""
    return JobFiles(str(run.said("uploaded", "training")), run.said("uploaded", "validation"))
