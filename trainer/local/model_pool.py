"""Pool of inference processes, one per tuned model.

Nothing here imports torch. The `ModelPool` limits how many processes run at once, and how long an
idle one is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.local.model_process import (
    AnswerChunk,
    ChatRequest,
    ModelProcess,
    ModelProcessFailed,
    System,
)

FAIR_SECONDS = 10.0
"""How long a request waits for a free process before later requests queue behind it."""
ModelKey = tuple[Path, System]


@dataclass(frozen=True)
class LoadedModel:
    """A model with a running process."""

    folder: Path
    system: System
    pid: int
    at_work: int
    """Requests in progress."""


@dataclass
class _PoolSlot:
    model_process: ModelProcess
    used_at: float
    users: int = 0


class ModelPool:
    """Worker processes, one per model, at most *most*; the least recently used one is ended.

    Thread-safe. A model with a request in progress is never ended for another.
    """

    def __init__(
        self, most: int = 2, idle_seconds: float = 600.0, start_seconds: float = 300.0
    ) -> None:
        self.most, self.idle_seconds, self.start_seconds = most, idle_seconds, start_seconds
        self._change = threading.Condition()
        self._seats: dict[ModelKey, _PoolSlot] = {}
        self._waiting: dict[object, float] = {}
        self._is_closed = False
        self._sweeper = threading.Thread(target=self._sweep, daemon=True)
        self._sweeper.start()

    def ask(
        self, folder: Path, ask: ChatRequest, system: System = "tuned"
    ) -> Generator[AnswerChunk, None, None]:
        """Stream the answer of a run's model; nothing starts before the first chunk.

        Closing the generator cancels the request and leaves the model ready for the next one.

        Raises:
            ModelProcessFailed: the process failed; the next request starts a new one.
            ContextTooLong: the messages fill the context window of the model.
            UnsupportedMessages: the model cannot read them, or a setting is invalid.
        """
        ask.check()
        with self._seat((folder.resolve(), system)) as model_process:
            yield from model_process.ask(ask, self.start_seconds)

    def loaded(self) -> list[LoadedModel]:
        """List the models with a running process."""
        with self._change:
            return [
                LoadedModel(folder, system, seat.model_process.pid, seat.users)
                for (folder, system), seat in self._seats.items()
                if seat.model_process.is_alive
            ]

    def close(self) -> None:
        """End all processes; requests in progress fail."""
        with self._change:
            self._is_closed = True
            for key in list(self._seats):
                self._end(key)
            self._change.notify_all()
        self._sweeper.join()

    @contextmanager
    def _seat(self, key: ModelKey) -> Iterator[ModelProcess]:
        seat = self._take(key)
        try:
            yield seat.model_process
        finally:
            with self._change:
                seat.users -= 1
                seat.used_at = time.monotonic()
                if not seat.users and not seat.model_process.is_alive:
                    seat.model_process.end()
                    if self._seats.get(key) is seat:
                        del self._seats[key]
                self._change.notify_all()

    def _take(self, key: ModelKey) -> _PoolSlot:
        since, ticket = time.monotonic(), object()
        with self._change:
            try:
                while (seat := self._find(key, since)) is None:
                    self._waiting[ticket] = since
                    left = since + self.start_seconds - time.monotonic()
                    if left <= 0:
                        raise ModelProcessFailed(
                            f"{key[0].name}: all {self.most} model processes were busy for "
                            f"{self.start_seconds:g} s. Try again later, or allow more processes."
                        )
                    self._change.wait(min(left, FAIR_SECONDS))
            finally:
                if self._waiting.pop(ticket, None) is not None:
                    self._change.notify_all()
            seat.users += 1
            return seat

    def _find(self, key: ModelKey, since: float) -> _PoolSlot | None:
        """Find or start the process of a model; None if all processes are in use."""
        if self._is_closed:
            raise ModelProcessFailed(
                f"{key[0].name}: this server is shutting down. Send the request to another server."
            )
        seat = self._seats.get(key)
        if seat is not None and not seat.model_process.is_alive:
            self._leave(key)
            seat = None
        now = time.monotonic()
        if any(one < min(since, now - FAIR_SECONDS) for one in self._waiting.values()):
            return None
        if seat is not None:
            return seat
        while len(self._seats) >= self.most:
            free = [(one.used_at, key) for key, one in self._seats.items() if not one.users]
            if not free:
                return None
            self._end(min(free)[1])
        try:
            model_process = ModelProcess(*key)
        except OSError as error:
            raise ModelProcessFailed(
                f"{key[0].name}: the process cannot be started: {error}"
            ) from error
        self._seats[key] = _PoolSlot(model_process, now)
        return self._seats[key]

    def _leave(self, key: ModelKey) -> None:
        """Remove an ended process; its last reader releases it."""
        seat = self._seats.pop(key)
        if not seat.users:
            seat.model_process.end()

    def _end(self, key: ModelKey) -> None:
        self._seats.pop(key).model_process.end()

    def _sweep(self) -> None:
        """End idle processes while the pool is open."""
        with self._change:
            while not self._is_closed:
                now = time.monotonic()
                unused = {
                    key: seat.used_at + self.idle_seconds - now
                    for key, seat in self._seats.items()
                    if not seat.users
                }
                for key in [key for key, left in unused.items() if left <= 0]:
                    self._end(key)
                    del unused[key]
                self._change.wait(min(unused.values(), default=None))
