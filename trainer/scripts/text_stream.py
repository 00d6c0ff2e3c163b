"""Streaming text: generated tokens -> text that later tokens cannot change, up to a stop string.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

REPLACEMENT_CHARACTER = "\ufffd"
"""Decoded form of an incomplete UTF-8 character."""


class StreamedAnswer:
    """One streamed answer; `finish` is the reason it ended.

    >>> decode = lambda ids: bytes(ids).decode(errors="replace")
    >>> answer = StreamedAnswer(decode, {0}, ["##"], most=9)
    >>> [answer.take(token) for token in "é#a##".encode()], answer.finish
    (['', 'é', '', '#a', '', ''], 'stop')
    """

    def __init__(
        self, decode: Callable[[list[int]], str], ends: set[int], stops: Sequence[str], most: int
    ) -> None:
        self._decode, self._ends, self._stops, self._most = decode, ends, stops, most
        self.ids: list[int] = []
        self.finish: Literal["stop", "length"] | None = None
        self._from, self._to = 0, 0  # range of tokens decoded last: leading spaces depend on it
        self._held = ""

    def take(self, token: int) -> str:
        """Add a token; return the new final text."""
        self.ids.append(token)
        if token in self._ends:
            self.finish = "stop"
        elif len(self.ids) >= self._most:
            self.finish = "length"
        self._held += self._read()
        places = [self._held.find(stop) for stop in self._stops if stop in self._held]
        if places:
            self.finish, self._held = "stop", self._held[: min(places)]
        shown = len(self._held) if self.finish else len(self._held) - self._half_a_stop()
        text, self._held = self._held[:shown], self._held[shown:]
        return text

    def _read(self) -> str:
        before = self._decode(self.ids[self._from : self._to])
        now = self._decode(self.ids[self._from :])
        if self.finish is None and (now.endswith(REPLACEMENT_CHARACTER) or len(now) <= len(before)):
            return ""
        self._from, self._to = self._to, len(self.ids)
        return now[len(before) :]

    def _half_a_stop(self) -> int:
        """Count the trailing characters that could start a stop string."""
        return max(
            (
                count
                for stop in self._stops
                for count in range(1, len(stop))
                if self._held.endswith(stop[:count])
            ),
            default=0,
        )
