"""A list and what a caller asks of it -> one page, and whether more follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from trainer.http.openai.errors import BadParameter

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
            raise BadParameter("after", f"after: '{after}' is not in this list. Give the id of the "
                               "last one of the page before.")  # fmt: skip
        start = names.index(after) + 1
    return list(found[start : start + limit]), len(found) > start + limit
