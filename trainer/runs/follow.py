"""Follow a job to the end: poll, smoke test, settle its cost, register the model version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from advisor.plan.training_plan import TrainingPlan
from trainer.context import RetryLater, RunSession
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.providers.base import Job, NotOffered, ProviderDeclined, ProviderError
from trainer.providers.openai_responses import changed_settings
from trainer.run_states import ENDED, Run
from trainer.runs.user_actions import UserAction
from trainer.storage.ledger import micro_usd, usd_text
from trainer.storage.model_version import ModelVersionInput, VersionKind

MEASURED_FIELDS = (
    "train_seconds",
    "total_seconds",
    "tokens_per_second",
    "peak_allocated_bytes",
    "peak_reserved_bytes",
    "peak_process_bytes",
    "gpu_energy_kwh",
    "device",
    "packages",
    "steps",
    "trained_parameters",
    "chat_template_sha256",
)


def register_version(session: RunSession, run: Run, usd: str) -> None:
    """Register the version of a succeeded run, once, with the evaluation in its folder."""
    if run.outcome != "succeeded" or not run.tuned_model:
        return
    plan, folder = session.plan, RunFolder(home_folder() / "runs" / str(run.job_id))
    result: dict[str, Any] = (folder.read("result.json") or {}) if plan.local else {}
    ends = run.said("verified", "shutdown_on")
    version = session.context.registry.register(
        run.run_id,
        model_name(plan),
        ModelVersionInput(
            plan_id=plan.plan_id,
            provider=plan.provider,
            base_model=plan.base_model,
            dataset_sha256=plan.dataset_sha256,
            source_sha256=plan.source_sha256,
            model=run.tuned_model,
            kind=_kind(plan),
            usd=Decimal(usd),
            base_sha256=plan.local.base_sha256 if plan.local else "",
            facts={name: result[name] for name in MEASURED_FIELDS if name in result},
            shutdown_on=date.fromisoformat(ends) if ends else None,
        ),
    )
    found = folder.read("evaluation.json") if plan.local else None
    if found is not None:
        session.context.registry.evaluated(version.version_id, found)
    says = found["verdict"]["says"] if found else "not evaluated yet"
    session.append("registered", version=version.version_id, says=says)


def model_name(plan: TrainingPlan) -> str:
    """Return the name of a plan's model: the user's, else from base and data."""
    named = plan.suffix or f"{plan.base_model.rsplit('/', 1)[-1]}-{plan.dataset_sha256[:6]}"
    return re.sub(r"[^a-z0-9._-]+", "-", named.lower()).strip("-._")[:53]


def _kind(plan: TrainingPlan) -> VersionKind:
    if plan.local is None:
        return "remote"
    if plan.local.recipe.objective == "classification":
        return "encoder"
    return "full" if plan.local.recipe.method == "full" else "adapter"


SMOKE_SECONDS = 20.0
RECHECK_SECONDS = 3600.0
USER_REQUESTS: Mapping[str, UserAction] = {
    "cancel_asked": "cancel",
    "pause_asked": "pause",
    "resume_asked": "resume",
}
MILLION = Decimal(1_000_000)


def follow_job(session: RunSession, run: Run) -> RetryLater | None:
    """Poll the job once: an unreachable provider or an unknown status is not an end."""
    assert run.job_id is not None
    listed = (session.seen or {}).get(run.job_id)
    session.seen = None
    try:
        _forward_requests(session, run)
        job = listed or session.adapter.job(run.job_id)
    except ProviderError as error:
        return _unreachable(session, run, error)
    if listed is None or job.word != run.said(run.state, "word"):
        _keep_events(session, run)
    if job.state == "unknown_word":
        if run.said("unknown_word", "word") != job.word:
            session.append("unknown_word", word=job.word)
        return session.wait(
            session.context.limits.poll_seconds, f"unknown provider status '{job.word}'"
        )
    run = _compare(session, run, job)
    if job.state != run.state or job.word != run.said(run.state, "word"):
        end = {"model": job.model, "why": job.error, "usd": job.usd}
        session.append(job.state, word=job.word, trained_tokens=job.trained_tokens, **end)
    if job.state in ENDED:
        return None
    return session.wait(session.context.limits.poll_seconds, f"the job is {job.word}")


def _unreachable(session: RunSession, run: Run, error: ProviderError) -> RetryLater:
    """Record it once, and poll less and less often; the job is never given up."""
    if run.events[-1].kind != "unreachable":
        session.append("unreachable", why=str(error))
    since = session.context.clock.now() - (run.last("unreachable") or run.events[-1]).at
    limits = session.context.limits
    seconds = min(max(limits.poll_seconds, since / 4), limits.max_poll_seconds)
    return session.wait(seconds, f"no response from {session.plan.provider}: {error}")


def _forward_requests(session: RunSession, run: Run) -> None:
    """Send the user's requests since the last one that was sent."""
    sent = run.last("asked_provider")
    for event in run.events:
        if event.kind not in USER_REQUESTS or (sent and event.seq < sent.seq):
            continue
        _forward(session, run, USER_REQUESTS[event.kind])


