"""A plan -> what stands in its way now, said before a start and while a run cannot go on."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.errors import AdvisorError
from advisor.plan import TrainingPlan
from trainer.checks import check_plan
from trainer.clock import moment
from trainer.errors import OverBudget
from trainer.ledger import Entry, micro
from trainer.office import Office


def obstacles(office: Office, plan: TrainingPlan) -> list[str]:
    """Name what would hold a job back: a rule, a missing key, a cap over all runs."""
    return [*_forbidden(office, plan), *_no_way(office, plan), *_over_caps(office, plan)]


def _forbidden(office: Office, plan: TrainingPlan) -> Iterator[str]:
    try:
        check_plan(plan, office.book, office.clock.now())
    except AdvisorError as error:
        yield str(error)


def _no_way(office: Office, plan: TrainingPlan) -> Iterator[str]:
    """Open the way to the provider and close it: it reads address and key, and asks nothing."""
    try:
        office.adapter(plan.provider).close()
    except AdvisorError as error:
        yield str(error)


def _over_caps(office: Office, plan: TrainingPlan) -> Iterator[str]:
    day = moment(office.clock.now()).date().isoformat()
    amount = micro(plan.figure.at_most)
    try:
        office.ledger.check(Entry("this job", "training", plan.provider, day, amount, None, ""))
    except OverBudget as error:
        yield str(error)
