"""Every status word that a provider is known to say -> exactly one state of ours."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.providers.job import JobState

Words = Mapping[str, JobState]

OPENAI: Words = {
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
"""Source: OpenAPI document of 2026-08-21, six words; the pause words are what clients model."""

AZURE: Words = {
    **OPENAI,
    "pending": "queued",
    "notRunning": "queued",
    "created": "queued",
    "canceled": "cancelled",
    "canceling": "running",
    "cancelling": "running",
}
"""Source: https://github.com/BerriAI/litellm/issues/24687 for `pending`; the rest own caution."""

TOGETHER: Words = {
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
"""Source: together 3.1.1, types/finetune_response.py, 9 words."""

FIREWORKS: Words = {
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
"""Source: fireworks-ai 1.2.28, types/supervised_fine_tuning_job.py, 18 words."""


def state_of(words: Words, word: str) -> JobState:
    """Return our state for a provider's word; a new word ends nothing.

    >>> state_of(TOGETHER, "completed"), state_of(TOGETHER, "hibernating")
    ('succeeded', 'unknown_word')
    """
    return words.get(word, "unknown_word")
