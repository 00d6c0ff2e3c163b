"""OpenAI-compatible responses parsed into our records: jobs, files, events, checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from trainer.providers.base import Checkpoint, Job, RemoteFile, UnknownOutcome
from trainer.providers.openai_dialects import Dialect
from trainer.providers.status_words import job_state
from trainer.run_states import JobEvent


def parse_job(body: Mapping[str, Any], dialect: Dialect) -> Job:
    """Parse a job.

    Raises:
        UnknownOutcome: id or status is missing, so the response is not valid.
    """
    job_id, status = job_id_and_status(body)
    tokens: Any = body.get("trained_tokens")
    return Job(
        job_id=job_id,
        state=job_state(dialect.words, status),
        word=status,
        base_model=body.get("model"),
        key=_key(body, dialect),
        created_at=parse_time(body.get("created_at")),
        model=body.get("fine_tuned_model"),
        error=parse_error(body.get("error")),
        trained_tokens=int(tokens) if _is_number(tokens) else None,
        echo=parse_echo(body),
        raw=body,
    )


def job_id_and_status(
    body: Mapping[str, Any], id_key: str = "id", status_key: str = "status"
) -> tuple[str, str]:
    """Return the id and the status of a job.

    Raises:
        UnknownOutcome: one of them is missing, so the response is not valid.
    """
    job_id, status = body.get(id_key), body.get(status_key)
    if not isinstance(job_id, str) or not job_id or not isinstance(status, str):
        raise UnknownOutcome(f"the response has no job ({id_key} {job_id!r}, status {status!r})")
    return job_id, status


def _key(body: Mapping[str, Any], dialect: Dialect) -> str | None:
    if dialect.key_in == "metadata":
        key = (body.get("metadata") or {}).get("launch_key")
    else:
        key = body.get("suffix") or body.get("user_provided_suffix")
    return str(key) if key else None


def parse_echo(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the hyperparameters that the provider reports, from every place it uses."""
    settings = dict(body.get("hyperparameters") or {})
    method = body.get("method") or {}
    inner = method.get(str(method.get("type"))) if isinstance(method, Mapping) else None
    if isinstance(inner, Mapping):
        settings |= dict(inner.get("hyperparameters") or {})
    return settings


def parse_error(error: Any) -> str | None:
    """Return the error of a job in one line, or None."""
    if not isinstance(error, Mapping) or not (error.get("code") or error.get("message")):
        return None
    return f"{error.get('code')}: {error.get('message')}"


def changed_settings(asked: Mapping[str, Any], echo: Mapping[str, Any]) -> list[str]:
    """List the settings that differ from the request; `auto` can become any value.

    >>> changed_settings({"n_epochs": 3, "batch_size": "auto"}, {"n_epochs": 1, "batch_size": 8})
    ['n_epochs: asked 3, got 1']
    """
    changed = []
    for name, value in asked.items():
        got = echo.get(name, value)
        if value in ("auto", None) or got is None:
            continue
        if _is_number(got) and _is_number(value):
            same = abs(float(got) - float(value)) <= 1e-9 * abs(float(value))
        else:
            same = got == value
        if not same:
            changed.append(f"{name}: asked {value}, got {got}")
    return changed


def parse_event(body: Mapping[str, Any]) -> JobEvent:
    """Parse one event of a job; an event without an id gets the hash of its content."""
    data = body.get("data") if isinstance(body.get("data"), Mapping) else {}
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str)
    event_id = body.get("id") or hashlib.sha256(content).hexdigest()[:32]
    at, kind = parse_time(body.get("created_at")) or 0.0, str(body.get("type") or "message")
    level, message = str(body.get("level") or "info"), str(body.get("message") or "")
    return JobEvent(str(event_id), at, kind, level, message, data or {})


def parse_checkpoint(body: Mapping[str, Any]) -> Checkpoint:
    """Parse one checkpoint."""
    reported = (body.get("metrics") or {}).items()
    metrics = {name: float(value) for name, value in reported if _is_number(value)}
    name = body.get("fine_tuned_model_checkpoint") or body.get("id") or ""
    return Checkpoint(str(name), int(body.get("step_number") or 0), metrics)


def parse_file(body: Mapping[str, Any]) -> RemoteFile:
    """Parse a file.

    Raises:
        UnknownOutcome: the id is missing, so the response is not valid.
    """
    if not body.get("id"):
        raise UnknownOutcome("the response has no file")
    status = str(body.get("status") or "processed")
    size = body.get("bytes")
    broken = str(body.get("status_details") or status) if status == "error" else None
    is_ready = status in {"processed", "uploaded"}
    return RemoteFile(str(body["id"]), None if size is None else int(size), is_ready, broken)


def check_complete(sent: RemoteFile, size: int) -> None:
    """Check that a file arrived complete.

    Raises:
        UnknownOutcome: the provider reports another size or an error.
    """
    if sent.bytes is not None and sent.bytes != size:
        raise UnknownOutcome(f"{sent.bytes} of {size} bytes arrived")
    if sent.broken:
        raise UnknownOutcome(f"the provider cannot read the file: {sent.broken}")


def parse_time(value: Any) -> float | None:
    """Return a time in seconds since 1970, from such a number or from ISO 8601."""
    if _is_number(value):
        return float(value)
    try:
        parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
