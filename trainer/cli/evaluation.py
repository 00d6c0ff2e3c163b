"""`trainer evaluate`: the systems side by side on rows that were held out, and the verdict."""

from __future__ import annotations

from typing import Any

from advisor.console import console, plain_table, write_json
from trainer.context import open_context
from trainer.errors import Refused
from trainer.evaluation.report import Evaluation, evaluation_sentences, evaluation_table
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run
from trainer.run_states import Run
from trainer.runs.mlflow_log import log_version
from trainer.scripts.manifest import write_json as keep_json


def evaluate_run(named: str, as_json: bool, log_to: str | None = None) -> None:
    """Score a run anew from what its models answered, and lay it beside its version."""
    context = open_context()
    run = context.store.run(named)
    plan = context.store.plan(run.plan_id)
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if plan.local is None:
        raise Refused(
            f"{run.run_id}: {plan.provider} holds the model. Put what your own measure "
            "said into quality.measured of the scenario, and ask again."
        )
    if not folder.has("answers.tuned.jsonl"):
        raise Refused(
            f"{run.run_id} is {run.state}: no held-out rows were answered. Plan with "
            "--held-out above 0, and let it end."
        )
    found = score_run(folder)
    keep_json(folder.path / "evaluation.json", found)
    for version in context.registry.listed():
        if version.run_id == run.run_id:
            measured = context.registry.evaluated(version.version_id, found)
            if log_to is not None:
                log_version(measured, found, log_to)
    if as_json:
        return write_json(found)
    return show_evaluation(found)


def show_evaluation(found: dict[str, Any]) -> None:
    """Print the columns side by side, what was forgotten, and the verdict."""
    evaluation = Evaluation.from_dict(found)
    head, *rows = evaluation_table(evaluation)
    console().print(f"\n{evaluation.metric} on {evaluation.rows} rows that were held out")
    console().print(plain_table(head, rows, set(head[1:])))
    console().print("\n" + "\n".join(evaluation_sentences(evaluation)), soft_wrap=True)


def evaluation_of(run: Run) -> dict[str, Any] | None:
    """Return what was measured of a local run, if it was."""
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    found: dict[str, Any] | None = folder.read("evaluation.json") if run.job_id else None
    return found
