"""A resolved scenario and the price book -> every option, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from advisor.evidence import QualityFactor
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


@dataclass(frozen=True, eq=False)
class Candidates:
    """The options considered for one scenario, and those ruled out whatever the numbers are."""

    eligibility: EligibilityKey
    options: tuple[Option, ...]
    measuring: Option
    """The option "not yet": measure a prompt first."""
    ruled_out: tuple[RuledOutOption, ...]
    batches: tuple[OptionBatch, ...]
    """The options grouped by the way they are calculated; the last batch is "not yet"."""
    rules: tuple[TeamRule, ...] = ()
    """Rules of the team; evaluated for each variant, like the checks."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the options; on one day of one price book, equal ids are equal options."""
        return tuple(option.id for option in self.options)

    def with_measuring(self, option: Option) -> Candidates:
        """Return the same candidates with another option for "not yet"."""
        last = _measuring_batch(option, len(self.options))
        return replace(self, measuring=option, batches=(*self.batches[:-1], last))


def _measuring_batch(option: Option, row: int) -> OptionBatch:
    return replace(option_batches([option])[0], rows=np.array([row]))


@lru_cache(maxsize=32)
def list_candidates(
    eligibility: EligibilityKey,
    book: PriceBook,
    without_retrieval: QualityFactor,
    rules: tuple[TeamRule, ...] = (),
) -> Candidates:
    """List every option that no rule forbids whatever the numbers are.

    What depends on numbers (budget, memory, too few examples) is decided per variant, by checks.
    Cached: questions that differ in numbers only have the same candidates, and their columns.
    """
    out: list[RuledOutOption] = []
    everything = [
        *prompting_options(eligibility, book, out),
        *provider_tuning_options(eligibility, book, out),
        *gpu_tuning_options(eligibility, book, out),
    ]
    kept = []
    for option in everything:
        ruled = _by_need(option, eligibility, without_retrieval)
        if ruled:
            out.append(ruled)
        else:
            kept.append(option)
    current = current_option(eligibility, book)
    options = (*([current] if current else []), *kept)
    measuring = measuring_option(kept)
    batches = (*option_batches(options, rules), _measuring_batch(measuring, len(options)))
    return Candidates(eligibility, options, measuring, tuple(out), batches, rules)


def _by_need(
    option: Option, eligibility: EligibilityKey, without_retrieval: QualityFactor
) -> RuledOutOption | None:
    if option.trains and option.approach != "combo" and eligibility.needs_knowledge:
        says = f"New facts are looked up, not trained in. {without_retrieval.says}"
        return RuledOutOption(
            id=option.id,
            rule="facts-need-retrieval",
            says=says,
            source=without_retrieval.source,
        )
    if option.approach == "long_context" and eligibility.permissions_per_user:
        says = "Not everybody may read every document, and one prompt for all would hold all."
        return RuledOutOption(id=option.id, rule="permissions", says=says, source="your scenario")
    if option.approach == "encoder" and eligibility.task != "classification":
        says = f"An encoder picks one of fixed labels; the task is {eligibility.task}."
        return RuledOutOption(id=option.id, rule="no-labels", says=says, source="your scenario")
    return None
