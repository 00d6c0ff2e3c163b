"""Money: reserved before anybody is asked, settled with what it was, never above a cap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from sqlalchemy import Connection, Engine, func, select, update

from trainer.errors import OverBudget
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.schema import budget, ledger

MICRO = Decimal(1_000_000)


def micro_usd(usd: Decimal | str) -> int:
    """Return an amount in millionths of a USD, rounded up.

    >>> micro_usd("0.0000001"), micro_usd("3.50")
    (1, 3500000)
    """
    return int((Decimal(usd) * MICRO).to_integral_value(rounding=ROUND_UP))


def usd_text(amount: int) -> str:
    """Write millionths of a USD as USD, in cents or finer where it is finer.

    >>> usd_text(3_500_000), usd_text(1)
    ('3.50', '0.000001')
    """
    exact = Decimal(amount) / MICRO
    cents = exact.quantize(Decimal("0.01"))
    return str(cents if cents == exact else exact.quantize(Decimal("0.000001")))


@dataclass(frozen=True)
class LedgerEntry:
    """One line: what was reserved, and what it was in the end."""

    subject: str
    purpose: str
    provider: str
    day: str
    reserved: int
    settled: int | None
    how: str

    @property
    def counts(self) -> int:
        """What it takes from the caps [millionths of a USD]."""
        return self.reserved if self.settled is None else self.settled


@dataclass(frozen=True)
class Caps:
    """Most that may be spent, a day and in all; none is no cap [millionths of a USD]."""

    per_day: int | None
    total: int | None


class Ledger:
    """The only door to the ledger."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def caps(self) -> Caps:
        """Return the caps."""
        with read_connection(self.engine) as connection:
            return _caps(connection)

    def set_caps(self, per_day: Decimal | None, total: Decimal | None) -> None:
        """Set the caps; none takes one away."""
        values = {
            "per_day_micro_usd": None if per_day is None else micro_usd(per_day),
            "total_micro_usd": None if total is None else micro_usd(total),
        }
        with write_transaction(self.engine) as connection:
            connection.execute(update(budget).where(budget.c.id == 1).values(**values))

    def reserve(self, entry: LedgerEntry) -> None:
        """Set an amount aside, if every cap allows it; the same subject twice is one reservation.

        Raises:
            OverBudget: a cap would be passed; nothing was reserved.
        """
        with write_transaction(self.engine) as connection:
            # whoever changes this row first holds all others back until the sum is written
            connection.execute(
                update(budget).where(budget.c.id == 1).values(version=budget.c.version + 1)
            )
            known = select(ledger.c.subject).where(ledger.c.subject == entry.subject)
            if connection.execute(known).first():
                return
            _hold_all(connection, entry)
            connection.execute(
                ledger.insert().values(
                    subject=entry.subject,
                    purpose=entry.purpose,
                    provider=entry.provider,
                    day=entry.day,
                    reserved_micro_usd=entry.reserved,
                    how="",
                )
            )

    def check(self, entry: LedgerEntry) -> None:
        """See whether every cap would let an amount pass now; nothing is set aside.

        Raises:
            OverBudget: a cap would be passed.
        """
        with read_connection(self.engine) as connection:
            _hold_all(connection, entry)

    def settle(self, subject: str, amount: int, how: str) -> None:
        """Write down what it was; a second time changes nothing."""
        with write_transaction(self.engine) as connection:
            connection.execute(
                update(ledger)
                .where(ledger.c.subject == subject, ledger.c.settled_micro_usd.is_(None))
                .values(settled_micro_usd=amount, how=how)
            )

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return every line, oldest day first."""
        with read_connection(self.engine) as connection:
            rows = connection.execute(select(ledger).order_by(ledger.c.day, ledger.c.subject))
            return tuple(
                LedgerEntry(
                    r.subject,
                    r.purpose,
                    r.provider,
                    r.day,
                    r.reserved_micro_usd,
                    r.settled_micro_usd,
                    r.how,
                )
                for r in rows
            )

    def entry(self, subject: str) -> LedgerEntry | None:
        """Return one line, if it is there."""
        return next((one for one in self.entries() if one.subject == subject), None)


def committed(entries: Iterable[LedgerEntry]) -> int:
    """Add up what is spent or set aside [millionths of a USD]."""
    return sum(entry.counts for entry in entries)


def _caps(connection: Connection) -> Caps:
    row = connection.execute(select(budget).where(budget.c.id == 1)).one()
    return Caps(row.per_day_micro_usd, row.total_micro_usd)


def _hold_all(connection: Connection, entry: LedgerEntry) -> None:
    caps = _caps(connection)
    _hold(connection, entry, caps.per_day, "a day", ledger.c.day == entry.day)
    _hold(connection, entry, caps.total, "in all", True)


def _hold(
    connection: Connection, entry: LedgerEntry, cap: int | None, span: str, where: object
) -> None:
    if cap is None:
        return
    counts = func.coalesce(ledger.c.settled_micro_usd, ledger.c.reserved_micro_usd)
    asked = select(func.coalesce(func.sum(counts), 0)).where(where)  # type: ignore[arg-type]
    so_far = int(connection.execute(asked).scalar_one())
    if so_far + entry.reserved > cap:
        raise OverBudget(
            f"{entry.subject}: up to {usd_text(entry.reserved)} USD would pass the cap of "
            f"{usd_text(cap)} USD {span}: {usd_text(so_far)} USD are spent or set aside. "
            "Raise the cap with `trainer budget`, or settle what has ended."
        )
