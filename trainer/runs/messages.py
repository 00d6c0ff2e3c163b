"""One event of a run as one line that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.clock import utc_datetime
from trainer.run_states import Event, Run

EVENT_MESSAGES: Mapping[str, str] = {
    "intent": "to be launched once, under a cap of {cap_usd} USD",
    "refused": "it waits: {why}",
    "consented": "{rows} rows, {bytes} bytes may go to {provider}",
    "reserved": "{usd} USD set aside",
    "uploaded": "file {training:.40}: {why}",
    "estimated": "{usd} USD for {tokens} tokens by the provider's reckoning, "
    "{ours_usd} for {ours_tokens} by ours",
    "creating": "asking for the job, under the key {key:.28}",
    "created": "job {job_id}, {how}",
    "queued": "{word}",
    "running": "{word}",
    "paused": "{word}",
    "succeeded": "{word}: {model}",
    "verified": "{model} answered with {characters} characters",
    "registered": "{version}: {says}",
    "settled": "{usd} USD, {how}; {likely_usd} was likely, {cap_usd} the cap",
}
HIDDEN_KEYS = frozenset({"boot", "ticks", "request_sha256", "sha256", "plan_id"})


def event_line(run: Run, says: str = "", event: Event | None = None) -> str:
    """Write a run or one of its events as one line."""
    last = event or run.events[-1]
    when = utc_datetime(last.at).strftime("%H:%M:%S")
    return f"{when}  {last.kind:<15}  {says or _event_detail(last)}".rstrip()


def _event_detail(event: Event) -> str:
    template = EVENT_MESSAGES.get(event.kind)
    if template is not None:
        try:
            return template.format(**event.body)
        except KeyError:
            pass
    return "; ".join(
        _field_text(name, value)
        for name, value in event.body.items()
        if name not in HIDDEN_KEYS and value not in (None, "", [], {})
    )


def _field_text(name: str, value: Any) -> str:
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if name in ("why", "checked", "heard") else f"{name} {text}"
