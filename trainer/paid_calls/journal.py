"""Journal of paid calls and the budget reserved for them: one JSON line per call, read on resume.

A pilot and a distillation append to the same kind of file. After a kill the next session reads the
file, settles the reservation that is still open, and sends only what has no answer yet.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, Self

import orjson

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.paid_calls.cost import TokenPrices
from trainer.providers.base import NotSent, ProviderDeclined, RateLimited
from trainer.storage.ledger import Ledger, LedgerEntry, micro_usd

Purpose = Literal["pilot", "distill"]


@dataclass
class AppendOnlyFile:
    """A file that only grows; opening it cuts off an incomplete last line."""

    path: Path
    sync_every: int = 1
    """Lines between two syncs to the disk; with 1 a line is on the disk when `add` returns."""
    _lines: int = 0
    _file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab+")
        self._file.seek(0)
        self._file.truncate(sum(len(line) for line in self._file if line.endswith(b"\n")))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None

    def add(self, line: bytes) -> None:
        """Append one line."""
        assert self._file is not None
        self._file.write(line + b"\n")
        self._file.flush()
        self._lines += 1
        if self._lines % self.sync_every == 0:
            os.fsync(self._file.fileno())


def complete_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the JSON lines of a file, without an incomplete last one; none if it does not exist."""
    if path.is_file():
        with path.open("rb") as lines:
            yield from (orjson.loads(line) for line in lines if line.endswith(b"\n"))


@dataclass(frozen=True)
class ArmAnswer:
    """Answer of one arm of a pilot to one case."""

    arm: str
    key: str
    answer: str
    flaw: str | None
    """Why the answer is incomplete; its text is scored as it is."""
    prompt_tokens: int
    completion_tokens: int
    usd: str
    seconds: float


@dataclass
class PaidCallJournal:
    """Answers and spending so far; the file is the only record."""

    path: Path
    answers: dict[tuple[str, str], ArmAnswer] = field(default_factory=dict)
    """Arm and case of a pilot -> answer."""
    rejected: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Question of a distillation -> line with the reason why its paid answer is unusable."""
    spent: dict[str, Decimal] = field(default_factory=dict)
    """Reservation -> cost of its answers [USD]."""
    answer_counts: Counter[str] = field(default_factory=Counter)
    """Reservation -> answers."""
    _prices: dict[str, TokenPrices] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file = AppendOnlyFile(self.path)

    @classmethod
    def read(cls, path: Path) -> PaidCallJournal:
        """Read the file; an empty journal if it does not exist."""
        journal = cls(path)
        for line in complete_lines(path):
            journal._count(line)
        return journal

    def add(self, subject: str, **fields: Any) -> None:
        """Append a line for a reservation; the file must be open."""
        line = {"subject": subject, **fields}
        self.file.add(orjson.dumps(line))
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        subject, usd = line["subject"], line.get("usd")
        if "input" in line:
            # older distillations wrote their prices once per session, and no cost per answer
            self._prices[subject] = TokenPrices(Decimal(line["input"]), Decimal(line["output"]))
        if usd is None and "prompt_tokens" in line:
            tokens = line["prompt_tokens"], line["completion_tokens"]
            usd = self._prices[subject].usd(*tokens)
        self.spent[subject] = self.spent.get(subject, Decimal(0)) + Decimal(usd or 0)
        self.answer_counts[subject] += usd is not None
        if "arm" in line:
            fields = {name: value for name, value in line.items() if name != "subject"}
            self.answers[line["arm"], line["key"]] = ArmAnswer(**fields)
        elif "code" in line:
            self.rejected[line["key"]] = line

    def usd(self) -> Decimal:
        """Return the total over all sessions."""
        return sum(self.spent.values(), Decimal(0))


class BudgetExhausted(Exception):
    """One more request might exceed the reserved amount."""


@dataclass
class ReservedBudget:
    """The amount reserved for one provider, and what is left of it."""

    journal: PaidCallJournal
    subject: str
    limit: Decimal
    at_risk: Decimal = Decimal(0)
    """Worst case of requests without a response, which may be billed."""
    lost: int = 0
    """Requests without a response."""
    overrun: Decimal = Decimal(1)
    """Highest ratio of a billed amount to our worst case, at least 1; later requests count it in,
    because a provider that counts tokens differently does so every time."""

    @property
    def spent(self) -> Decimal:
        """Cost of the answers so far [USD]."""
        return self.journal.spent.get(self.subject, Decimal(0))

    @contextmanager
    def request(self, at_most: Decimal) -> Iterator[None]:
        """Send one request inside this block; without a known outcome it counts as paid.

        Raises:
            BudgetExhausted: its worst case does not fit into what is left.
        """
        if self.spent + self.at_risk + at_most * self.overrun > self.limit:
            raise BudgetExhausted
        is_known = False
        try:
            yield
            is_known = True
        except (ProviderDeclined, RateLimited, NotSent):
            is_known = True
            raise
        finally:
            if not is_known:  # no response, or interrupted while waiting for it
                self.at_risk += at_most
                self.lost += 1

    def compare(self, at_most: Decimal, billed: Decimal) -> None:
        """Compare a billed amount with our worst case of it."""
        if at_most:
            self.overrun = max(self.overrun, billed / at_most)

    def record(self, **fields: Any) -> None:
        """Append the line of an answer, with its cost in `usd`."""
        self.journal.add(self.subject, **fields)


@contextmanager
def reserve_budgets(
    context: TrainerContext,
    journal: PaidCallJournal,
    purpose: Purpose,
    amounts: dict[str, Decimal],
) -> Iterator[dict[str, ReservedBudget]]:
    """Reserve an amount per provider in the ledger, and settle each with the cost of its answers.

    Reservations left open by a killed session are settled first. The name of a reservation is on
    the disk before it is in the ledger, so that none is ever left without an owner.

    Raises:
        OverBudget: a cap of the ledger would be exceeded; nothing was sent.
    """
    for subject in list(journal.spent):
        _settle(context.ledger, journal, subject, "killed; ")
    day = utc_datetime(context.clock.now()).date().isoformat()
    budgets = {
        provider: ReservedBudget(journal, f"{purpose}_{secrets.token_hex(8)}", usd)
        for provider, usd in amounts.items()
    }
    try:
        for provider, budget in budgets.items():
            journal.add(budget.subject, provider=provider, limit=str(budget.limit))
            amount = micro_usd(budget.limit)
            context.ledger.reserve(LedgerEntry(budget.subject, purpose, provider, day, amount))
        yield budgets
    finally:
        for budget in budgets.values():
            lost = f"{budget.lost} requests without a response; " if budget.lost else ""
            _settle(context.ledger, journal, budget.subject, lost)


def _settle(ledger: Ledger, journal: PaidCallJournal, subject: str, note: str) -> None:
    """Settle a reservation; does nothing if it is settled, or never came into the ledger."""
    usage = f"usage of {journal.answer_counts[subject]} answers"
    ledger.settle(subject, micro_usd(journal.spent.get(subject, Decimal(0))), note + usage)
