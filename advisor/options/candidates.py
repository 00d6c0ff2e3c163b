"""A resolved scenario and the price book -> every option, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from advisor.evidence import Evidence
from advisor.options.batch import OptionBatch, option_batches
from advisor.options.eligibility import EligibilityKey, eligibility_key
from advisor.options.gpu_tuning import gpu_tuning_options
from advisor.options.option import Option, RuledOutOption
from advisor.options.prompting import current_option, measuring_option, prompting_options
from advisor.options.provider_tuning import provider_tuning_options
from advisor.prices.book import PriceBook
from advisor.rules.team_rules import TeamRule

__all__ = [
    "Candidates",
    "EligibilityKey",
    "Option",
    "RuledOutOption",
    "eligibility_key",
    "list_candidates",
]


@dataclass(frozen=True)
class Candidates:
    """What may be done, and what may not."""

    options: tuple[Option, ...]
    measuring: Option
    """What "not yet" costs."""
    ruled_out: tuple[RuledOutOption, ...]
    rules: tuple[TeamRule, ...] = ()
    """What the team adds; tried for each variant, like what the numbers forbid."""

    @cached_property
    def batches(self) -> tuple[OptionBatch, ...]:
        """The options, side by side with those that are worked out alike."""
        return option_batches(self.options, self.rules)


def list_candidates(
    eligibility: EligibilityKey,
    book: PriceBook,
    evidence: Evidence,
    rules: tuple[TeamRule, ...] = (),
) -> Candidates:
    """List every option that no rule forbids whatever the numbers are.

    What the numbers forbid (budget, memory, too few examples) is decided per variant, later.
    """
    out: list[RuledOutOption] = []
    prompted = prompting_options(eligibility, book, out)
    everything = [
        *prompted,
        *provider_tuning_options(eligibility, book, out),
        *gpu_tuning_options(eligibility, book, out),
    ]
    kept = []
    for option in everything:
        ruled = _by_need(option, eligibility, evidence)
        if ruled:
            out.append(ruled)
        else:
            kept.append(option)
    current = current_option(eligibility, book)
    listed = (*([current] if current else []), *kept)
    return Candidates(listed, measuring_option(kept), tuple(out), rules)


def _by_need(
    option: Option, eligibility: EligibilityKey, evidence: Evidence
) -> RuledOutOption | None:
    if option.trains and option.approach != "combo" and eligibility.needs_knowledge:
        says = f"New facts are looked up, not trained in. {evidence.without_retrieval.says}"
        return RuledOutOption(
            id=option.id,
            rule="facts-need-retrieval",
            says=says,
            source=evidence.without_retrieval.source,
        )
    if option.approach == "long_context" and eligibility.permissions_per_user:
        says = "Not everybody may read every document, and one prompt for all would hold all."
        return RuledOutOption(id=option.id, rule="permissions", says=says, source="your scenario")
    if option.approach == "encoder" and eligibility.task != "classification":
        says = f"An encoder picks one of fixed labels; the task is {eligibility.task}."
        return RuledOutOption(id=option.id, rule="no-labels", says=says, source="your scenario")
    return None
