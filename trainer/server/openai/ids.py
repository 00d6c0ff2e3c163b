"""Names of runs and files of ours <-> names as the protocol of OpenAI writes them.

A list and what a caller asks of it -> one page, and whether more follows.
"""

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
    """Return what is the run's own in its name.

    >>> run_hex("run_1f2e3d4c5b6a7988")
    '1f2e3d4c5b6a7988'
    """
    return run_id.removeprefix("run_")


def job_id_of(run_id: str) -> str:
    """Name the job of a run.

    >>> job_id_of("run_1f2e3d4c5b6a7988")
    'ftjob-1f2e3d4c5b6a7988'
    """
    return f"ftjob-{run_hex(run_id)}"


def run_id_of(job_id: str) -> str | None:
    """Name the run of a job; nothing where this is no name of one.

    >>> run_id_of("ftjob-1f2e3d4c5b6a7988"), run_id_of("ftjob-%")
    ('run_1f2e3d4c5b6a7988', None)
    """
    found = JOB_ID_PATTERN.fullmatch(job_id)
    return f"run_{found[1]}" if found else None


def tuned_name(base: str, owner: str, suffix: str | None, run_id: str) -> str:
    """Name what a run tuned; a model that was tuned again keeps the name of its first base.

    >>> tuned_name("qwen", "ann", "triage", "run_1f2e3d4c5b6a7988")
    'ft:qwen:ann:triage:1f2e3d4c'
    >>> tuned_name("ft:qwen:ann::1f2e3d4c", "ann", None, "run_aaaaaaaabbbbbbbb")
    'ft:qwen:ann::aaaaaaaa'
    """
    before = TUNED_NAME_PATTERN.fullmatch(base)
    first = before["base"] if before else base
    return f"ft:{first}:{owner}:{suffix or ''}:{run_hex(run_id)[:SHORT_HEX]}"


def run_prefix_of(model: str) -> str | None:
    """Return how the run of a tuned model begins; nothing where the name is of no such model.

    >>> run_prefix_of("ft:qwen:ann::1f2e3d4c"), run_prefix_of("qwen")
    ('run_1f2e3d4c', None)
    """
    found = TUNED_NAME_PATTERN.fullmatch(model)
    return f"run_{found['run']}" if found else None


def event_id_of(run_id: str, seq: int) -> str:
    """Name an event of a job."""
    return f"ftevent-{run_hex(run_id)}-{seq}"


def checkpoint_id_of(run_id: str, step: int) -> str:
    """Name a checkpoint of a job."""
    return f"ftckpt_{run_hex(run_id)}_{step}"


def result_file_of(run_id: str) -> str:
    """Name the file with the numbers of a job."""
    return f"file-result-{run_hex(run_id)}"


T = TypeVar("T")
After = Annotated[
    str | None,
    Query(description="Name of the last one of the page before.", max_length=128, examples=[None]),
]
Limit = Annotated[int, Query(description="Most on a page.", ge=1, le=1000, examples=[20])]


def page_of(
    found: Sequence[T], name_of: Callable[[T], str], after: str | None, limit: int
) -> tuple[list[T], bool]:
    """Cut a page out of a list.

    Returns:
        The page, and whether more follows.

    Raises:
        BadParameter: nothing in the list has the name that the page comes after.
    """
    start = 0
    if after is not None:
        names = [name_of(one) for one in found]
        if after not in names:
            raise BadParameter(
                "after",
                f"after: '{after}' is not in this list. Give the id of the "
                "last one of the page before.",
            )
        start = names.index(after) + 1
    return list(found[start : start + limit]), len(found) > start + limit
