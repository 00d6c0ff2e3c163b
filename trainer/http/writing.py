"""Runs, versions, ledger lines and tokens -> the records that the working API gives."""

from __future__ import annotations

from advisor.plan import TrainingPlan
from trainer.audit import Done
from trainer.clock import moment
from trainer.deployments import Deployment
from trainer.filing import Filed
from trainer.http.front import Front
from trainer.http.shapes import (
    AuditLine,
    Dataset,
    DeploymentShown,
    EntryShown,
    EventShown,
    Leaves,
    Planned,
    RunShown,
    TokenShown,
    VersionShown,
)
from trainer.ledger import Entry, in_usd
from trainer.starting import leaving_of
from trainer.states import Run
from trainer.store import Listed
from trainer.timeline import Moment
from trainer.tokens import Token
from trainer.versions import Version


def utc(at: float) -> str:
    """Write a moment in UTC, to the second.

    >>> utc(0.0)
    '1970-01-01T00:00:00Z'
    """
    return moment(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def dataset_shown(filed: Filed) -> Dataset:
    """Write a file of rows."""
    return Dataset(dataset_id=filed.file_id, filename=filed.filename, bytes=filed.bytes,
                   sha256=filed.sha256, owner=filed.owner, made_at=utc(filed.made_at))  # fmt: skip


def planned(front: Front, plan: TrainingPlan) -> Planned:
    """Write a plan, with what a launch of it has to agree to."""
    leaving = leaving_of(front.office, plan)
    leaves = None if leaving is None else Leaves.model_validate(
        {**leaving.__dict__, "personal": dict(leaving.personal)})  # fmt: skip
    return Planned(plan_id=plan.plan_id, at_most_usd=plan.figure.at_most, leaves=leaves,
                   run_id=front.office.store.run_of(plan), plan=plan)  # fmt: skip


def run_shown(front: Front, run: Run, listed: Listed) -> RunShown:
    """Write a run with its money."""
    entry = front.office.ledger.entry(run.run_id)
    problem = run.said("failed", "why")
    if run.state == "needs_human":
        problem = run.said("needs_human", "why")
    elif run.events[-1].kind == "refused":
        problem = run.events[-1].body["why"]
    return RunShown(
        run_id=run.run_id, plan_id=run.plan_id, owner=listed.owner, provider=run.provider,
        state=run.state, outcome=run.outcome, job_id=run.job_id, tuned_model=run.tuned_model,
        version=run.said("registered", "version"),
        problem=problem,
        reserved_usd=None if entry is None else in_usd(entry.reserved),
        spent_usd=None if entry is None or entry.settled is None else in_usd(entry.settled),
        watched=listed.watched, made_at=utc(listed.made_at),
    )  # fmt: skip


def event_shown(one: Moment) -> EventShown:
    """Write one thing that happened to a run."""
    return EventShown(seq=one.seq, at=utc(one.at), event=one.what, kind=one.kind,
                      body=dict(one.body))  # fmt: skip


def version_shown(version: Version) -> VersionShown:
    """Write a version."""
    ends = version.shutdown_on
    return VersionShown(
        version_id=version.version_id, name=version.name, stage=version.stage,
        run_id=version.run_id, provider=version.provider, base_model=version.base_model,
        kind=version.kind, dataset_sha256=version.dataset_sha256, usd=version.usd,
        verdict=version.verdict,
        evaluation=dict(version.evaluation) if version.evaluation else None,
        shutdown_on=ends.isoformat() if ends else None,
    )  # fmt: skip


def entry_shown(entry: Entry) -> EntryShown:
    """Write a line of the ledger."""
    return EntryShown(
        subject=entry.subject, purpose=entry.purpose, provider=entry.provider, day=entry.day,
        reserved_usd=in_usd(entry.reserved), how=entry.how,
        settled_usd=None if entry.settled is None else in_usd(entry.settled),
    )  # fmt: skip


def token_shown(token: Token) -> TokenShown:
    """Write a token, without its secret."""
    return TokenShown(
        token_id=token.token_id, owner=token.owner, role=token.role, made_at=utc(token.made_at),
        expires_at=None if token.expires_at is None else utc(token.expires_at),
        revoked_at=None if token.revoked_at is None else utc(token.revoked_at),
    )  # fmt: skip


def audit_line(done: Done) -> AuditLine:
    """Write a line of the audit log."""
    return AuditLine(seq=done.seq, at=utc(done.at), owner=done.owner, token_id=done.token_id,
                     action=done.action, subject=done.subject, usd=done.usd,
                     body=dict(done.body))  # fmt: skip


def deployment_shown(one: Deployment, now: float) -> DeploymentShown:
    """Write a deployment, with what it has cost by now."""
    return DeploymentShown(
        deployment_id=one.deployment_id, run_id=one.run_id, provider=one.provider, state=one.state,
        usd_per_hour=str(one.usd_per_hour), hours=round(one.hours(now), 4),
        max_hours=one.max_hours, spent_usd=f"{one.spent(now):.2f}",
    )  # fmt: skip
