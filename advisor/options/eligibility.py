"""A resolved scenario -> what of it decides which options there are, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.dataset.profile import Profile
from advisor.inputs import ResolvedScenario, needs_knowledge
from advisor.scenario.scenario import Hardware, Scenario
from advisor.units import Approach, Task


@dataclass(frozen=True)
class CurrentSolutionKey:
    """What is done today."""

    approach: Approach
    model: str | None
    monthly_is_known: bool


@dataclass(frozen=True)
class EligibilityKey:
    """All that a menu is made from, beside the price book: the same ground, the same menu."""

    day: date
    task: Task
    needs_knowledge: bool
    has_documents: bool
    permissions_per_user: bool
    privacy_self_host: bool
    data_may_leave: bool
    providers: tuple[str, ...]
    licences: tuple[str, ...]
    hardware: tuple[Hardware, ...]
    customer_types: tuple[tuple[str, str], ...]
    """As which kind of customer one asks a provider, where that matters."""
    named: frozenset[str]
    """Models that the scenario names."""
    today: CurrentSolutionKey | None
    pairs: int
    """Preference pairs in the dataset."""

    @property
    def must_self_host(self) -> bool:
        """Whether no provider of models may be asked."""
        return self.privacy_self_host or not self.data_may_leave


def eligibility_key(resolved: ResolvedScenario, profile: Profile | None) -> EligibilityKey:
    """Pick out of a question what decides which options there are."""
    scenario, current = resolved.scenario, resolved.scenario.current
    names = {measured.model for measured in scenario.quality.measured}
    today = None
    if current:
        names.add(current.model)
        today = CurrentSolutionKey(
            current.approach, current.model, current.monthly_cost_usd is not None
        )
    return EligibilityKey(
        day=scenario.asked_on,
        task=resolved.task,
        needs_knowledge=needs_knowledge(scenario, resolved.task),
        has_documents=float(resolved.inputs.corpus_tokens[0, 0]) > 0,
        permissions_per_user=scenario.knowledge.permissions_per_user,
        privacy_self_host=scenario.needs.privacy_self_host,
        data_may_leave=scenario.limits.data_may_leave,
        providers=scenario.limits.providers,
        licences=scenario.limits.licences,
        hardware=scenario.hardware,
        customer_types=tuple((name, customer_type(scenario, name)) for name in ("openai", "azure")),
        named=frozenset(name for name in names if name),
        today=today,
        pairs=profile.pairs if profile else _pairs_said(resolved),
    )


def _pairs_said(resolved: ResolvedScenario) -> int:
    """Examples are taken for pairs where better is to be learnt and no file shows what they are."""
    learns_better = resolved.scenario.needs.preference_hard_to_specify
    return int(learns_better)


def customer_type(scenario: Scenario, provider: str) -> str:
    """Return which kind of customer asks; who says nothing is new."""
    return {
        "openai": scenario.organisation.openai or "never_tuned",
        "azure": scenario.organisation.azure or "new",
    }.get(provider, "anyone")
