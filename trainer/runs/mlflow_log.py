"""Log a model version and its evaluation to an MLflow store on this machine."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from advisor.errors import UsageError
from trainer.errors import Refused
from trainer.security.api_keys import LOOPBACK
from trainer.storage.model_version import ModelVersion, flatten

REMOTE_SCHEMES = frozenset({"databricks", "databricks-uc", "uc"})
"""Tracking URIs that look like a folder but name a service."""
NOT_A_NAME = re.compile(r"[^\w./ -]")
MAX_CHARACTERS = 5000
PARAMETERS = (
    "provider",
    "base_model",
    "kind",
    "base_sha256",
    "dataset_sha256",
    "source_sha256",
    "plan_id",
    "model",
)
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def log_version(
    version: ModelVersion, evaluation: Mapping[str, Any] | None, tracking_uri: str
) -> str:
    """Log params, metrics and tags of a version; return MLflow's run id, one for each version.

    Raises:
        Refused: the store is not on this machine.
        UsageError: the package `mlflow` is not installed.
    """
    check_local_store(tracking_uri)
    os.environ.update(QUIET)  # MLflow reports usage to its makers by default
    try:
        mlflow = importlib.import_module("mlflow")
    except ImportError as error:
        raise UsageError(
            "mlflow", "the package is not installed.", "Run: pip install 'tune-or-not[mlflow]'."
        ) from error
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    run_id = _run_of(client, version)
    for name in PARAMETERS:
        client.log_param(run_id, name, getattr(version, name))
    for name, value in _measured(version, evaluation or {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            client.log_metric(run_id, name, float(value))
        else:
            client.set_tag(run_id, name, str(value)[:MAX_CHARACTERS])
    client.set_tag(run_id, "stage", version.stage)
    client.set_terminated(run_id)
    return run_id


def check_local_store(tracking_uri: str) -> None:
    """Check that a tracking URI is on this machine.

    Raises:
        Refused: it is, or may be, elsewhere.
        UsageError: it is a folder, which MLflow 3.17 does not support.
    """
    parts = urlsplit(tracking_uri)
    scheme = parts.scheme if len(parts.scheme) > 1 else ""  # one letter is a drive
    odd = "@" in tracking_uri or ("\\" in tracking_uri and scheme) or not tracking_uri.strip()
    is_loopback = parts.hostname in LOOPBACK
    plain = scheme in ("", "file", "sqlite") and not parts.netloc
    if odd or tracking_uri in REMOTE_SCHEMES or not (plain or is_loopback):
        raise Refused(
            f"tracking URI '{tracking_uri}': not on this machine, and no data may leave it. "
            "Use sqlite:///FILE, or a server on 127.0.0.1."
        )
    if scheme in ("", "file"):
        raise UsageError(
            f"--log-to {tracking_uri}",
            "MLflow no longer writes to folders.",
            "Use sqlite:///FILE.",
        )


def _run_of(client: Any, version: ModelVersion) -> str:
    known = client.get_experiment_by_name(version.name)
    experiment = client.create_experiment(version.name) if known is None else known.experiment_id
    runs = client.search_runs([experiment], f"tags.version_id = '{version.version_id}'")
    if runs:
        return str(runs[0].info.run_id)
    tags = {"version_id": version.version_id, "trainer_run_id": version.run_id}
    made = client.create_run(
        experiment, start_time=int(version.made_at * 1000), tags=tags, run_name=version.version_id
    )
    return str(made.info.run_id)


def _measured(version: ModelVersion, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    usd = {} if version.usd is None else {"usd": float(version.usd)}
    found = {**dict(flatten(version.facts)), **dict(flatten(evaluation)), **usd}
    return {NOT_A_NAME.sub("_", name): value for name, value in found.items() if value is not None}
