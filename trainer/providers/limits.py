"""A refusal for now -> which of the four things a 429 can mean, told by its code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from trainer.providers.job import Limited, Waiting

DAY_SECONDS = 24 * 3600.0
DEFAULT_WAIT_SECONDS = 60.0

MEANINGS: Mapping[str, Waiting] = {
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

REMEDIES: Mapping[Waiting, str] = {
    "seconds": "It is asked again by itself after the time the provider named.",
    "a_day": "The jobs of this day are used up. It is asked again by itself tomorrow.",
    "no_money": "The account has no money left. Top it up, then `trainer resume RUN`.",
    "limit_reached": "A spending limit set at the provider is reached. Raise it there, then "
                     "`trainer resume RUN`.",
}  # fmt: skip


def limited(code: str, message: str, retry_after: str | None) -> Limited:
    """Tell what a 429 means; only `seconds` and `a_day` are worth waiting for.

    >>> limited("insufficient_quota", "no", None).meaning
    'no_money'
    """
    meaning = MEANINGS.get(code, "seconds")
    wait = DAY_SECONDS if meaning == "a_day" else DEFAULT_WAIT_SECONDS
    with suppress(ValueError):  # a date or nothing: the default is the careful one
        wait = max(float(retry_after or ""), 0.0)
    return Limited(meaning, wait, code, message)
