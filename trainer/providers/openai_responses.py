"""An OpenAI-shaped answer -> our records; what we need must be there, the rest is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from trainer.providers.base import Checkpoint, Job, RemoteFile, UnknownOutcome
from trainer.providers.openai_dialects import Dialect
from trainer.providers.status_words import job_state
from trainer.run_states import JobEvent


def parse_job(body: Mapping[str, Any], dialect: Dialect) -> Job:
    """Read a job.

    Raises:
        Unknown: id or status is missing, so the answer cannot be believed.
    """
    job_id, word = body.get("id"), body.get("status")
    if not isinstance(job_id, str) or not job_id or not isinstance(word, str):
        raise UnknownOutcome(f"the answer names no job (id {job_id!r}, status {word!r})")
    return Job(
        job_id=job_id,
        state=job_state(dialect.words, word),
        word=word,
        base_model=body.get("model"),
        key=_key(body, dialect),
        created_at=parse_time(body.get("created_at")),
        model=body.get("fine_tuned_model"),
        error=parse_error(body.get("error")),
        trained_tokens=_count(body.get("trained_tokens")),
        echo=parse_echo(body),
        raw=body,
    )


def _key(body: Mapping[str, Any], dialect: Dialect) -> str | None:
    if dialect.key_in == "metadata":
        key = (body.get("metadata") or {}).get("launch_key")
    else:
        key = body.get("suffix") or body.get("user_provided_suffix")
    return str(key) if key else None


def parse_echo(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the hyperparameters that the provider says it uses, wherever it says so."""
    found = dict(body.get("hyperparameters") or {})
    method = body.get("method") or {}
    inner = method.get(str(method.get("type"))) if isinstance(method, Mapping) else None
    if isinstance(inner, Mapping):
        found |= dict(inner.get("hyperparameters") or {})
    return found


def parse_error(error: Any) -> str | None:
    """Write a job's error in one line, if it has one."""
    if not isinstance(error, Mapping) or not (error.get("code") or error.get("message")):
        return None
    return f"{error.get('code')}: {error.get('message')}"


def changed_settings(asked: Mapping[str, Any], echo: Mapping[str, Any]) -> list[str]:
    """Name each setting that came back other than it was asked for; `auto` may become anything.

    >>> changed_settings({"n_epochs": 3, "batch_size": "auto"}, {"n_epochs": 1, "batch_size": 8})
    ['n_epochs: asked 3, got 1']
    """
    found = []
    for name, value in asked.items():
        got = echo.get(name, value)
        if value in ("auto", None) or got is None:
            continue
        same = (
            abs(float(got) - float(value)) <= 1e-9 * abs(float(value))
            if _is_number(got) and _is_number(value)
            else got == value
        )
        if not same:
            found.append(f"{name}: asked {value}, got {got}")
    return found


def parse_event(body: Mapping[str, Any]) -> JobEvent:
    """Read one event of a job; one without an id is known by its content."""
    data = body.get("data") if isinstance(body.get("data"), Mapping) else {}
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str)
    event_id = body.get("id") or hashlib.sha256(content).hexdigest()[:32]
    return JobEvent(
        str(event_id),
        parse_time(body.get("created_at")) or 0.0,
        str(body.get("type") or "message"),
        str(body.get("level") or "info"),
        str(body.get("message") or ""),
        data or {},
    )


def parse_checkpoint(body: Mapping[str, Any]) -> Checkpoint:
    """Read one checkpoint."""
    metrics = {
        name: float(value)
        for name, value in (body.get("metrics") or {}).items()
        if _is_number(value)
    }
    name = body.get("fine_tuned_model_checkpoint") or body.get("id") or ""
    return Checkpoint(str(name), int(body.get("step_number") or 0), metrics)


def check_complete(sent: RemoteFile, size: int) -> None:
    """See that a file arrived whole.

    Raises:
        Unknown: the provider holds another size.
    """
    if sent.bytes is not None and sent.bytes != size:
        raise UnknownOutcome(f"{sent.bytes} of {size} bytes arrived")
    if sent.broken:
        raise UnknownOutcome(f"the file is broken there: {sent.broken}")


def parse_time(value: Any) -> float | None:
    """Read a moment: seconds since 1970, or ISO 8601."""
    from datetime import UTC, datetime

    if _is_number(value):
        return float(value)
    try:
        read = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _count(value: Any) -> int | None:
    return int(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
