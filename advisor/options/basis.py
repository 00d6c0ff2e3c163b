"""What an option rests on: its prices, and the facts on its model and offer, with their age."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from advisor.prices.series import STALE_AFTER_DAYS, Confidence


@dataclass(frozen=True)
class Basis:
    """One price or fact that an option rests on."""

    name: str
    """Item of a price, or model or offer with the name of the fact."""
    source: str
    """Source."""
    read_on: date | None
    """Date the source was last read; None if not recorded."""
    confidence: Confidence
    """Confidence in the source."""
    own: bool = False
    """Whether it is the user's own, which does not get stale."""

    def age_days(self, day: date) -> int | None:
        """Days from the last reading to a day; None if not recorded."""
        return (day - self.read_on).days if self.read_on else None


@dataclass(frozen=True)
class BasisAge:
    """Which prices and facts of an option are old or uncertain on a day."""

    oldest: Basis | None
    """The one that was read longest ago; the user's own are left out."""
    oldest_days: int | None
    """Its age."""
    stale: tuple[Basis, ...]
    """Those read 30 days ago or more, oldest first."""
    uncertain: tuple[Basis, ...]
    """Those of low confidence."""
    undated: tuple[Basis, ...]
    """Those whose day of reading is not recorded."""

    @property
    def must_be_said(self) -> bool:
        """Whether a verdict has to mention it: something is stale or uncertain."""
        return bool(self.stale or self.uncertain)


def basis_age(rests_on: Iterable[Basis], day: date) -> BasisAge:
    """Return which of these are old or uncertain on a day."""
    aged = [(basis, basis.age_days(day)) for basis in rests_on if not basis.own]
    dated = sorted(
        ((days, basis) for basis, days in aged if days is not None),
        key=lambda pair: (-pair[0], pair[1].name),
    )
    oldest_days, oldest = dated[0] if dated else (None, None)
    return BasisAge(
        oldest=oldest,
        oldest_days=oldest_days,
        stale=tuple(basis for days, basis in dated if days >= STALE_AFTER_DAYS),
        uncertain=tuple(basis for basis, _ in aged if basis.confidence == "low"),
        undated=tuple(basis for basis, days in aged if days is None),
    )
