"""Versions in the registry -> models by their `ft:` names, for whoever may use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from advisor.errors import did_you_mean
from advisor.plan.training_plan import TrainingPlan
from trainer.home import home_folder
from trainer.server.context import ServerContext
from trainer.server.openai.errors import OpenAINotFound
from trainer.server.openai.ids import run_prefix_of, tuned_name
from trainer.storage.access_tokens import Caller
from trainer.storage.job_store import JobStore
from trainer.storage.model_version import ModelVersion


@dataclass(frozen=True)
class TunedModel:
    """One model that was tuned here."""

    name: str
    owner: str
    version: ModelVersion
    plan: TrainingPlan

    @property
    def run_folder(self) -> Path:
        """The folder of its run."""
        return home_folder() / "runs" / self.version.run_id


def job_store(server: ServerContext) -> JobStore:
    """Open the table of jobs."""
    return JobStore(server.context.store.engine, server.context.clock)


def tuned_models(
    server: ServerContext, caller: Caller, run_prefix: str = "run_"
) -> list[TunedModel]:
    """List the tuned models that a caller may use, the newest first."""
    owners = {
        run.run_id: run.owner for run in server.context.store.listed(owner=caller.owner_filter)
    }
    asked = {job.run_id: job for job in job_store(server).listed(caller.owner_filter)}
    found = []
    for version in server.context.registry.listed():
        run_id = version.run_id
        if version.kind == "remote" or run_id not in owners or not run_id.startswith(run_prefix):
            continue
        plan, owner = server.context.store.plan(version.plan_id), owners[run_id] or ""
        base = asked[run_id].request["model"] if run_id in asked else plan.base_model
        found.append(TunedModel(tuned_name(base, owner, plan.suffix, run_id), owner, version, plan))
    return sorted(found, key=lambda one: (-one.version.made_at, one.name))


def tuned_model(server: ServerContext, caller: Caller, name: str) -> TunedModel:
    """Find a tuned model by its name.

    Raises:
        NotThere: there is none that the caller may use.
    """
    prefix = run_prefix_of(name)
    found = tuned_models(server, caller, prefix) if prefix else []
    for one in found:
        if one.name == name:
            return one
    raise model_not_found(server, caller, name)


def model_not_found(server: ServerContext, caller: Caller, name: str) -> OpenAINotFound:
    """Say that there is no model of a name, and which are near."""
    known = {*server.bases(), *(one.name for one in tuned_models(server, caller))}
    return OpenAINotFound(
        f"model '{name}': there is no such model for you.{did_you_mean(name, known)}",
        "model",
        "model_not_found",
    )
