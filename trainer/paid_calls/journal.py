"""What a distillation has spent, beside its answers: one line a request, read back after a stop.

What a pilot has asked, heard and paid: one line each as it comes, read back after a stop.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.storage.ledger import Ledger, LedgerEntry, micro_usd

MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class TokenPrices:
    """What the teacher costs [USD per million tokens]."""

    input: Decimal
    output: Decimal

    def usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return what so many tokens cost.

        >>> TokenPrices(Decimal(2), Decimal(8)).usd(500_000, 1000)
        Decimal('1.008')
        """
        return (prompt_tokens * self.input + completion_tokens * self.output) / MILLION


@dataclass
class AppendOnlyFile:
    """A file that is only added to; a torn last line is cut off when it is opened."""

    path: Path
    sync_every: int
    written: int = 0
    _file: IO[bytes] | None = None

    def open(self) -> None:
        """Cut a torn line off, and make ready to add."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab+")
        self._file.seek(0)
        whole = 0
        for line in self._file:
            whole += len(line) if line.endswith(b"\n") else 0
        self._file.truncate(whole)

    def add(self, line: bytes) -> None:
        """Add one line; every so many, and at the end, they are on the disk."""
        assert self._file is not None
        self._file.write(line + b"\n")
        self._file.flush()
        self.written += 1
        if self.written % self.sync_every == 0:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring all to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


@dataclass
class DistillationJournal:
    """All lines so far: by the reservation that each belongs to."""

    usage: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Reservation -> tokens in and out of each answer."""
    rates: dict[str, TokenPrices] = field(default_factory=dict)
    """Reservation -> what the teacher cost then."""
    refused: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Question -> why its answer, which was paid for, is of no use."""

    @classmethod
    def read(cls, path: Path) -> DistillationJournal:
        """Read the file back; nothing was spent where there is none."""
        found = cls()
        if not path.is_file():
            return found
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    found.take(orjson.loads(line))
        return found

    def take(self, line: Mapping[str, Any]) -> None:
        """Add one line up."""
        of = self.usage.setdefault(line["subject"], [])
        if "input" in line:
            self.rates[line["subject"]] = TokenPrices(
                Decimal(line["input"]), Decimal(line["output"])
            )
        if "prompt_tokens" in line:
            of.append((line["prompt_tokens"], line["completion_tokens"]))
        if "code" in line:
            self.refused[line["key"]] = line

    def usd(self, subject: str) -> Decimal:
        """Add up what a reservation has spent."""
        pairs = self.usage[subject]
        totals = sum(one for one, _ in pairs), sum(other for _, other in pairs)
        return self.rates[subject].usd(*totals)


@dataclass(frozen=True)
class ArmAnswer:
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
class PilotJournal:
    """The file of a pilot; nothing is remembered anywhere else."""

    path: Path
    cells: dict[tuple[str, str], ArmAnswer] = field(default_factory=dict)
    spent: dict[str, Decimal] = field(default_factory=dict)
    """Reservation -> what it has paid."""
    _lines: AppendOnlyFile | None = None

    @classmethod
    def read(cls, path: Path) -> PilotJournal:
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
            cell = ArmAnswer(**line)
            self.cells[(cell.arm, cell.key)] = cell

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the file open for adding; each line is on the disk before the next request."""
        self._lines = AppendOnlyFile(self.path, 1)
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

    def keep(self, subject: str, cell: ArmAnswer) -> None:
        """Add an answer."""
        self.add(subject, **asdict(cell))

    def usd(self) -> Decimal:
        """Add up all that was paid."""
        return sum(self.spent.values(), Decimal(0))


class BudgetExhausted(Exception):
    """One more request might pass what was set aside."""


@dataclass
class ReservedBudget:
    """What was set aside for one provider, and what is left of it."""

    journal: PilotJournal
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

    def require_room(self, usd: Decimal) -> None:
        """See that one more request of at most so much has room.

        Raises:
            OutOfRoom: it has none.
        """
        if self.spent + self.at_risk + usd * self.overrun > self.limit:
            raise BudgetExhausted

    def compare(self, most: Decimal, usd: Decimal) -> None:
        """Learn from a bill whether requests are billed higher than they were reckoned."""
        if most:
            self.overrun = max(self.overrun, usd / most)

    def count_lost(self, usd: Decimal) -> None:
        """Count a request without an answer as paid for."""
        self.at_risk += usd
        self.lost += 1


@contextmanager
def reserve_budgets(
    context: TrainerContext, journal: PilotJournal, amounts: dict[str, Decimal]
) -> Iterator[dict[str, ReservedBudget]]:
    """Set amounts aside in the ledger, one a provider, and settle them with what was paid.

    What a killed session left open is settled first. The name of a reservation is on disk before
    it is in the ledger.

    Raises:
        OverBudget: a cap of the ledger would be passed; nothing was sent.
    """
    _settle(context.ledger, journal, list(journal.spent), "killed; ")
    day = utc_datetime(context.clock.now()).date().isoformat()
    made = {
        provider: ReservedBudget(journal, f"pilot_{secrets.token_hex(8)}", usd)
        for provider, usd in amounts.items()
    }
    try:
        for provider, budget in made.items():
            journal.add(budget.subject, provider=provider, limit=str(budget.limit))
            context.ledger.reserve(
                LedgerEntry(
                    budget.subject, "pilot", provider, day, micro_usd(budget.limit), None, ""
                )
            )
        yield made
    finally:
        for budget in made.values():
            lost = f"{budget.lost} requests without an answer; " if budget.lost else ""
            _settle(context.ledger, journal, [budget.subject], lost)


def _settle(ledger: Ledger, journal: PilotJournal, subjects: list[str], note: str) -> None:
    for subject in subjects:
        spent = journal.spent.get(subject, Decimal(0))
        ledger.settle(subject, micro_usd(spent), f"{note}usage of the answers")
