"""What a pilot has asked, heard and paid: one line each as it comes, read back after a stop."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from trainer.clock import moment
from trainer.ledger import Entry, Ledger, micro
from trainer.office import Office
from trainer.spending import Lines


@dataclass(frozen=True)
class Cell:
    """One answer of one arm to one case."""

    arm: str
    key: str
    answer: str
    flaw: str | None
    """Why it is no whole answer; what came is scored as it stands."""
    prompt_tokens: int
    completion_tokens: int
    usd: str
    seconds: float


@dataclass
class Journal:
    """The file of a pilot; nothing is remembered anywhere else."""

    path: Path
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    spent: dict[str, Decimal] = field(default_factory=dict)
    """Reservation -> what it has paid."""
    _lines: Lines | None = None

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read the file back; a torn last line is left out."""
        found = cls(path)
        if path.is_file():
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n"):
                        found._take(orjson.loads(line))
        return found

    def _take(self, line: dict[str, Any]) -> None:
        subject = line.pop("subject")
        self.spent.setdefault(subject, Decimal(0))
        self.spent[subject] += Decimal(line.get("usd", "0"))
        if "arm" in line:
            cell = Cell(**line)
            self.cells[(cell.arm, cell.key)] = cell

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the file open for adding; each line is on the disk before the next request."""
        self._lines = Lines(self.path, 1)
        self._lines.open()
        try:
            yield
        finally:
            self._lines.close()
            self._lines = None

    def add(self, subject: str, **line: Any) -> None:
        """Add one line."""
        assert self._lines is not None
        full = {"subject": subject, **line}
        self._lines.add(orjson.dumps(full))
        self._take(full)

    def keep(self, subject: str, cell: Cell) -> None:
        """Add an answer."""
        self.add(subject, **asdict(cell))

    def usd(self) -> Decimal:
        """Add up all that was paid."""
        return sum(self.spent.values(), Decimal(0))


class OutOfRoom(Exception):
    """One more request might pass what was set aside."""


@dataclass
class Purse:
    """What was set aside for one provider, and what is left of it."""

    journal: Journal
    subject: str
    limit: Decimal
    at_risk: Decimal = Decimal(0)
    """Of requests without an answer, which may be billed."""
    lost: int = 0
    overrun: Decimal = Decimal(1)
    """The most that a request was billed, of what it was reckoned to cost at most; 1 or more."""

    @property
    def spent(self) -> Decimal:
        """What it has paid."""
        return self.journal.spent.get(self.subject, Decimal(0))

    def hold(self, usd: Decimal) -> None:
        """See that one more request of at most so much has room.

        Raises:
            OutOfRoom: it has none.
        """
        if self.spent + self.at_risk + usd * self.overrun > self.limit:
            raise OutOfRoom

    def compare(self, most: Decimal, usd: Decimal) -> None:
        """Learn from a bill whether requests are billed higher than they were reckoned."""
        if most:
            self.overrun = max(self.overrun, usd / most)

    def lose(self, usd: Decimal) -> None:
        """Count a request without an answer as paid for."""
        self.at_risk += usd
        self.lost += 1


@contextmanager
def purses(
    office: Office, journal: Journal, amounts: dict[str, Decimal]
) -> Iterator[dict[str, Purse]]:
    """Set amounts aside in the ledger, one a provider, and settle them with what was paid.

    What a killed session left open is settled first. The name of a reservation is on disk before
    it is in the ledger.

    Raises:
        OverBudget: a cap of the ledger would be passed; nothing was sent.
    """
    _settle(office.ledger, journal, list(journal.spent), "killed; ")
    day = moment(office.clock.now()).date().isoformat()
    made = {provider: Purse(journal, f"pilot_{secrets.token_hex(8)}", usd)
            for provider, usd in amounts.items()}  # fmt: skip
    try:
        for provider, purse in made.items():
            journal.add(purse.subject, provider=provider, limit=str(purse.limit))
            office.ledger.reserve(
                Entry(purse.subject, "pilot", provider, day, micro(purse.limit), None, "")
            )
        yield made
    finally:
        for purse in made.values():
            lost = f"{purse.lost} requests without an answer; " if purse.lost else ""
            _settle(office.ledger, journal, [purse.subject], lost)


def _settle(ledger: Ledger, journal: Journal, subjects: list[str], note: str) -> None:
    for subject in subjects:
        spent = journal.spent.get(subject, Decimal(0))
        ledger.settle(subject, micro(spent), f"{note}usage of the answers")
