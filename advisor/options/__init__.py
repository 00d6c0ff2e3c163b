"""A resolved scenario and the price book -> every option, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.catalog import Book
from advisor.facts import Resolved
from advisor.options.hosted import tuned_options
from advisor.options.local import local_options
from advisor.options.option import Option, RuledOut
from advisor.options.prompted import (
    current_option,
    measuring_option,
    prompted_options,
)
from advisor.profile import Profile
from advisor.quality import Evidence, needs_knowledge

__all__ = ["Menu", "Option", "RuledOut", "menu"]


@dataclass(frozen=True)
class Menu:
    """What may be done, and what may not."""

    options: tuple[Option, ...]
    measuring: Option
    """What "not yet" costs."""
    ruled_out: tuple[RuledOut, ...]


def menu(resolved: Resolved, profile: Profile | None, book: Book, evidence: Evidence) -> Menu:
    """List every option that no rule forbids whatever the numbers are.

    What the numbers forbid (budget, memory, too few examples) is decided per variant, later.
    """
    out: list[RuledOut] = []
    prompted = prompted_options(resolved, book, out)
    pairs = profile.pairs if profile else 0
    tuned = tuned_options(resolved, book, out, pairs)
    local = local_options(resolved, book, out, pairs)
    knows = needs_knowledge(resolved.scenario, resolved.task)
    everything = [*prompted, *tuned, *local]
    kept = []
    for option in everything:
        ruled = _by_need(option, knows, resolved, evidence)
        if ruled:
            out.append(ruled)
        else:
            kept.append(option)
    current = current_option(resolved, book)
    listed = (*([current] if current else []), *kept)
    return Menu(listed, measuring_option(kept), tuple(out))


def _by_need(
    option: Option, knows: bool, resolved: Resolved, evidence: Evidence
) -> RuledOut | None:
    knowledge = resolved.scenario.knowledge
    if option.trains and option.approach != "combo" and knows:
        says = f"New facts are looked up, not trained in. {evidence.without_retrieval.says}"
        return RuledOut(
            id=option.id, rule="facts-need-retrieval", says=says,
            source=evidence.without_retrieval.source,
        )  # fmt: skip
    if option.approach == "long_context" and knowledge.permissions_per_user:
        says = "Not everybody may read every document, and one prompt for all would hold all."
        return RuledOut(id=option.id, rule="permissions", says=says, source="your scenario")
    if option.approach == "encoder" and resolved.task != "classification":
        says = f"An encoder picks one of fixed labels; the task is {resolved.task}."
        return RuledOut(id=option.id, rule="no-labels", says=says, source="your scenario")
    return None
