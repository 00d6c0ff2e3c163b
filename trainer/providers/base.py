"""Provider adapters: the interface, its records, and the possible outcomes of a request."""

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
    """A request to a provider failed."""


class ProviderDeclined(ProviderError):
    """The provider refused the request and did nothing; a retry would be refused too."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}: {message}")


class RateLimited(ProviderError):
    """The provider answered 429 and did nothing; its error code gives the kind of limit."""

    def __init__(self, meaning: LimitKind, wait_seconds: float, code: str, message: str) -> None:
        self.meaning, self.wait_seconds, self.code = meaning, wait_seconds, code
        super().__init__(f"429 {code}: {message}")


class NotSent(ProviderError):
    """No connection: the request was not sent."""


class UnknownOutcome(ProviderError):
    """The request was sent, but no valid response arrived: the provider may have acted on it."""


class NotOffered(ProviderError):
    """The provider has no such function; the message names the alternative."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at the provider."""

    file_id: str
    bytes: int | None
    ready: bool
    broken: str | None = None


@dataclass(frozen=True)
class JobFiles:
    """Ids of the files of one job."""

    training: str
    validation: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as the provider reports it, in our terms; `raw` is the complete response."""

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
    """The provider's own estimate of the cost of a job."""

    usd: str
    tokens: int | None
    allowed: bool
    limit_usd: str | None


@dataclass(frozen=True)
class Checkpoint:
    """A model saved during training."""

    name: str
    step: int
    metrics: Mapping[str, float]


class Adapter(Protocol):
    """Client of one provider. A request that can cost money is sent once and never retried."""

    name: str
    max_file_bytes: int
    """Maximum size of a file."""
    idempotent: bool = False
    """Whether the provider itself refuses a second job with the same key."""
    serves_per_token: bool = False
    """Whether a tuned model is served without a deployment."""
    failed_is_free: bool = False
    """Whether a failed job is not billed."""
    reads_here: bool = False
    """Whether rows are read on this machine: nothing is sent, nothing is deleted afterwards."""

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the key that identifies the job of this plan at the provider."""

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Build the request body that starts a job.

        Raises:
            UsageError: the provider does not support a setting of the plan.
        """

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Upload a file, in parts if it is large, and check that it arrived complete."""

    def find_file(self, name: str) -> RemoteFile | None:
        """Return the file with this upload name, or None."""

    def file(self, file_id: str) -> RemoteFile | None:
        """Return a file, or None if it does not exist."""

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Return the provider's price for the job, or None if it quotes none."""
        return None

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the only request that costs money."""

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the key of this plan."""

    def job(self, job_id: str) -> Job:
        """Return one job."""

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs page by page, newest first, until they are older than *since*."""

    def events(self, job_id: str) -> list[JobEvent]:
        """List the events of a job, with its loss curve."""

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved during training; none by default."""
        return []

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""

    def pause(self, job_id: str) -> Job:
        """Pause a job, if the provider can."""
        raise NotOffered(f"{self.name} cannot pause a job. Cancel the job, or let it finish.")

    def resume(self, job_id: str) -> Job:
        """Resume a paused job, if the provider can."""
        raise NotOffered(f"{self.name} cannot resume a job. Create a new plan.")

    def smoke(self, model: str) -> str:
        """Send one short question to the tuned model; return its answer."""

    def shutdown_on(self, model: str) -> str | None:
        """Return the day on which the model is shut down, or None if not announced."""
        return None

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Download the tuned weights."""

    def close(self) -> None:
        """Close all connections."""
