"""From an intent to one job at the provider: the only place that spends money on training."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

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


def validate(work: RunSession, run: Run) -> RetryLater | None:
    """Intent -> validated: nothing has left yet, and nobody has been asked."""
    checked = check_plan(work.plan, work.office.book, work.office.clock.now())
    for data in filter(None, (work.plan.training, work.plan.validation)):
        path = work.office.files(data.sha256)
        check_file(data, path, work.adapter.most_file_bytes, work.plan.provider)
    work.adapter.request(work.plan, JobFiles("not sent yet"))
    work.append("validated", checked=checked)
    return None


def reserve(work: RunSession, run: Run) -> RetryLater | None:
    """Validated -> reserved: the dear end is set aside before anybody is asked."""
    amount = micro_usd(Decimal(work.plan.figure.at_most))
    work.office.ledger.reserve(
        LedgerEntry(run.run_id, "training", work.plan.provider, work.day, amount, None, "")
    )
    work.append("reserved", usd=work.plan.figure.at_most, day=work.day)
    return None


def upload(work: RunSession, run: Run) -> RetryLater | None:
    """Reserved -> uploading -> uploaded: the very bytes of the plan, whole, each once."""
    if work.adapter.reads_here:
        held = work.plan.validation.sha256 if work.plan.validation else None
        work.append(
            "uploaded",
            why="read where it lies",
            training=work.plan.training.sha256,
            validation=held,
        )
        return None
    if run.last("consented") is None and not is_loopback(
        base_url_of(work.plan.provider, work.office.book)
    ):
        raise NoConsent(
            f"{run.run_id}: nobody agreed that rows go to {work.plan.provider}. "
            f"Launch with --allow-egress {work.plan.provider}."
        )
    if run.count("uploading") >= work.office.limits.upload_tries:
        last = run.last("held")
        return _ask_human(
            work,
            f"the file was sent {run.count('uploading')} times and never arrived: "
            f"{last.body['why'] if last else 'no answer'}",
            "See to the connection, then `trainer resume RUN`.",
        )
    work.append("uploading")
    try:
        sent = [
            _send(work, data, half)
            for half, data in (("train", work.plan.training), ("valid", work.plan.validation))
            if data
        ]
    except ProviderError as error:
        return _not_uploaded(work, error)
    names = {"training": sent[0].file_id, "validation": sent[1].file_id if sent[1:] else None}
    work.append(
        "uploaded",
        bytes=work.plan.training.bytes,
        sha256=work.plan.training.sha256,
        why="sent and compared",
        **names,
    )
    return None


def _send(work: RunSession, data: DataFile, half: str) -> RemoteFile:
    """Send a file, unless it lies there whole from an earlier try."""
    name = f"ton-{data.sha256[:24]}.{half}.jsonl"
    there = work.adapter.find_file(name)
    if there is not None:
        if there.bytes == data.bytes and there.broken is None:
            return there
        work.adapter.delete_file(there.file_id)
    path = work.office.files(data.sha256)
    return work.adapter.upload(path, name, data.sha256, data.rows)


def _not_uploaded(work: RunSession, error: ProviderError) -> RetryLater | None:
    if isinstance(error, ProviderDeclined):
        work.append("failed", why=f"the provider refused the file: {error}", model=None)
        return None
    seconds = error.wait_seconds if isinstance(error, RateLimited) else RETRY_SECONDS
    work.append("held", why=f"upload: {error}", seconds=seconds, **work.mark())
    return work.wait(seconds, f"the file did not arrive ({error}); it is sent anew")


def create(work: RunSession, run: Run) -> RetryLater | None:
    """Uploaded -> creating -> created: the one request that costs money."""
    pause = _held(work, run) or _files_ready(work, run) or _check_quote(work, run)
    if pause or work.office.store.run(run.run_id).state != "uploaded":
        return pause
    files = files_of(run)
    body = hashlib.sha256(repr(work.adapter.request(work.plan, files)).encode()).hexdigest()
    work.lease = work.office.store.renew(work.lease)
    work.append("creating", key=work.adapter.key_of(work.plan), request_sha256=body, **work.mark())
    if work.office.clock.ticks() - work.lease.taken_ticks > STALE_SEND_SECONDS:
        work.append("uploaded", why="held up before it was sent", **_names(files))
        raise LeaseLost(f"{run.run_id}: this machine stood still; it is tried again.")
    return _send_create(work, run, files)


def _send_create(work: RunSession, run: Run, files: JobFiles) -> RetryLater | None:
    try:
        job = work.adapter.create(work.plan, files)
    except UnknownOutcome as error:
        work.append("unknown_outcome", why=str(error), **work.mark())
        return None
    except ProviderDeclined as error:
        work.append("failed", why=f"the provider refused the job: {error}", model=None)
        return None
    except RateLimited as error:
        work.append("uploaded", why=str(error), **_names(files))
        return _wait_for_limit(work, error)
    except (NotSent, AdvisorError) as error:
        work.append("uploaded", why=f"never sent: {error}", **_names(files))
        if isinstance(error, AdvisorError):
            raise
        return _hold_run(work, f"nobody there: {error}", RETRY_SECONDS)
    record_created(work, job, "answered")
    return None


def record_created(work: RunSession, job: Job, how: str) -> None:
    """Write down that the job is there."""
    work.append("created", job_id=job.job_id, how=how, word=job.word, created_at=job.created_at)


def _wait_for_limit(work: RunSession, error: RateLimited) -> RetryLater | None:
    """Tell the four meanings of 429 apart: two are waited out, two need money or a person."""
    if error.meaning in ("seconds", "a_day"):
        return _hold_run(work, f"{error} {REMEDIES[error.meaning]}", error.wait_seconds)
    return _ask_human(work, str(error), REMEDIES[error.meaning])


def _hold_run(work: RunSession, why: str, seconds: float) -> RetryLater:
    work.append("held", why=why, seconds=seconds, **work.mark())
    return RetryLater(seconds, why)


def _ask_human(work: RunSession, why: str, remedy: str) -> RetryLater | None:
    work.append("needs_human", why=why, remedy=remedy)
    return None


def _held(work: RunSession, run: Run) -> RetryLater | None:
    """Return what is left of a wait; after a restart of the machine it begins anew."""
    last = run.last("held")
    answered = run.last("answered_by_human")
    if last is None or (answered and answered.seq > last.seq):
        return None
    left = work.left(last.body, float(last.body["seconds"]))
    if left is None:
        return _hold_run(work, str(last.body["why"]), float(last.body["seconds"]))
    return RetryLater(left, str(last.body["why"])) if left > 0 else None


def _files_ready(work: RunSession, run: Run) -> RetryLater | None:
    for file_id in filter(None, (files_of(run).training, files_of(run).validation)):
        try:
            there = work.adapter.file(file_id)
        except ProviderError as error:
            return work.wait(RETRY_SECONDS, f"no word of the file {file_id}: {error}")
        if there is None or there.broken:
            why = there.broken if there else "it is gone"
            work.append("failed", why=f"the provider cannot use {file_id}: {why}", model=None)
            return None
        if not there.ready:
            return work.wait(FILE_POLL_SECONDS, f"the provider is reading {file_id}")
    return None


def _check_quote(work: RunSession, run: Run) -> RetryLater | None:
    """Lay the provider's own estimate beside ours; too far apart is a question for a person."""
    if work.office.store.run(run.run_id).state != "uploaded" or run.last("estimated"):
        return None
    try:
        quote = work.adapter.quote(work.plan, files_of(run))
    except ProviderError as error:
        return work.wait(RETRY_SECONDS, f"no estimate from the provider: {error}")
    if quote is None:
        return None
    figure = work.plan.figure
    usd, ours = max(Decimal(quote.usd), Decimal(figure.minimum or 0)), Decimal(figure.likely)
    work.append(
        "estimated",
        usd=quote.usd,
        tokens=quote.tokens,
        ours_usd=figure.likely,
        ours_tokens=figure.trained_tokens,
    )
    apart = abs(usd - ours) / max(ours, Decimal("0.01"))
    if not quote.allowed:
        _ask_human(
            work,
            f"the provider would not take the job: its limit is {quote.limit_usd} USD.",
            "Top the account up, then `trainer resume RUN`.",
        )
    elif usd > Decimal(work.plan.cap_usd):
        _ask_human(
            work,
            f"the provider says {usd} USD, and the cap is {work.plan.cap_usd} USD.",
            "Plan again with a higher cap; `trainer cancel RUN` ends this one.",
        )
    elif apart > Decimal(str(work.office.limits.quote_gap_share)):
        _ask_human(
            work,
            f"the provider says {usd} USD for {quote.tokens} tokens; we say {ours} USD for "
            f"{figure.trained_tokens}: {apart:.0%} apart. Its tokenizer, its packing or "
            "its price differs from what the plan took.",
            "Look at both: `trainer resume RUN` accepts it, `trainer cancel RUN` ends it.",
        )
    return None


