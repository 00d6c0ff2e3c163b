"""The clocks: the day and hour for people, and one that never jumps for waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What tells the time."""

    boot: str
    """Name of the running of this machine: `ticks` compare only within one."""

    def now(self) -> float:
        """Seconds since 1970, as set by people; may jump."""

    def ticks(self) -> float:
        """Seconds on a clock that only goes forward; the same in every process of a boot."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clocks of this machine."""

    def __init__(self) -> None:
        self.boot = BOOT_FILE.read_text().strip() if BOOT_FILE.exists() else str(time.time_ns())

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def ticks(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def utc_datetime(seconds: float) -> datetime:
    """Return seconds since 1970 as a moment in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)
