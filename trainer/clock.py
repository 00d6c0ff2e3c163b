"""Clocks: wall-clock time, and a monotonic clock for waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Source of time, replaced in tests."""

    boot: str
    """Id of this machine's boot: `ticks` are comparable only within one."""

    def now(self) -> float:
        """Seconds since 1970 by the wall clock; may jump."""

    def ticks(self) -> float:
        """Seconds on a monotonic clock; the same in every process of a boot."""

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
    """Return seconds since 1970 as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)
