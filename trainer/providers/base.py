"""What every provider is spoken to in: one job, its files, and what can come of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from advisor.plan.training_plan import TrainingPlan
from trainer.run_states import JobEvent, State

JobState = State | Literal["unknown_word"]
LimitKind = Literal["seconds", "a_day", "no_money", "limit_reached"]


class ProviderError(Exception):
    """Something came of a request that is not the answer."""


class ProviderDeclined(ProviderError):
    """The provider said no and did nothing: another request would hear the same."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}: {message}")


class RateLimited(ProviderError):
    """The provider said 'not now' and did nothing; what is meant stands in the code."""

    def __init__(self, meaning: LimitKind, wait_seconds: float, code: str, message: str) -> None:
        self.meaning, self.wait_seconds, self.code = meaning, wait_seconds, code
        super().__init__(f"429 {code}: {message}")


class NotSent(ProviderError):
    """The request never left: no connection."""


class UnknownOutcome(ProviderError):
    """The request left and no answer that can be believed came back: it may have been done."""


class NotOffered(ProviderError):
    """This provider has no such thing; the message says what to do instead."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at the provider."""

    file_id: str
    bytes: int | None
    ready: bool
    broken: str | None = None


@dataclass(frozen=True)
class JobFiles:
    """The files of one job."""

    training: str
    validation: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as the provider tells of it, in our words; `raw` holds all that it said."""

    job_id: str
    state: JobState
    word: str
    base_model: str | None
    key: str | None
    created_at: float | None
    model: str | None = None
    error: str | None = None
    trained_tokens: int | None = None
    usd: str | None = None
    echo: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Quote:
    """What the provider itself says that a job will cost."""

    usd: str
    tokens: int | None
    allowed: bool
    limit_usd: str | None


@dataclass(frozen=True)
class Checkpoint:
    """A model saved on the way."""

    name: str
    step: int
    metrics: Mapping[str, float]


class Adapter(Protocol):
    """How one provider is asked. A request that may cost money is sent once, and never again."""

    name: str
    idempotent: bool
    """Whether the provider itself refuses a second job under our key."""
    serves_per_token: bool
    """Whether a tuned model answers without a deployment."""
    failed_is_free: bool
    """Whether a failed job is not billed."""
    max_file_bytes: int
    """Largest file it takes."""
    reads_here: bool
    """Whether rows are read where they lie: nothing is sent, nothing is deleted after."""

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the key under which a job of this plan is found again."""

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Write the body that starts a job.

        Raises:
            UsageError: a setting is asked for that this provider does not take.
        """

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Send a file whole, by parts if it is large, and see that it arrived."""

    def find_file(self, name: str) -> RemoteFile | None:
        """Find a file by the name it was sent under."""

    def file(self, file_id: str) -> RemoteFile | None:
        """Ask after a file; nothing if it is not there."""

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Ask what the job will cost, where a provider says so."""

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the one request that costs money."""

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the key of this plan."""

    def job(self, job_id: str) -> Job:
        """Ask after one job."""

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs, newest first, a page at a time, until they are older than *since*."""

    def events(self, job_id: str) -> list[JobEvent]:
        """List what happened to a job, with its loss curve."""

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved on the way."""

    def cancel(self, job_id: str) -> Job:
        """Ask the provider to stop a job."""

    def pause(self, job_id: str) -> Job:
        """Ask the provider to hold a job."""

    def resume(self, job_id: str) -> Job:
        """Ask the provider to go on with a job."""

    def smoke(self, model: str) -> str:
        """Have the tuned model answer one short question; return the answer."""

    def shutdown_on(self, model: str) -> str | None:
        """Return the day on which a model ends, where the provider says so."""

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Fetch the tuned weights."""

    def close(self) -> None:
        """Let go of connections."""
