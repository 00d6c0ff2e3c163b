"""A resolved scenario and the price book -> every option, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from advisor.evidence import Evidence
from advisor.options.batch import Panel, panels_of
from advisor.options.eligibility import Ground, ground_of
from advisor.options.gpu_tuning import local_options
from advisor.options.option import Option, RuledOut
from advisor.options.prompting import current_option, measuring_option, prompted_options
from advisor.options.provider_tuning import tuned_options
from advisor.prices.book import Book
from advisor.rules.team_rules import TeamRule

__all__ = ["Ground", "Menu", "Option", "RuledOut", "ground_of", "menu"]


@dataclass(frozen=True)
class Menu:
    """What may be done, and what may not."""

    options: tuple[Option, ...]
    measuring: Option
    """What "not yet" costs."""
    ruled_out: tuple[RuledOut, ...]
    rules: tuple[TeamRule, ...] = ()
    """What the team adds; tried for each variant, like what the numbers forbid."""

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """The options, side by side with those that are worked out alike."""
        return panels_of(self.options, self.rules)


def menu(ground: Ground, book: Book, evidence: Evidence, rules: tuple[TeamRule, ...] = ()) -> Menu:
    """List every option that no rule forbids whatever the numbers are.

    What the numbers forbid (budget, memory, too few examples) is decided per variant, later.
    """
    out: list[RuledOut] = []
    prompted = prompted_options(ground, book, out)
    everything = [*prompted, *tuned_options(ground, book, out), *local_options(ground, book, out)]
    kept = []
    for option in everything:
        ruled = _by_need(option, ground, evidence)
        if ruled:
            out.append(ruled)
        else:
            kept.append(option)
    current = current_option(ground, book)
    listed = (*([current] if current else []), *kept)
    return Menu(listed, measuring_option(kept), tuple(out), rules)


def _by_need(option: Option, ground: Ground, evidence: Evidence) -> RuledOut | None:
    if option.trains and option.approach != "combo" and ground.needs_knowledge:
        says = f"New facts are looked up, not trained in. {evidence.without_retrieval.says}"
        return RuledOut(
            id=option.id,
            rule="facts-need-retrieval",
            says=says,
            source=evidence.without_retrieval.source,
        )
    if option.approach == "long_context" and ground.permissions_per_user:
        says = "Not everybody may read every document, and one prompt for all would hold all."
        return RuledOut(id=option.id, rule="permissions", says=says, source="your scenario")
    if option.approach == "encoder" and ground.task != "classification":
        says = f"An encoder picks one of fixed labels; the task is {ground.task}."
        return RuledOut(id=option.id, rule="no-labels", says=says, source="your scenario")
    return None
