"""A process that serves one model: requests in, chunks of answers out."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from trainer.errors import TrainerError
from trainer.local.process import environment
from trainer.local.run_folder import RunFolder

System = Literal["tuned", "base"]
SCRIPT = Path(__file__).parent.parent / "scripts" / "chat.py"
MAX_STDERR_CHARACTERS = 500
END_SECONDS = 10.0


class ModelProcessFailed(TrainerError):
    """The process of a model cannot be started, does not load, or ended early."""

    code = "model-not-answering"
    http_status = 503
    exit_code = 4


class ContextTooLong(TrainerError):
    """The messages fill the context window and leave no room for an answer."""

    code = "context-length"
    http_status = 400


class UnsupportedMessages(TrainerError):
    """The model cannot read these messages, or a request setting is invalid."""

    code = "messages-unfit"
    http_status = 400


@dataclass(frozen=True)
class ChatRequest:
    """A chat request; a classifier uses only the messages and `n`."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    max_tokens: int = 256
    """Fewer if the context window ends first."""
    temperature: float = 0.0
    """0 always takes the most probable token."""
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these strings."""
    seed: int | None = None
    """The same seed gives the same answer."""
    n: int = 1
    """Number of answers."""

    def check(self) -> None:
        """Check that every setting is valid.

        Raises:
            UnsupportedMessages: a setting is invalid, with its name and the accepted values.
        """
        have_roles = all(
            isinstance(message, dict) and isinstance(message.get("role"), str)
            for message in self.messages
        )
        for name, is_valid, accepted in (
            ("messages", self.messages and have_roles, "one or more messages, each with a role"),
            ("max_tokens", self.max_tokens >= 1, "1 or more"),
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "a number above 0, at most 1"),
            ("stop", "" not in self.stop, "non-empty texts"),
            ("n", self.n >= 1, "1 or more"),
        ):
            if not is_valid:
                found = "" if name == "messages" else f" is {getattr(self, name)!r}"
                raise UnsupportedMessages(f"{name}{found}. Give {accepted}.")
        try:
            json.dumps(asdict(self), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UnsupportedMessages(
                "a text contains an unpaired surrogate. Send valid Unicode."
            ) from None


@dataclass(frozen=True)
class AnswerChunk:
    """A part of an answer; the last chunk of each answer has the finish reason."""

    index: int
    """Index of the answer, from 0 to n - 1."""
    text: str
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ModelProcess:
    """A worker process; thread-safe, answers one request at a time."""

    def __init__(self, folder: Path, system: System) -> None:
        self.name, self.started_at = folder.name, time.monotonic()
        self._gets: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._lock, self._settled = threading.Lock(), threading.Event()
        self._number, self._is_loaded, self._has_ended, self._last_words = 0, False, False, ""
        self._process = subprocess.Popen(
            command(folder, system),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment()),
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._overhear)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it accepts requests."""
        return not self._has_ended and self._process.poll() is None

    def ask(self, ask: ChatRequest, start_seconds: float) -> Generator[AnswerChunk, None, None]:
        """Stream the answer; closing the generator cancels the request.

        Raises:
            ModelProcessFailed: the model does not load in time, or its process ended.
            ContextTooLong: the messages fill its context window.
            UnsupportedMessages: it cannot read the messages.
        """
        wait = self.started_at + start_seconds - time.monotonic()
        if not self._settled.wait(max(wait, 0.0)):
            self._process.kill()
            raise ModelProcessFailed(
                f"{self.name}: the model did not load within {start_seconds:g} s. "
                "Allow more time, or use a faster machine."
            )
        number, gets = self._send(ask)
        left = ask.n
        try:
            while left:
                piece = _answer_chunk(self.name, gets.get() or self._failure())
                left -= piece.finish is not None
                yield piece
        finally:
            with self._lock:
                del self._gets[number]
                if left and not self._has_ended:
                    self._write({"off": number})

    def end(self) -> None:
        """Kill the process (it has no state to save) and release it."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _send(self, ask: ChatRequest) -> tuple[int, queue.SimpleQueue[dict[str, Any] | None]]:
        gets: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
            self._gets[number] = gets
            if self._has_ended:
                gets.put(None)
            else:
                self._write({"id": number, "ask": asdict(ask)})
        return number, gets

    def _write(self, body: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # the listener reports a process that ended
            self._process.stdin.write(json.dumps(body) + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                told = json.loads(line)
            except ValueError:  # killed while writing, or the line is not part of the protocol
                self._process.kill()
                break
            if "ready" in told:
                self._is_loaded = True
                self._settled.set()
                continue
            gets = self._gets.get(told["id"])
            if gets is not None:
                gets.put(told)
        with self._lock:
            self._has_ended = True
            for gets in self._gets.values():
                gets.put(None)
        self._settled.set()

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._last_words = line.strip()[:MAX_STDERR_CHARACTERS] or self._last_words

    def _failure(self) -> dict[str, Any]:
        """Describe how the process ended, with the end of its standard error."""
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._threads[1].join(END_SECONDS)
        how = f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        when = "the answer was complete" if self._is_loaded else "the model was loaded"
        words = f" Last output: {self._last_words}" if self._last_words else ""
        why = f"its process ended {how}, before {when}. The next request starts a new one.{words}"
        return {"failed": why}


def command(folder: Path, system: System) -> list[str]:
    """Return the command that starts the worker of a run folder.

    Raises:
        ModelProcessFailed: the folder has no run.
        UnsupportedMessages: the TF-IDF baseline has no base model.
    """
    job = RunFolder(folder).read("job.json")
    if job is None:
        raise ModelProcessFailed(
            f"{folder}: job.json not found, so no model was trained here. Give the folder of a run."
        )
    if not job.get("plain"):
        return [sys.executable, str(SCRIPT), str(folder), "--system", system]
    if system == "base":
        raise UnsupportedMessages(
            f"{folder.name} is a TF-IDF baseline and has no base model. Use the tuned model."
        )
    return [sys.executable, "-m", "trainer.local.baseline", str(folder)]


def _answer_chunk(name: str, told: dict[str, Any]) -> AnswerChunk:
    if "failed" in told:
        raise ModelProcessFailed(f"{name}: {told['failed']}")
    if "refused" in told:
        kind = ContextTooLong if told["code"] == ContextTooLong.code else UnsupportedMessages
        raise kind(f"{name}: {told['refused']}")
    values: dict[str, Any] = {field.name: told.get(field.name) for field in fields(AnswerChunk)}
    return AnswerChunk(**values)
