"""Arms that train: the TF-IDF baseline, fitted here, and a tuned model, made by an ordinary run.

The run has its own plan and its own line in the ledger, on this machine or at a provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from advisor.plan.training_plan import TrainingPlan
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
    """Fit the baseline on the rows that may be shown, and have it label the cases."""
    answers, _, seconds = tfidf_logreg(
        [case.user_text for case in shown],
        [case.expected for case in shown],
        [case.user_text for case in cases],
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
    """Build the plan of the training: it trains on *shown* and holds the cases out.

    Without an option, a base folder is tuned as the kind of model in its config.

    Raises:
        Refused, UsageError: as `trainer plan`, or if the provider bills tuned models by the hour.
    """
    option = request.option
    if option is None and request.base is not None:
        config = request.base / "config.json"
        text = config.read_text(encoding="utf-8") if config.is_file() else ""
        kind = "lora" if "CausalLM" in text else "encoder"
        option = f"{kind}:local:{request.base.resolve().name}"
    with TemporaryDirectory() as folder:
        rows, held = Path(folder) / "rows.jsonl", Path(folder) / "held.jsonl"
        for path, part in ((rows, shown), (held, cases)):
            path.write_bytes(b"".join(case.row + b"\n" for case in part))
        files = {"dataset": rows, "held_out": held, "held_out_share": 0.0}
        update = {"option": option, "decided": None, **files}
        plan = build_plan(context, request.model_copy(update=update))
    if plan.local is None and plan.serving != "per_token":
        raise Refused(
            f"{plan.option_id}: {plan.provider} bills tuned models by the hour. Choose an option "
            "that is billed by the token, or tune a --base on this machine."
        )
    return plan


def tune(context: TrainerContext, plan: TrainingPlan, egress: str | None) -> Run:
    """Start the run of a plan, or resume it, and wait until it is settled.

    Raises:
        Refused: it failed, was cancelled, or needs a decision of the user.
        NoConsent: rows would leave this machine without consent.
    """
    context.store.keep_plan(plan)
    consent = start.LaunchConsent(Decimal(plan.figure.at_most), egress)
    run_id, _ = start.start_run(context, plan, consent)
    while (seconds := _advance(context, run_id)) is not None:
        context.clock.sleep(seconds)
    run = context.store.run(run_id)
    if run.state == "needs_human":
        raise Refused(
            f"{run_id}: {run.said('needs_human', 'why')} "
            f"{run.said('needs_human', 'remedy')} Then run the command again."
        )
    if run.outcome != "succeeded":
        raise Refused(
            f"{run_id} ended as {run.outcome or run.state}; `trainer show {run_id}` shows the "
            "reason. Fix it and run the command again, or leave the arm out with --arms."
        )
    return run


def _advance(context: TrainerContext, run_id: str) -> float | None:
    """Advance a run; return the seconds to wait, or None if it is final."""
    try:
        pause = reconcile(context, run_id)
    except LeaseLost:
        return context.limits.poll_seconds
    return None if pause is None else pause.seconds


def local_answers(run: Run, cases: Sequence[EvaluationCase]) -> dict[str, ArmAnswer]:
    """Read what a model tuned on this machine answered to the cases."""
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if not folder.has("answers.tuned.jsonl"):
        raise Refused(
            f"{run.run_id} has no answers to the held-out rows; `trainer events {run.run_id}` "
            "shows the reason."
        )
    answers = {}
    for line in read_rows(folder.path / "answers.tuned.jsonl"):
        key, tokens = cases[line["row"]].key, line["completion_tokens"]
        answers[key] = ArmAnswer(
            "tuned", key, line["answer"], None, 0, tokens, "0", line["seconds"]
        )
    return answers
