"""One version of a tuned model: what it was made from, how it did, and what happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import orjson
from sqlalchemy import Row

from trainer.errors import Refused
from trainer.security.redact import redact

VersionKind = Literal["adapter", "full", "encoder", "remote"]
Stage = Literal["candidate", "champion", "retired"]


@dataclass(frozen=True)
class ModelVersionInput:
    """What a run made, and from what."""

    plan_id: str
    provider: str
    base_model: str
    dataset_sha256: str
    source_sha256: str
    model: str
    """The provider's name of it, or its folder."""
    kind: VersionKind
    base_sha256: str = ""
    usd: Decimal | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Seconds, peak bytes, versions of packages, and what else was measured on the way."""
    shutdown_on: date | None = None
    """Day on which its provider ends it, where one is named."""


@dataclass(frozen=True)
class ModelVersion(ModelVersionInput):
    """One line of the registry."""

    version_id: str = ""
    name: str = ""
    number: int = 0
    run_id: str = ""
    stage: Stage = "candidate"
    evaluation: Mapping[str, Any] | None = None
    made_at: float = 0.0

    @property
    def verdict(self) -> str:
        """The word its evaluation ends with; empty where it has none."""
        return verdict_of(self.evaluation or {})

    @property
    def folder(self) -> Path | None:
        """Where its weights lie on this machine, if they do."""
        return None if self.kind == "remote" else Path(self.model)


@dataclass(frozen=True)
class VersionEvent:
    """One thing that happened to a version."""

    version_id: str
    seq: int
    kind: str
    at: float
    by: str
    body: Mapping[str, Any]


def version_of(row: Row[Any]) -> ModelVersion:
    """Read one line of the table."""
    values = dict(row._mapping)
    ends, usd, found = values["shutdown_on"], values["usd"], values["evaluation"]
    return ModelVersion(
        **{
            **values,
            "facts": orjson.loads(values["facts"]),
            "usd": None if usd is None else Decimal(usd),
            "shutdown_on": None if ends is None else date.fromisoformat(ends),
            "evaluation": None if found is None else orjson.loads(found),
        }
    )


def verdict_of(evaluation: Mapping[str, Any]) -> str:
    """Return the word of a verdict.

    >>> verdict_of({"verdict": {"word": "worse"}}), verdict_of({"verdict": "better"})
    ('worse', 'better')
    """
    said = evaluation.get("verdict")
    return str((said.get("word") if isinstance(said, Mapping) else said) or "")


def check_promotable(row: Row[Any], anyway: bool) -> None:
    """Let only a measured version be champion, and a worse one only where that was said.

    Raises:
        Refused: it was never evaluated, or is worse and *anyway* was not said.
    """
    if row.evaluation is None:
        raise Refused(
            f"{row.version_id}: nobody measured it. Measure it with `trainer evaluate "
            f"{row.run_id}`, then promote it."
        )
    if verdict_of(orjson.loads(row.evaluation)) == "worse" and not anyway:
        raise Refused(
            f"{row.version_id}: its evaluation says it is worse than what it was held "
            "against. Promote another version, or this one with --anyway."
        )


def comparison_fields(version: ModelVersion) -> dict[str, str]:
    """Return all that two versions can be compared by, as words."""
    plain = {
        "version": version.version_id,
        "stage": version.stage,
        "base": version.base_model,
        "base sha256": version.base_sha256,
        "dataset sha256": version.dataset_sha256,
        "source sha256": version.source_sha256,
        "kind": version.kind,
        "provider": version.provider,
        "model": version.model,
        "run": version.run_id,
        "USD": version.usd,
        "verdict": version.verdict,
        "ends": version.shutdown_on,
    }
    measured = dict((*flatten(version.evaluation or {}), *flatten(version.facts)))
    return {what: _value_text(value) for what, value in {**plain, **measured, **plain}.items()}


def _value_text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def flatten(body: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Give the numbers and words of a body, each with its path."""
    for key, value in body.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{above}{key}.")
        elif not isinstance(value, list):
            yield f"{above}{key}", value


def json_text(body: Mapping[str, Any]) -> str:
    """Write a body as JSON without a secret or a person's address in it."""
    return redact(orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str).decode())
