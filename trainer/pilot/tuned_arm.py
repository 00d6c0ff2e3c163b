"""Rows to learn from and held-out cases -> a tuned model's answers, by the runs that trainer has.

The plain baseline is fitted in this process; a tuned model is an ordinary plan and an ordinary run,
here or at a provider, with its own line in the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from advisor.plan.training_plan import TrainingPlan
from advisor.units import Approach
from trainer.context import TrainerContext
from trainer.errors import LeaseLost, Refused
from trainer.evaluation.baselines import tfidf_logreg
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.paid_calls.journal import ArmAnswer
from trainer.pilot.cases import EvaluationCase
from trainer.plan.create import build_plan
from trainer.plan.request import PlanRequest
from trainer.run_states import Run
from trainer.runs import start
from trainer.runs.reconcile import reconcile
from trainer.scripts.tokenize_rows import read_rows


def baseline_answers(
    shown: Sequence[EvaluationCase], cases: Sequence[EvaluationCase]
) -> dict[str, ArmAnswer]:
    """Fit the plain baseline on what may be shown, and have it label the cases."""
    answers, _, seconds = tfidf_logreg(
        [case.asked for case in shown],
        [case.expected for case in shown],
        [case.asked for case in cases],
    )
    return {
        case.key: ArmAnswer("plain", case.key, answer, None, 0, 0, "0", seconds)
        for case, answer in zip(cases, answers, strict=True)
    }


def plan_tuning(
    request: PlanRequest,
    shown: Sequence[EvaluationCase],
    cases: Sequence[EvaluationCase],
    context: TrainerContext,
) -> TrainingPlan:
    """Plan the training of the tuned arm: on the rows that may be shown, evaluated on the cases.

    Raises:
        Refused, UsageError: as `trainer plan`; and if the tuned model would be billed by the hour.
    """
    with TemporaryDirectory() as folder:
        rows, held = Path(folder) / "rows.jsonl", Path(folder) / "held.jsonl"
        for path, some in ((rows, shown), (held, cases)):
            path.write_bytes(b"".join(case.row + b"\n" for case in some))
        files = {"dataset": rows, "held_out": held, "held_out_share": 0.0}
        plan = build_plan(context, request.model_copy(update=files))
    if plan.local is None and plan.serving != "per_token":
        raise Refused(
            f"{plan.option_id}: {plan.provider} serves tuned models by the hour. Name "
            "an option that is billed by the token, or tune a --base here."
        )
    return plan


def plan_approach(made: TrainingPlan) -> Approach:
    """Return the approach that a plan's option begins with."""
    approach: Approach = made.option_id.split(":")[0]  # type: ignore[assignment]
    return approach


def tune(context: TrainerContext, made: TrainingPlan, egress: str | None) -> Run:
    """Start the run of a plan, or go on with it, until it is settled.

    Raises:
        Refused: it failed, was cancelled, or needs a person.
        NoConsent: rows would leave, and nobody agreed.
    """
    context.store.keep_plan(made)
    agreed = start.LaunchConsent(Decimal(made.figure.at_most), egress)
    run_id, _ = start.start_run(context, made, agreed)
    while (seconds := _look(context, run_id)) is not None:
        context.clock.sleep(seconds)
    run = context.store.run(run_id)
    if run.state == "needs_human":
        raise Refused(
            f"{run_id}: {run.said('needs_human', 'why')} "
            f"{run.said('needs_human', 'remedy')} Then say it again."
        )
    if run.outcome != "succeeded":
        raise Refused(
            f"{run_id} is {run.outcome or run.state}: `trainer show {run_id}` says why. "
            "Leave the arm out with --arms, or mend it and say it again."
        )
    return run


def _look(context: TrainerContext, run_id: str) -> float | None:
    """Bring a run further; return how long to wait, nothing where there is nothing to wait for."""
    try:
        pause = reconcile(context, run_id)
    except LeaseLost:
        return context.limits.poll_seconds
    return None if pause is None else pause.seconds


def local_answers(run: Run, cases: Sequence[EvaluationCase]) -> dict[str, ArmAnswer]:
    """Read what a model that was tuned here answered to the cases."""
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if not folder.has("answers.tuned.jsonl"):
        raise Refused(
            f"{run.run_id}: it answered no held-out rows. `trainer events {run.run_id}` says why."
        )
    lines = read_rows(folder.path / "answers.tuned.jsonl")
    return {
        cases[line["row"]].key: ArmAnswer(
            "tuned",
            cases[line["row"]].key,
            line["answer"],
            None,
            0,
            line["completion_tokens"],
            "0",
            line["seconds"],
        )
        for line in lines
    }
