"""A request body -> a question; a question -> its tag, and its answer as canonical bytes.

A tag -> the body that was worked out for it, as long as there is room.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from threading import BoundedSemaphore, Lock
from typing import Any

import numpy as np
import orjson

from advisor import __version__
from advisor.api.bodies import parse_record
from advisor.api.errors import PathRefused, RequestRefused
from advisor.api.observability import ApiMetrics
from advisor.dataset.profile import Profile
from advisor.decision.answer import Answer, Question, canonical_json, summarize
from advisor.decision.evaluate import EvaluatedQuestion, evaluate
from advisor.errors import ScenarioError
from advisor.loading import load_evidence, load_rule_catalogue, make_question, parse_team_rules
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.units import Record

MAX_CACHE_ENTRIES = 256
MAX_CACHE_BYTES = 64 * 1024 * 1024


class ResponseCache:
    """Bodies by tag, bounded in number and size; what was not asked for longest goes first."""

    def __init__(
        self, most_entries: int = MAX_CACHE_ENTRIES, most_bytes: int = MAX_CACHE_BYTES
    ) -> None:
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

        >>> shelf = ResponseCache(most_entries=2)
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


MAX_UPLOAD_BYTES = 1024**3
MAX_CONCURRENT = 4
"""Worked out at the same time by one process: more would wait for each other, and hold memory."""
MAX_PROFILE_COUNT = 2**53
"""Counts of a profile above this are no counts."""
QUESTION_KEYS = {"question", "profile", "rules"}
PROFILE_REMEDY = "Give the profile as POST /api/v1/profile returned it."


def utc_today() -> date:
    """Return the day in UTC: the door knows the clock, the core is told."""
    return datetime.now(tz=UTC).date()


class PlanningService:
    """What all requests share: the price book and the evidence, loaded once, and recent answers."""

    def __init__(
        self,
        book: PriceBook | None = None,
        *,
        today: Callable[[], date] = utc_today,
        most_upload_bytes: int = MAX_UPLOAD_BYTES,
    ) -> None:
        self.book = book or load_prices()
        self.evidence = load_evidence()
        self.today = today
        self.most_upload_bytes = most_upload_bytes
        self.meters = ApiMetrics()
        self.turn = BoundedSemaphore(MAX_CONCURRENT)
        shipped = canonical_json(self.evidence) + canonical_json(load_rule_catalogue())
        self._shipped_sha256 = hashlib.sha256(shipped).hexdigest()
        self._shelf = ResponseCache()

    def question(self, body: Mapping[str, Any]) -> Question:
        """Make the question of a body: a scenario, or one with the profile of its dataset.

        Raises:
            AdvisorError: any part of it cannot be understood, or it names a file.
        """
        mapping = body.get("question", body)
        if not isinstance(mapping, Mapping):
            raise ScenarioError("question", "found no mapping.", "Give a scenario.")
        _refuse_unknown(body)
        dataset = mapping.get("dataset")
        if isinstance(dataset, Mapping) and dataset.get("path"):
            raise PathRefused
        asked = make_question(mapping, book=self.book, today=self.today())
        beside = body if "question" in body else {}
        given, rules = beside.get("profile"), beside.get("rules")
        profile = None if given is None else profile_from(given)
        added = () if rules is None else parse_team_rules(rules, "body: rules")
        return replace(
            asked, evidence=self.evidence, profile=profile, rules=added, with_sensitivity=True
        )

    def tag(self, question: Question, door: str) -> str:
        """Name what an answer will be, without working it out.

        Args:
            question: All of it counts but book, evidence and catalogue, of which their hashes do.
            door: What is answered of it, with anything else that decides the body.
        """
        asked = {
            field.name: getattr(question, field.name)
            for field in fields(question)
            if field.name not in ("book", "evidence", "catalogue")
        }
        return self.tag_of(door, asked, self._shipped_sha256)

    def tag_of(self, *parts: object) -> str:
        """Name a body that rests on the price book and on these parts alone."""
        whole = (self.book.sha256, __version__, *parts)
        text = orjson.dumps(whole, default=_plain, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()

    def cached(self, tag: str, make: Callable[[], bytes]) -> tuple[bytes, bool]:
        """Return the body of a tag, and whether it was at hand; else make and keep it.

        Raises:
            AdvisorError: it cannot be worked out.
        """
        kept = self._shelf.get(tag)
        if kept is not None:
            return kept, True
        try:
            with np.errstate(all="raise", under="ignore"):
                body = make()
        except ArithmeticError as error:
            raise ScenarioError(
                "scenario",
                "its numbers are too large or too small to work out.",
                "Give numbers as real use has them.",
            ) from error
        self._shelf.put(tag, body)
        return body, False

    def answer_bytes(self, question: Question) -> bytes:
        """Answer a question as canonical bytes.

        Raises:
            OverflowError: a whole number in the answer has more than 64 bits.
        """
        return self.bytes_of(self.answered(question)[1])

    def answered(self, question: Question) -> tuple[EvaluatedQuestion, Answer]:
        """Evaluate and answer a question, counted and in turn.

        Raises:
            AdvisorError: the question cannot be evaluated.
        """
        self.meters.answers.inc()
        with self.turn:
            evaluated = evaluate(question)
            return evaluated, summarize(evaluated)

    def bytes_of(self, found: Record) -> bytes:
        """Write what was found as canonical bytes.

        Raises:
            OverflowError: a whole number in it has more than 64 bits.
        """
        try:
            return canonical_json(found)
        except orjson.JSONEncodeError as error:
            raise OverflowError(str(error)) from error


def _refuse_unknown(body: Mapping[str, Any]) -> None:
    unknown = set(body) - QUESTION_KEYS if "question" in body else set()
    if unknown:
        raise RequestRefused(
            f"body: {min(unknown)}",
            "there is no such key beside 'question'.",
            "Give 'question', 'profile' and 'rules'.",
        )


def profile_from(given: object) -> Profile:
    """Read the profile that a client gives back.

    Raises:
        RequestRefused: it is none, or its counts cannot be those of a dataset.
    """
    profile = parse_record(Profile, given, "profile")
    for name, value in profile:
        numbers = [value] if isinstance(value, int | float) else _numbers(value)
        if any(not 0 <= number <= MAX_PROFILE_COUNT for number in numbers):
            raise RequestRefused(
                f"profile.{name}", "found a number that counts nothing.", PROFILE_REMEDY
            )
    if not profile.examples or profile.total_tokens < profile.examples:
        found = "found no examples, or examples without tokens."
        raise RequestRefused("profile.examples", found, PROFILE_REMEDY)
    return profile


def _numbers(value: object) -> list[float]:
    """List the counts in a column of pairs."""
    if not isinstance(value, tuple):
        return []
    pairs = [part for part in value if isinstance(part, tuple)]
    return [part for pair in pairs for part in pair if isinstance(part, int | float)]


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no place in a tag")
