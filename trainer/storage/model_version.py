"""Model version: one tuned model with its origin, its evaluation and its stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from trainer.errors import Refused
from trainer.storage.database import AnyRow

VersionKind = Literal["adapter", "full", "encoder", "remote"]
Stage = Literal["candidate", "champion", "retired"]


@dataclass(frozen=True)
class ModelVersionInput:
    """A model that a run produced, and what it was made from."""

    plan_id: str
    provider: str
    base_model: str
    dataset_sha256: str
    source_sha256: str
    model: str
    """The provider's name of the model, or its folder."""
    kind: VersionKind
    base_sha256: str = ""
    usd: Decimal | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Measurements of the training: seconds, peak bytes, package versions."""
    shutdown_on: date | None = None
    """Day on which the provider shuts the model down, if announced."""


@dataclass(frozen=True)
class ModelVersion(ModelVersionInput):
    """One version in the registry."""

    version_id: str = ""
    name: str = ""
    number: int = 0
    run_id: str = ""
    stage: Stage = "candidate"
    evaluation: Mapping[str, Any] | None = None
    made_at: float = 0.0

    @property
    def verdict(self) -> str:
        """Verdict of the evaluation; empty if there is none."""
        return verdict_of(self.evaluation or {})

    @property
    def folder(self) -> Path | None:
        """Folder of the weights on this machine, or None for a remote model."""
        return None if self.kind == "remote" else Path(self.model)


@dataclass(frozen=True)
class VersionEvent:
    """One event in the history of a version."""

    version_id: str
    seq: int
    kind: str
    at: float
    by: str
    body: Mapping[str, Any]


def version_of(row: AnyRow) -> ModelVersion:
    """Return a row of the table as a version."""
    values = dict(row._mapping)
    usd, shutdown_on = values["usd"], values["shutdown_on"]
    values["usd"] = None if usd is None else Decimal(usd)
    values["shutdown_on"] = None if shutdown_on is None else date.fromisoformat(shutdown_on)
    return ModelVersion(**values)


def verdict_of(evaluation: Mapping[str, Any]) -> str:
    """Return the verdict of an evaluation; empty if there is none.

    >>> verdict_of({"verdict": {"word": "worse"}}), verdict_of({"verdict": "better"})
    ('worse', 'better')
    """
    verdict = evaluation.get("verdict")
    return str((verdict.get("word") if isinstance(verdict, Mapping) else verdict) or "")


def check_promotable(version: ModelVersion, anyway: bool) -> None:
    """Allow only an evaluated version as champion, and a worse one only with *anyway*.

    Raises:
        Refused: it was never evaluated, or is worse and *anyway* is not set.
    """
    if version.evaluation is None:
        raise Refused(
            f"{version.version_id}: not evaluated. Evaluate it with 'trainer evaluate "
            f"{version.run_id}', then promote it."
        )
    if version.verdict == "worse" and not anyway:
        raise Refused(
            f"{version.version_id}: its evaluation found it worse than the baseline. Promote "
            "another version, or this one with --anyway."
        )


def check_not_champion(version: ModelVersion) -> None:
    """Protect a champion from deletion.

    Raises:
        Refused: the version is the champion of its name.
    """
    if version.stage == "champion":
        raise Refused(
            f"{version.version_id}: it is the champion. Promote another version first, or "
            f"retire this one with 'trainer retire {version.version_id}'."
        )


def comparison_fields(version: ModelVersion) -> dict[str, str]:
    """Return all fields in which two versions can differ, as text."""
    fields = {
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
    # first for their order, last because a measurement of the same name must not replace them
    return {name: _value_text(value) for name, value in {**fields, **measured, **fields}.items()}


def _value_text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def flatten(body: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the numbers and strings of a nested body, each with its dotted path."""
    for key, value in body.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{above}{key}.")
        elif not isinstance(value, list):
            yield f"{above}{key}", value
