"""Candidates: the options considered for a scenario, and those ruled out whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from advisor.evidence import QualityFactor
from advisor.options.batch import OptionBatch, option_batches
from advisor.options.eligibility import EligibilityKey
from advisor.options.gpu_tuning import gpu_tuning_options
from advisor.options.option import Option, RuledOutOption, rule_out
from advisor.options.prompting import current_option, measuring_option, prompting_options
from advisor.options.provider_tuning import provider_tuning_options
from advisor.options.teachers import judge_prices
from advisor.prices.book import PriceBook
from advisor.rules.team_rules import TeamRule


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
    refusals = [_by_need(option, eligibility, without_retrieval) for option in everything]
    out += filter(None, refusals)
    kept = [option for option, refusal in zip(everything, refusals, strict=True) if not refusal]
    # of two equal costs the one without an end wins, and the same in any order of the book
    kept.sort(key=lambda option: (option.ends_on is not None, option.id))
    current = current_option(eligibility, book)
    measuring = measuring_option(kept)
    judge = judge_prices(eligibility, book)
    judged = [*([current] if current else []), *kept]
    options = tuple(replace(option, prices={**option.prices, **judge}) for option in judged)
    batches = (*option_batches(options, rules), _measuring_batch(measuring, len(options)))
    return Candidates(eligibility, options, measuring, tuple(out), batches, rules)


def _by_need(
    option: Option, eligibility: EligibilityKey, without_retrieval: QualityFactor
) -> RuledOutOption | None:
    if option.trains and option.approach != "combo" and eligibility.needs_knowledge:
        says = f"New facts have to be retrieved, not trained. {without_retrieval.says}"
        return rule_out(option.id, "facts-need-retrieval", says, without_retrieval.source)
    if option.approach == "long_context" and eligibility.permissions_per_user:
        says = "Not every user may read every document, and one prompt would contain them all."
        return rule_out(option.id, "permissions", says, "your scenario")
    if option.approach == "encoder" and eligibility.task != "classification":
        says = f"An encoder picks one of fixed labels; the task is {eligibility.task}."
        return rule_out(option.id, "no-labels", says, "your scenario")
    return None


@dataclass(frozen=True)
class CandidateRule:
    """A rule that keeps an option off the candidates, as the trace lists it."""

    code: str
    applies: Callable[[Option, EligibilityKey], bool]
    """Whether the rule is relevant for an option."""
    reads: Callable[[Option, EligibilityKey], tuple[tuple[str, Any], ...]]
    """Name and value of everything it reads."""


MACHINE_KINDS = ("gpu_hour", "cpu_hour", "vcpu_hour", "gib_hour")
"""Prices of machines that serve your own model."""


def _is_hosted(option: Option, _: EligibilityKey) -> bool:
    is_machine = any(kind in option.prices for kind in MACHINE_KINDS)
    return not option.is_current and option.provider != "own" and not is_machine


CANDIDATE_RULES = (
    CandidateRule(
        "data-stays",
        _is_hosted,
        lambda o, e: (
            ("limits.data_may_leave", e.data_may_leave),
            ("needs.privacy_self_host", e.privacy_self_host),
        ),
    ),
    CandidateRule(
        "provider-not-allowed",
        lambda o, e: _is_hosted(o, e) and bool(e.providers),
        lambda o, e: (("provider", o.provider),),
    ),
    CandidateRule(
        "shut-down",
        lambda o, e: o.card is not None and o.ends_on is not None,
        lambda o, e: (("ends on", o.ends_on), ("asked on", e.day)),
    ),
    CandidateRule(
        "closed-to-you",
        lambda o, e: o.offer is not None,
        lambda o, e: (
            ("asking as", dict(e.customer_types).get(o.provider, "anyone")),
            ("asked on", e.day),
        ),
    ),
    CandidateRule("unpriced", lambda o, e: True, lambda o, e: (("prices found", len(o.prices)),)),
    CandidateRule(
        "no-bf16",
        lambda o, e: o.gpu is not None and o.base is not None,
        lambda o, e: (("bf16 TFLOP/s", o.gpu.bf16_tflops if o.gpu else None),),
    ),
    CandidateRule(
        "facts-need-retrieval",
        lambda o, e: o.trains and o.approach != "combo",
        lambda o, e: (("needs knowledge", e.needs_knowledge),),
    ),
    CandidateRule(
        "permissions",
        lambda o, e: o.approach == "long_context",
        lambda o, e: (("knowledge.permissions_per_user", e.permissions_per_user),),
    ),
    CandidateRule(
        "no-labels", lambda o, e: o.approach == "encoder", lambda o, e: (("task", e.task),)
    ),
)
"""Rules that do not depend on numbers, with the options they apply to and what they read."""