def find_job(work: RunSession, run: Run) -> RetryLater | None:
    """unknown_outcome -> created, or tried once more, or a question for a person.

    A job that was made shows up under our key sooner or later; only when it has not for longer
    than any job was ever late is it taken not to exist.
    """
    unknown = run.last("unknown_outcome")
    assert unknown is not None
    try:
        jobs = work.adapter.find(work.plan, unknown.at)
    except ProviderError as error:
        return work.wait(RETRY_SECONDS, f"the list of jobs cannot be read: {error}")
    if len(jobs) > 1:
        names = ", ".join(job.job_id for job in jobs)
        return _ask_human(
            work,
            f"{len(jobs)} jobs carry the key of this plan: {names}.",
            "Cancel all but one there, then `trainer resume RUN --adopt JOB`.",
        )
    if jobs:
        record_created(work, jobs[0], "adopted")
        return None
    if work.adapter.idempotent:
        return _again(work, run, "the provider makes no second job under one key")
    return _quarantine(work, run)


def _quarantine(work: RunSession, run: Run) -> RetryLater | None:
    seconds = work.office.limits.quarantine_seconds
    since = [event for event in run.events if event.kind in ("unknown_outcome", "held")][-1]
    left = work.left(since.body, seconds)
    if left is None:
        return _hold_run(
            work, "another machine, or a new start of it: the wait begins anew", seconds
        )
    if left > 0:
        return RetryLater(
            min(left, max(seconds / 10, 0.05)), "it is not known whether a job was made"
        )
    if run.last("cancel_asked"):
        work.append("cancelled", why="cancelled before a job was seen", model=None)
        return None
    if run.count("unknown_outcome") > 1 + run.count("answered_by_human"):
        return _ask_human(
            work,
            f"twice it is not known whether {work.plan.provider} made a job, and "
            "none is listed there.",
            "Look there yourself; then `trainer resume RUN --adopt JOB`, or `trainer "
            "resume RUN` if there is none.",
        )
    return _again(work, run, "no job was listed for as long as one could be late")


def _again(work: RunSession, run: Run, why: str) -> RetryLater | None:
    if run.last("cancel_asked"):
        work.append("cancelled", why="cancelled before a job was seen", model=None)
    else:
        work.append("uploaded", why=why, **_names(files_of(run)))
    return None


def recover_crashed(work: RunSession, run: Run) -> RetryLater | None:
    """creating, and nobody at work: the launcher stopped between asking and hearing."""
    work.append("unknown_outcome", why="the launcher stopped before it heard", **work.mark())
    return None


def files_of(run: Run) -> JobFiles:
    """Return the files that were sent."""
    return JobFiles(str(run.said("uploaded", "training")), run.said("uploaded", "validation"))


def _names(files: JobFiles) -> dict[str, Any]:
    return {"training": files.training, "validation": files.validation}
