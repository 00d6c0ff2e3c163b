"""The folder of a local run: its state is derived from its files and its lock."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal

from trainer.scripts.manifest import flaw_of, newest_complete

FolderStatus = Literal["queued", "running", "stopped", "paused", "succeeded", "failed", "cancelled"]
HOUR_SECONDS = Decimal(3600)
MICRO = Decimal("0.000001")
WANT_PAUSE, WANT_CANCEL = "pause", "cancel"


@dataclass(frozen=True)
class RunFolder:
    """Files of one run; there is no other state."""

    path: Path

    @property
    def word(self) -> FolderStatus:
        """State of the run, derived from its files."""
        if self.has("cancelled.json"):
            return "cancelled"
        if self.has("failed.json"):
            return "failed"
        if self.has("done.json"):
            return "succeeded"
        if self.is_locked():
            return "queued" if self.has("waiting") else "running"
        return "paused" if self.has("paused") else "stopped"

    def has(self, name: str) -> bool:
        """Whether a file exists."""
        return (self.path / name).exists()

    def read(self, name: str) -> Any:
        """Read a JSON file; None if it does not exist."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def wants(self) -> str:
        """Return the requested action: `pause`, `cancel` or an empty text."""
        try:
            return (self.path / "control").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def set_request(self, word: str) -> None:
        """Set the requested action; an empty text clears it."""
        control = self.path / "control"
        if word:
            control.write_text(word, encoding="utf-8")
        else:
            control.unlink(missing_ok=True)

    def is_locked(self) -> bool:
        """Whether a process works on the run now: the lock is released when the process ends."""
        with (self.path / "lock").open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(file, fcntl.LOCK_UN)
            return False

    def events(self) -> list[Mapping[str, Any]]:
        """Read the events of the training; an incomplete last line is skipped."""
        return list(self._json_lines("events.jsonl"))

    def last_step(self) -> int:
        """Return the step of the newest complete checkpoint, or 0."""
        newest, _ = newest_complete(self.path / "checkpoints")
        return int(newest.name.removeprefix("checkpoint-")) if newest else 0

    def is_trained(self) -> bool:
        """Whether the model is complete."""
        return self.has("result.json") and flaw_of(self.path / "model") is None

    def seconds(self) -> float:
        """Return the total working time; a killed process counts until its last heartbeat."""
        stretches = self._stretches()
        total = sum(end - begin for begin, end in stretches if end is not None)
        beat = self.last_heartbeat()
        if self.is_open() and beat is not None:
            total += max(beat - stretches[-1][0], 0.0)
        return total

    def usd(self, usd_per_hour: Decimal) -> Decimal:
        """Return the cost of these hours [USD]."""
        hours = Decimal(repr(round(self.seconds(), 3))) / HOUR_SECONDS
        return (usd_per_hour * hours).quantize(MICRO)

    def is_open(self) -> bool:
        """Whether the last working period has no end: it is running, or was killed."""
        stretches = self._stretches()
        return bool(stretches) and stretches[-1][1] is None

    def last_heartbeat(self) -> float | None:
        """Return the time of the last heartbeat of the training."""
        try:
            return (self.path / "heartbeat").stat().st_mtime
        except OSError:
            return None

    def _stretches(self) -> list[tuple[float, float | None]]:
        found: list[tuple[float, float | None]] = []
        for entry in self._json_lines("clock.jsonl"):
            if "from" in entry:
                found.append((float(entry["from"]), None))
            elif found and found[-1][1] is None:
                found[-1] = (found[-1][0], max(float(entry["to"]), found[-1][0]))
        return found

    def _json_lines(self, name: str) -> Iterator[Any]:
        with suppress(OSError):
            text = (self.path / name).read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines():
                with suppress(ValueError):
                    yield json.loads(line)


@contextmanager
def lock_file(path: Path) -> Iterator[IO[bytes] | None]:
    """Hold a lock file while this process, or a child that inherits it, lives.

    Yields:
        The open file; None if another process has the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        os.set_inheritable(file.fileno(), True)
        yield file
