"""What a distillation has spent, beside its answers: one line a request, read back after a stop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson

MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Rates:
    """What the teacher costs [USD per million tokens]."""

    input: Decimal
    output: Decimal

    def usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return what so many tokens cost.

        >>> Rates(Decimal(2), Decimal(8)).usd(500_000, 1000)
        Decimal('1.008')
        """
        return (prompt_tokens * self.input + completion_tokens * self.output) / MILLION


@dataclass
class Lines:
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
class Spent:
    """All lines so far: by the reservation that each belongs to."""

    usage: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Reservation -> tokens in and out of each answer."""
    rates: dict[str, Rates] = field(default_factory=dict)
    """Reservation -> what the teacher cost then."""
    refused: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Question -> why its answer, which was paid for, is of no use."""

    @classmethod
    def read(cls, path: Path) -> Spent:
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
            self.rates[line["subject"]] = Rates(Decimal(line["input"]), Decimal(line["output"]))
        if "prompt_tokens" in line:
            of.append((line["prompt_tokens"], line["completion_tokens"]))
        if "code" in line:
            self.refused[line["key"]] = line

    def usd(self, subject: str) -> Decimal:
        """Add up what a reservation has spent."""
        pairs = self.usage[subject]
        totals = sum(one for one, _ in pairs), sum(other for _, other in pairs)
        return self.rates[subject].usd(*totals)
