"""Tuned models of the registry under their `ft:` names, for the callers that can use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from advisor.errors import did_you_mean
from advisor.plan.training_plan import TrainingPlan
from trainer.home import home_folder
from trainer.server.context import ServerContext
from trainer.server.openai.errors import model_not_found
from trainer.server.openai.ids import run_prefix_of, tuned_name
from trainer.storage.access_tokens import Caller
from trainer.storage.model_version import ModelVersion


@dataclass(frozen=True)
class TunedModel:
    """One model that was tuned on this server."""

    name: str
    owner: str
    version: ModelVersion
    plan: TrainingPlan

    @property
    def run_folder(self) -> Path:
        """The folder of its run."""
        return home_folder() / "runs" / self.version.run_id


def tuned_models(
    server: ServerContext, caller: Caller, run_prefix: str = "run_"
) -> list[TunedModel]:
    """List the tuned models a caller can use, newest first."""
    store = server.context.store
    owners = {run.run_id: run.owner for run in store.listed(owner=caller.owner_filter)}
    jobs = {job.run_id: job for job in server.jobs.listed(caller.owner_filter)}
    models = []
    for version in server.context.registry.listed():
        run_id = version.run_id
        if version.kind == "remote" or run_id not in owners or not run_id.startswith(run_prefix):
            continue
        plan, owner = store.plan(version.plan_id), owners[run_id] or ""
        base = jobs[run_id].request["model"] if run_id in jobs else plan.base_model
        name = tuned_name(base, owner, plan.suffix, run_id)
        models.append(TunedModel(name, owner, version, plan))
    return sorted(models, key=lambda model: (-model.version.made_at, model.name))


def tuned_model(server: ServerContext, caller: Caller, name: str) -> TunedModel:
    """Return a tuned model by its name.

    Raises:
        OpenAINotFound: the caller has no such model.
    """
    prefix = run_prefix_of(name)
    for model in tuned_models(server, caller, prefix) if prefix else ():
        if model.name == name:
            return model
    known = {*server.bases(), *(model.name for model in tuned_models(server, caller))}
    raise model_not_found(name, f" not found.{did_you_mean(name, known)}")
