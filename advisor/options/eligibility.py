"""EligibilityKey: the parts of a scenario that decide which options exist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.dataset.profile import Profile
from advisor.inputs import ResolvedScenario, needs_knowledge
from advisor.scenario.scenario import Hardware, Scenario
from advisor.units import Approach, Task


@dataclass(frozen=True)
class CurrentSolutionKey:
    """The current solution."""

    approach: Approach
    model: str | None
    monthly_is_known: bool


@dataclass(frozen=True)
class EligibilityKey:
    """Everything the candidates depend on, besides prices: equal keys, equal candidates."""

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
    """Type of customer at each provider where it matters."""
    named: frozenset[str]
    """Models named in the scenario."""
    today: CurrentSolutionKey | None
    pairs: int
    """Preference pairs in the dataset."""
    spot: bool = False
    """Whether spot GPUs may be used."""
    reranks: bool = False
    """Whether retrieved chunks are reranked."""
    store: str | None = None
    """Vector store named in the scenario."""
    judge: str | None = None
    """Judge model named in the scenario."""
    is_judged: bool = False
    """Whether a judge model grades answers."""

    @property
    def must_self_host(self) -> bool:
        """Whether no model provider may be used."""
        return self.privacy_self_host or not self.data_may_leave

    def allows(self, provider: str) -> bool:
        """Whether a provider is among the allowed ones."""
        return not self.providers or provider in self.providers

    @property
    def bought(self) -> tuple[object, ...]:
        """What changes the prices of an option, and not its id."""
        judge = (self.judge, self.is_judged)
        return self.reranks, self.store, judge, self.providers, self.hardware


def eligibility_key(resolved: ResolvedScenario, profile: Profile | None) -> EligibilityKey:
    """Extract the parts of a scenario that decide which options exist."""
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
        # without a dataset, examples count as pairs where preferences are to be learned
        pairs=profile.pairs if profile else int(scenario.needs.preference_hard_to_specify),
        spot=scenario.hosting.spot,
        reranks=scenario.knowledge.rerank,
        store=scenario.knowledge.store,
        judge=scenario.quality.judge,
        is_judged=scenario.quality.judge is not None
        or float(resolved.inputs.judged_per_month[0, 0]) > 0,
    )


def customer_type(scenario: Scenario, provider: str) -> str:
    """Return the type of customer at a provider; new by default."""
    return {
        "openai": scenario.organisation.openai or "never_tuned",
        "azure": scenario.organisation.azure or "new",
    }.get(provider, "anyone")
