"""A body that asks for more than an answer -> the answer with its trace, or in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.answer import Question
from advisor.api.planner import Planner
from advisor.api.reading import record_of
from advisor.files import words_of
from advisor.telling import tell
from advisor.trace import Told, trace
from advisor.units import Record


class More(Record):
    """What is asked for beside the answer."""

    trace: bool = False
    """Whether to write down every rule that was tried."""
    explain: str | None = None
    """Language in which to tell the decision in sentences, such as en or de."""


def parted(body: Mapping[str, Any]) -> tuple[dict[str, Any], More]:
    """Part a body into the question and what is asked for beside its answer.

    Raises:
        RequestRefused: what is asked for beside it cannot be understood.
    """
    if "question" not in body:
        return dict(body), More()
    more = {key: value for key, value in body.items() if key in More.model_fields}
    rest = {key: value for key, value in body.items() if key not in more}
    return rest, record_of(More, more, "body")


def told_bytes(planner: Planner, question: Question, more: More) -> bytes:
    """Answer a question with what is asked for beside it, as canonical bytes.

    Raises:
        AdvisorError: it cannot be worked out, or nobody wrote the sentences of the language.
    """
    words = words_of(more.explain) if more.explain else None
    found = planner.answered(question)
    return planner.bytes_of(Told(
        answer=found, trace=trace(question, found) if more.trace else None,
        text=tell(found, words) if words else None,
    ))  # fmt: skip
