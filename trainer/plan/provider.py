"""Plan of a training job at a provider, from a scenario and a dataset."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime

from advisor.decision.answer import Answer, Question, evaluate, summarize
from advisor.errors import UsageError, did_you_mean
from advisor.loading import load_evidence, load_rule_catalogue
from advisor.options.option import Option
from advisor.plan.provider_plan import make_plan
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import scenario_from
from trainer.errors import Refused
from trainer.plan.request import PlanRequest
from trainer.plan.rows import canonical_rows, split_rows

TRAINED_APPROACHES = frozenset({"ft_api", "managed_lora", "dpo", "combo"})
MAX_SUFFIX = 18
"""Characters in the name of a tuned model that every provider accepts."""


def plan_provider_job(request: PlanRequest, book: PriceBook, now: datetime) -> TrainingPlan:
    """Answer the scenario with today's prices, and plan the job of the chosen option.

    Raises:
        Refused: today's recommendation differs, or the option is ruled out.
        UsageError: no provider trains such an option, or there are no training rows.
    """
    path = request.rows_path
    with ExitStack() as stack:
        rows = stack.enter_context(canonical_rows(path)) if path else None
        scenario = {**request.scenario, "asked_on": now.date().isoformat()}
        question = Question(
            scenario_from(scenario, request.where),
            book,
            load_evidence(),
            rows.profile if rows else None,
            catalogue=load_rule_catalogue(),
            rules=request.rules,
        )
        evaluated = evaluate(question)
        answer = summarize(evaluated)
        option = _launchable(evaluated.candidates.options, answer, _chosen(request, answer))
        if request.method == "supervised" and option.objective == "dpo":
            request = request.model_copy(update={"method": "dpo"})
        if request.suffix and len(request.suffix) > MAX_SUFFIX:
            raise UsageError(
                f"suffix '{request.suffix}'",
                f"it has {len(request.suffix)} characters.",
                f"Providers accept up to {MAX_SUFFIX}.",
            )
        if rows is None or path is None:
            raise UsageError("dataset", "there are no training rows.", "Give --dataset FILE.")
        data = split_rows(rows, path, request, request.method).data
    plan = make_plan(answer, option, data, request, now)
    return plan.model_copy(update={"owner": request.owner})


def _chosen(request: PlanRequest, answer: Answer) -> str:
    if request.option:
        return request.option
    advised = answer.decision.recommended
    if request.decided and advised != request.decided:
        raise Refused(
            f"flipped: the saved answer recommends {request.decided}, today's recommendation is "
            f"{advised}. Choose one with --option."
        )
    if advised.split(":")[0] not in TRAINED_APPROACHES:
        raise Refused(
            f"the recommendation is {advised}, which trains nothing at a provider. "
            f"{answer.decision.verdict} Name an option with --option to tune anyway."
        )
    return advised


def _launchable(options: tuple[Option, ...], answer: Answer, option_id: str) -> Option:
    for rejected in answer.ruled_out:
        if rejected.id == option_id:
            raise Refused(f"{option_id}: ruled out by {rejected.rule}: {rejected.says}")
    option = next((option for option in options if option.id == option_id), None)
    trained = (each for each in options if each.approach in TRAINED_APPROACHES)
    launchable = [each.id for each in trained if each.launch == "provider"]
    if option is None:
        raise UsageError(
            f"--option {option_id}",
            "there is no such option.",
            did_you_mean(option_id, launchable).strip(),
        )
    if option.id not in launchable:
        names = f" Launchable options: {', '.join(launchable[:5])}." if launchable else ""
        raise Refused(f"{option_id}: {option.launch_says}{names}")
    return option
