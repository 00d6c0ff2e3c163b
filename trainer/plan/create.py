"""Create a training plan from a request: by a provider or on this machine, decided here only."""

from __future__ import annotations

from advisor.plan.training_plan import TrainingPlan
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.plan.local import plan_local
from trainer.plan.provider import plan_provider_job
from trainer.plan.request import PlanRequest
from trainer.runs.start import next_attempt


def build_plan(context: TrainerContext, request: PlanRequest) -> TrainingPlan:
    """Return the plan of one job, with its price; nothing is stored, sent or spent.

    Raises:
        AdvisorError: an input cannot be used, or a rule forbids the job.
    """
    build = plan_local if request.trains_here else plan_provider_job
    return build(request, context.book, utc_datetime(context.clock.now()))


def create_plan(context: TrainerContext, request: PlanRequest) -> TrainingPlan:
    """Build a plan and store it, ready to be launched.

    Raises:
        Refused: the plan was launched, and no further attempt is requested.
        AdvisorError: an input cannot be used, or a rule forbids the job.
    """
    plan = next_attempt(context, build_plan(context, request), request.again)
    context.store.keep_plan(plan)
    return plan
