"""A tag -> the body that was worked out for it, as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

MOST_ENTRIES = 256
MOST_BYTES = 64 * 1024 * 1024


class Shelf:
    """Bodies by tag, bounded in number and size; what was not asked for longest goes first."""

    def __init__(self, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._most_entries, self._most_bytes = most_entries, most_bytes
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, tag: str) -> bytes | None:
        """Return the body of a tag, if it is still here."""
        with self._lock:
            body = self._bodies.get(tag)
            if body is not None:
                self._bodies.move_to_end(tag)
            return body

    def put(self, tag: str, body: bytes) -> None:
        """Keep a body, and let go of the oldest where there is no room.

        >>> shelf = Shelf(most_entries=2)
        >>> for tag in "abc":
        ...     shelf.put(tag, b"body")
        >>> [tag for tag in "abc" if shelf.get(tag)]
        ['b', 'c']
        """
        if len(body) > self._most_bytes // 4:
            return
        with self._lock:
            self._bytes += len(body) - len(self._bodies.pop(tag, b""))
            self._bodies[tag] = body
            while len(self._bodies) > self._most_entries or self._bytes > self._most_bytes:
                self._bytes -= len(self._bodies.popitem(last=False)[1])
