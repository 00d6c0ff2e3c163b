"""Ids of the OpenAI surface: conversion to and from ids of runs; and pages of lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from trainer.server.openai.errors import BadParameter

JOB_ID_PATTERN = re.compile(r"ftjob-([0-9a-f]{16})")
TUNED_NAME_PATTERN = re.compile(
    r"ft:(?P<base>.+):(?P<owner>[^:]*):(?P<suffix>[^:]*):(?P<run>[0-9a-f]{8})"
)
SHORT_HEX = 8


def run_hex(run_id: str) -> str:
    """Return the hexadecimal part of a run id.

    >>> run_hex("run_1f2e3d4c5b6a7988")
    '1f2e3d4c5b6a7988'
    """
    return run_id.removeprefix("run_")


def job_id_of(run_id: str) -> str:
    """Return the job id of a run.

    >>> job_id_of("run_1f2e3d4c5b6a7988")
    'ftjob-1f2e3d4c5b6a7988'
    """
    return f"ftjob-{run_hex(run_id)}"


def run_id_of(job_id: str) -> str | None:
    """Return the run id of a job, or None if it is not a valid job id.

    >>> run_id_of("ftjob-1f2e3d4c5b6a7988"), run_id_of("ftjob-%")
    ('run_1f2e3d4c5b6a7988', None)
    """
    match = JOB_ID_PATTERN.fullmatch(job_id)
    return f"run_{match[1]}" if match else None


def tuned_name(base: str, owner: str, suffix: str | None, run_id: str) -> str:
    """Return the name of a tuned model; a model tuned again keeps the name of its first base.

    >>> tuned_name("qwen", "ann", "triage", "run_1f2e3d4c5b6a7988")
    'ft:qwen:ann:triage:1f2e3d4c'
    >>> tuned_name("ft:qwen:ann::1f2e3d4c", "ann", None, "run_aaaaaaaabbbbbbbb")
    'ft:qwen:ann::aaaaaaaa'
    """
    match = TUNED_NAME_PATTERN.fullmatch(base)
    first_base = match["base"] if match else base
    return f"ft:{first_base}:{owner}:{suffix or ''}:{run_hex(run_id)[:SHORT_HEX]}"


def run_prefix_of(model: str) -> str | None:
    """Return how the run id of a tuned model begins, or None if it is not a tuned model's name.

    >>> run_prefix_of("ft:qwen:ann::1f2e3d4c"), run_prefix_of("qwen")
    ('run_1f2e3d4c', None)
    """
    match = TUNED_NAME_PATTERN.fullmatch(model)
    return f"run_{match['run']}" if match else None


def event_id_of(run_id: str, seq: int) -> str:
    """Return the id of an event of a job."""
    return f"ftevent-{run_hex(run_id)}-{seq}"


T = TypeVar("T")
After = Annotated[
    str | None,
    Query(description="Id of the last item of the previous page.", max_length=128, examples=[None]),
]
Limit = Annotated[int, Query(description="Maximum per page.", ge=1, le=1000, examples=[20])]


def page_of(
    items: Sequence[T], id_of: Callable[[T], str], after: str | None, limit: int
) -> tuple[list[T], bool]:
    """Return the page after an id, and whether more items follow.

    Raises:
        BadParameter: no item has the id *after*.
    """
    start = 0
    if after is not None:
        ids = [id_of(item) for item in items]
        if after not in ids:
            raise BadParameter(
                "after",
                f"'{after}' not found. Give the id of the last item of the previous page.",
            )
        start = ids.index(after) + 1
    return list(items[start : start + limit]), len(items) > start + limit