def _forward(session: RunSession, run: Run, what: UserAction) -> None:
    assert run.job_id is not None
    adapter = session.adapter
    send = {"cancel": adapter.cancel, "pause": adapter.pause, "resume": adapter.resume}[what]
    try:
        send(run.job_id)
    except NotOffered as error:
        session.append("asked_provider", what=what, heard=str(error))
    except ProviderDeclined as error:  # the job may have ended: the next poll shows it
        session.append("asked_provider", what=what, heard=f"refused: {error}")
    else:
        session.append("asked_provider", what=what, heard="accepted")


def _compare(session: RunSession, run: Run, job: Job) -> Run:
    """Compare the provider's settings with the requested ones; a difference cancels the job."""
    if run.last("echo_differs") or not job.echo or job.state in ENDED:
        return run
    requested = session.plan.hyperparameters.model_dump(exclude={"seed", "beta"})
    wrong = changed_settings(requested, job.echo)
    if not wrong:
        return run
    session.append("echo_differs", differs=wrong)
    _forward(session, run, "cancel")
    return session.context.store.run(run.run_id)


def _keep_events(session: RunSession, run: Run) -> None:
    assert run.job_id is not None
    try:
        session.context.store.keep_job_events(run.run_id, session.adapter.events(run.job_id))
    except ProviderError:
        return  # they are read again at the next poll


def smoke_test(session: RunSession, run: Run) -> RetryLater | None:
    """Succeeded -> verified, if the model is served by the token."""
    model = run.tuned_model
    if not session.adapter.serves_per_token or not model:
        why = f"{session.plan.provider} serves tuned models by the hour: `trainer deploy RUN`"
        if not run.last("smoke_skipped"):
            session.append("smoke_skipped", why=why)
        return settle_run(session, run)
    try:
        answer = session.adapter.smoke(model)
        ends = session.adapter.shutdown_on(model)
    except ProviderError as error:
        session.append("smoke_failed", why=str(error))
        if run.count("smoke_failed") + 1 < session.context.limits.smoke_tries:
            return session.wait(SMOKE_SECONDS, f"{model} does not answer yet: {error}")
        return settle_run(session, run)
    session.append("verified", model=model, characters=len(answer), shutdown_on=ends)
    return None


def settle_run(session: RunSession, run: Run) -> RetryLater | None:
    """Ended -> settled: remote files deleted, the actual cost in the ledger, the rest released."""
    pause = _clean(session, run)
    if pause:
        return pause
    cost = job_cost(session, run)
    if cost is None:
        return RetryLater(RECHECK_SECONDS, "cost not reported: `trainer settle RUN --usd X`")
    close_run(session, run, *cost)
    return None


def close_run(session: RunSession, run: Run, amount: int, how: str) -> Run:
    """Settle the ledger entry, register the model version and append the last event."""
    ledger, plan = session.context.ledger, session.plan
    ledger.settle(run.run_id, amount, how)
    entry = ledger.entry(run.run_id)
    usd = usd_text(entry.settled if entry and entry.settled is not None else amount)
    register_version(session, run, usd)
    return session.append(
        "settled", usd=usd, how=how, likely_usd=plan.figure.likely, cap_usd=plan.cap_usd
    )


def job_cost(session: RunSession, run: Run) -> tuple[int, str] | None:
    """Return the cost of the job [millionths of a USD] and its source; None if unknown."""
    if run.last("created") is None:
        return 0, "no job was created"
    usd, tokens = run.said(run.outcome or "", "usd"), run.said(run.outcome or "", "trained_tokens")
    provider, figure = session.plan.provider, session.plan.figure
    if usd is not None:
        how = "hours of this machine" if session.plan.local else f"billed by {provider}"
        return micro_usd(Decimal(usd)), how
    if run.outcome == "failed" and session.adapter.failed_is_free:
        return 0, f"{provider} does not bill failed jobs"
    if tokens is not None:
        spent = Decimal(tokens) * Decimal(figure.price) / MILLION
        minimum = Decimal(figure.minimum or 0) if tokens else Decimal(0)
        how = f"{tokens} trained tokens at {figure.price} {figure.unit}"
        return micro_usd(max(spent, minimum)), how
    if run.last("running") is None and run.outcome != "succeeded":
        return 0, "the job ended before it ran"
    return None


def _clean(session: RunSession, run: Run) -> RetryLater | None:
    """Delete the uploaded files, and check that they are deleted."""
    is_done = run.last("remote_deleted") or run.last("remote_kept") or session.adapter.reads_here
    if run.last("uploaded") is None or is_done:
        return None
    if session.context.keep_remote:
        session.append("remote_kept", why="kept as requested")
        return None
    left = []
    for name in filter(None, (run.said("uploaded", half) for half in ("training", "validation"))):
        try:
            with suppress(ProviderDeclined):  # deleted already, or not ours: the check shows it
                session.adapter.delete_file(name)
            if session.adapter.file(name) is not None:
                left.append(name)
        except ProviderError as error:
            return session.wait(RECHECK_SECONDS / 60, f"cannot delete the file {name}: {error}")
    session.append("remote_deleted", verified=not left, left=left)
    return None
