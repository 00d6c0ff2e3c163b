"""Job statuses of each provider mapped to run states, and the kinds of rate limit (429)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from trainer.providers.base import JobState, LimitKind, RateLimited

StatusWords = Mapping[str, JobState]

OPENAI: StatusWords = {
    "validating_files": "queued",
    "queued": "queued",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "pausing": "running",
    "paused": "paused",
    "resuming": "queued",
}
"""Source: OpenAPI document of 2026-08-21, six statuses; the pause statuses: OpenAI's clients."""

AZURE: StatusWords = {
    **OPENAI,
    "pending": "queued",
    "notRunning": "queued",
    "created": "queued",
    "canceled": "cancelled",
    "canceling": "running",
    "cancelling": "running",
}
"""Source for `pending`: https://github.com/BerriAI/litellm/issues/24687; others: precaution."""

TOGETHER: StatusWords = {
    "pending": "queued",
    "queued": "queued",
    "running": "running",
    "compressing": "running",
    "uploading": "running",
    "cancel_requested": "running",
    "cancelled": "cancelled",
    "error": "failed",
    "completed": "succeeded",
}
"""Source: together 3.1.1, types/finetune_response.py, 9 statuses."""

FIREWORKS: StatusWords = {
    "JOB_STATE_UNSPECIFIED": "queued",
    "JOB_STATE_CREATING": "queued",
    "JOB_STATE_PENDING": "queued",
    "JOB_STATE_RE_QUEUEING": "queued",
    "JOB_STATE_VALIDATING": "queued",
    "JOB_STATE_CREATING_INPUT_DATASET": "queued",
    "JOB_STATE_IDLE": "queued",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_WRITING_RESULTS": "running",
    "JOB_STATE_CANCELLING": "running",
    "JOB_STATE_PAUSED": "paused",
    "JOB_STATE_COMPLETED": "succeeded",
    "JOB_STATE_EARLY_STOPPED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_DELETING": "cancelled",
    "JOB_STATE_DELETING_CLEANING_UP": "cancelled",
}
"""Source: fireworks-ai 1.2.28, types/supervised_fine_tuning_job.py, 18 statuses."""


def job_state(words: StatusWords, word: str) -> JobState:
    """Return the run state of a provider's status; an unknown status ends no job.

    >>> job_state(TOGETHER, "completed"), job_state(TOGETHER, "hibernating")
    ('succeeded', 'unknown_word')
    """
    return words.get(word, "unknown_word")


DAY_SECONDS = 24 * 3600.0
DEFAULT_WAIT_SECONDS = 60.0

LIMIT_KINDS: Mapping[str, LimitKind] = {
    "rate_limit_exceeded": "seconds",
    "rate_limit": "seconds",
    "requests": "seconds",
    "RESOURCE_EXHAUSTED": "seconds",
    "daily_rate_limit_exceeded": "a_day",
    "insufficient_quota": "no_money",
    "billing_hard_limit_reached": "no_money",
    "project_spend_limit_exceeded": "limit_reached",
    "organization_spend_limit_exceeded": "limit_reached",
}
"""Source: OpenAI error codes as reported in llmcomp#58 and in the spend-limit documentation."""

REMEDIES: Mapping[LimitKind, str] = {
    "seconds": "The request is retried after the time that the provider set.",
    "a_day": "The daily limit of jobs is reached. The request is retried tomorrow.",
    "no_money": "The account has no credit left. Top it up, then run 'trainer resume RUN'.",
    "limit_reached": "A spending limit set at the provider is reached. Raise it there, then "
    "run 'trainer resume RUN'.",
}


def limit_error(code: str, message: str, retry_after: str | None) -> RateLimited:
    """Return the error of a 429; only `seconds` and `a_day` are worth waiting for.

    >>> limit_error("insufficient_quota", "no", None).meaning
    'no_money'
    """
    meaning = LIMIT_KINDS.get(code, "seconds")
    wait = DAY_SECONDS if meaning == "a_day" else DEFAULT_WAIT_SECONDS
    with suppress(ValueError):  # a date, or missing: use the default
        wait = max(float(retry_after or ""), 0.0)
    return RateLimited(meaning, wait, code, message)
