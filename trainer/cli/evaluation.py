"""`trainer evaluate`: base, tuned model and baselines on held-out rows, and the verdict."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from advisor.console import console, plain_table, print_text, write_json
from trainer.cli.flags import JsonFlag, RunArgument
from trainer.context import open_context
from trainer.errors import Refused
from trainer.evaluation.report import Evaluation, evaluation_sentences, evaluation_table
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run
from trainer.runs.mlflow_log import log_version
from trainer.scripts.manifest import write_json as write_json_file


def evaluate_run(
    named: RunArgument,
    as_json: JsonFlag = False,
    log_to: Annotated[
        str | None,
        typer.Option("--log-to", help="MLflow store on this machine: sqlite:///FILE."),
    ] = None,
) -> None:
    """Score a run from the stored answers of its models, and store the result in its version."""
    context = open_context()
    run = context.store.run(named)
    plan = context.store.plan(run.plan_id)
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if plan.local is None:
        raise Refused(
            f"{run.run_id}: the model is at {plan.provider} and cannot be evaluated here. Measure "
            "it yourself, set quality.measured in the scenario, and recommend again."
        )
    if not folder.has("answers.tuned.jsonl"):
        raise Refused(
            f"{run.run_id} is {run.state}: no answers on held-out rows. Plan with "
            "--held-out above 0, and wait until the run has finished."
        )
    scored = score_run(folder)
    write_json_file(folder.path / "evaluation.json", scored)
    for version in context.registry.listed():
        if version.run_id == run.run_id:
            evaluated = context.registry.evaluated(version.version_id, scored)
            if log_to is not None:
                log_version(evaluated, scored, log_to)
    if as_json:
        return write_json(scored)
    return show_evaluation(scored)


def show_evaluation(scored: dict[str, Any]) -> None:
    """Print the scores side by side, forgetting, and the verdict."""
    evaluation = Evaluation.from_dict(scored)
    head, *rows = evaluation_table(evaluation)
    print_text(f"\n{evaluation.metric} on {evaluation.rows} held-out rows")
    console().print(plain_table(head, rows, set(head[1:])))
    print_text("\n" + "\n".join(evaluation_sentences(evaluation)))
