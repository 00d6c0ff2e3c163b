"""Ledger: amounts reserved before a provider is called and settled afterwards, within the caps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from decimal import ROUND_UP, Decimal

from sqlalchemy import Connection, Engine, func, select, update

from trainer.errors import OverBudget
from trainer.storage.database import execute, fetch_all, read_connection, write_transaction
from trainer.storage.schema import budget, ledger

MICRO = Decimal(1_000_000)


def micro_usd(usd: Decimal | str) -> int:
    """Return an amount in millionths of a USD, rounded up.

    >>> micro_usd("0.0000001"), micro_usd("3.50")
    (1, 3500000)
    """
    return int((Decimal(usd) * MICRO).to_integral_value(rounding=ROUND_UP))


def usd_text(amount: int) -> str:
    """Return millionths of a USD as a decimal number of USD, with at least two decimals.

    >>> usd_text(3_500_000), usd_text(1)
    ('3.50', '0.000001')
    """
    exact = Decimal(amount) / MICRO
    cents = exact.quantize(Decimal("0.01"))
    return str(cents if cents == exact else exact.quantize(Decimal("0.000001")))


@dataclass(frozen=True)
class LedgerEntry:
    """One entry: the amount reserved, and the amount settled [millionths of a USD]."""

    subject: str
    purpose: str
    provider: str
    day: str
    reserved: int
    settled: int | None = None
    how: str = ""

    @property
    def counts(self) -> int:
        """Amount that counts towards the caps [millionths of a USD]."""
        return self.reserved if self.settled is None else self.settled


@dataclass(frozen=True)
class Caps:
    """Daily and total cap; None is no cap [millionths of a USD]."""

    per_day: int | None
    total: int | None


class Ledger:
    """Reads and writes the ledger and its caps."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def caps(self) -> Caps:
        """Return the caps."""
        with read_connection(self.engine) as connection:
            return _caps(connection)

    def set_caps(self, per_day: Decimal | None, total: Decimal | None) -> None:
        """Set the caps; None removes a cap."""
        caps = {"per_day_micro_usd": per_day, "total_micro_usd": total}
        values = {name: None if usd is None else micro_usd(usd) for name, usd in caps.items()}
        execute(self.engine, update(budget).where(budget.c.id == 1).values(**values))

    def reserve(self, entry: LedgerEntry) -> None:
        """Reserve an amount if every cap allows it; a subject is reserved once.

        Raises:
            OverBudget: a cap would be exceeded; nothing was reserved.
        """
        with write_transaction(self.engine) as connection:
            # locks the one row of the budget, so that reservations are checked one at a time
            connection.execute(
                update(budget).where(budget.c.id == 1).values(version=budget.c.version + 1)
            )
            known = select(ledger.c.subject).where(ledger.c.subject == entry.subject)
            if connection.execute(known).first():
                return
            _check_caps(connection, entry)
            connection.execute(ledger.insert().values(astuple(entry)))

    def check(self, entry: LedgerEntry) -> None:
        """Check that every cap allows an amount now, or raise OverBudget; nothing is reserved."""
        with read_connection(self.engine) as connection:
            _check_caps(connection, entry)

    def settle(self, subject: str, amount: int, how: str) -> None:
        """Record the amount billed; a settled entry stays unchanged."""
        is_open = (ledger.c.subject == subject, ledger.c.settled_micro_usd.is_(None))
        values = {"settled_micro_usd": amount, "how": how}
        execute(self.engine, update(ledger).where(*is_open).values(**values))

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return all entries, oldest day first."""
        rows = fetch_all(self.engine, select(ledger).order_by(ledger.c.day, ledger.c.subject))
        return tuple(LedgerEntry(*row) for row in rows)

    def entry(self, subject: str) -> LedgerEntry | None:
        """Return the entry of a subject, or None."""
        rows = fetch_all(self.engine, select(ledger).where(ledger.c.subject == subject))
        return LedgerEntry(*rows[0]) if rows else None


def committed(entries: Iterable[LedgerEntry]) -> int:
    """Sum the amounts spent or reserved [millionths of a USD]."""
    return sum(entry.counts for entry in entries)


def _caps(connection: Connection) -> Caps:
    row = connection.execute(select(budget).where(budget.c.id == 1)).one()
    return Caps(row.per_day_micro_usd, row.total_micro_usd)


def _check_caps(connection: Connection, entry: LedgerEntry) -> None:
    caps = _caps(connection)
    counts = func.coalesce(ledger.c.settled_micro_usd, ledger.c.reserved_micro_usd)
    # an import that was interrupted may have its reservation already
    others = select(func.coalesce(func.sum(counts), 0)).where(ledger.c.subject != entry.subject)
    today = others.where(ledger.c.day == entry.day)
    for name, cap, query in (("daily", caps.per_day, today), ("total", caps.total, others)):
        used = int(connection.execute(query).scalar_one())
        if cap is not None and used + entry.reserved > cap:
            raise OverBudget(
                f"{entry.subject}: would exceed the {name} cap: ${usd_text(used)} reserved or "
                f"spent, ${usd_text(entry.reserved)} requested, cap ${usd_text(cap)}. "
                "Raise the cap with 'trainer budget', or settle finished runs."
            )
