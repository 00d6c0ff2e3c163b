"""The planning service behind the HTTP API: questions from request bodies, cached responses."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import date
from threading import BoundedSemaphore, Lock
from typing import Any

import numpy as np
import orjson

from advisor import __version__
from advisor.api.bodies import parse_record
from advisor.api.errors import PathRefused, RequestRefused
from advisor.api.observability import ApiMetrics
from advisor.console import today
from advisor.dataset.profile import Profile
from advisor.decision.answer import Answer, Question, canonical_json, summarize
from advisor.decision.evaluate import EvaluatedQuestion, evaluate
from advisor.errors import ScenarioError
from advisor.loading import load_evidence, load_rule_catalogue, make_question, parse_team_rules
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.rules.team_rules import TeamRule
from advisor.scenario.scenario import Scenario
from advisor.units import Record

MAX_CACHE_ENTRIES = 256
MAX_CACHE_BYTES = 64 * 1024 * 1024


class ResponseCache:
    """Response bodies by tag, least recently used first out, bounded in number and size."""

    def __init__(self, max_entries: int = MAX_CACHE_ENTRIES) -> None:
        self._max_entries = max_entries
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, tag: str) -> bytes | None:
        """Return the body of a tag, or None if it is not cached."""
        with self._lock:
            body = self._bodies.get(tag)
            if body is not None:
                self._bodies.move_to_end(tag)
            return body

    def put(self, tag: str, body: bytes) -> None:
        """Store a body, removing the least recently used ones if the cache is full.

        >>> cache = ResponseCache(max_entries=2)
        >>> for tag in "abc":
        ...     cache.put(tag, b"body")
        >>> [tag for tag in "abc" if cache.get(tag)]
        ['b', 'c']
        """
        if len(body) > MAX_CACHE_BYTES // 4:
            return
        with self._lock:
            self._bytes += len(body) - len(self._bodies.pop(tag, b""))
            self._bodies[tag] = body
            while len(self._bodies) > self._max_entries or self._bytes > MAX_CACHE_BYTES:
                self._bytes -= len(self._bodies.popitem(last=False)[1])


MAX_UPLOAD_BYTES = 1024**3
MAX_CONCURRENT = 4
"""Answers computed at the same time per process; more would compete for CPU and memory."""
MAX_PROFILE_COUNT = 2**53
"""Largest plausible count in a profile."""
PROFILE_REMEDY = "Send the profile as POST /api/v1/profile returned it."


class QuestionRequest(Record):
    """A scenario with the profile of its dataset, and your team's rules."""

    question: Scenario
    """The scenario."""
    profile: Profile | None = None
    """Profile of the dataset, as POST /api/v1/profile returned it."""
    rules: tuple[TeamRule, ...] = ()
    """Your team's rules."""


QUESTION_KEYS = set(QuestionRequest.model_fields)


class PlanningService:
    """State shared by all requests: price book, evidence, metrics and cached responses."""

    def __init__(
        self,
        book: PriceBook | None = None,
        *,
        today: Callable[[], date] = today,
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
        self._cache = ResponseCache()

    def question(self, body: Mapping[str, Any]) -> Question:
        """Return the question in a body: a scenario, or a scenario with profile and rules."""
        mapping = body.get("question", body)
        if not isinstance(mapping, Mapping):
            raise ScenarioError("question", "expected a mapping.", "Send a scenario.")
        unknown = set(body) - QUESTION_KEYS if "question" in body else set()
        if unknown:
            raise RequestRefused(
                f"body: {min(unknown)}",
                "unknown key.",
                "Use 'question', 'profile' and 'rules'.",
            )
        dataset = mapping.get("dataset")
        if isinstance(dataset, Mapping) and dataset.get("path"):
            raise PathRefused
        question = make_question(mapping, book=self.book, today=self.today())
        extras = body if "question" in body else {}
        profile, rules = extras.get("profile"), extras.get("rules")
        return replace(
            question,
            evidence=self.evidence,
            profile=None if profile is None else profile_from(profile),
            rules=() if rules is None else parse_team_rules(rules, "body: rules"),
        )

    def tag(self, question: Question, operation: str) -> str:
        """Return the tag of a response to a question, without computing the response.

        Every field of the question counts; price book, evidence and rules count by their hashes.
        """
        inputs = {
            field.name: getattr(question, field.name)
            for field in fields(question)
            if field.name not in ("book", "evidence", "catalogue")
        }
        return self.tag_of(operation, inputs, self._shipped_sha256)

    def tag_of(self, *parts: object) -> str:
        """Return the tag of a response that depends on the price book and these parts only."""
        inputs = (self.book.sha256, __version__, *parts)
        text = orjson.dumps(inputs, default=_plain, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()

    def cached(self, tag: str, make: Callable[[], bytes]) -> tuple[bytes, bool]:
        """Return the body of a tag, and whether it was cached; else compute and store it."""
        stored = self._cache.get(tag)
        if stored is not None:
            return stored, True
        try:
            with np.errstate(all="raise", under="ignore"):
                body = make()
        except ArithmeticError as error:
            raise ScenarioError(
                "scenario",
                "its numbers are too large or too small to compute.",
                "Use numbers of realistic size.",
            ) from error
        self._cache.put(tag, body)
        return body, False

    def answer_bytes(self, question: Question) -> bytes:
        """Answer a question as canonical bytes."""
        return self.bytes_of(self.answered(question)[1])

    def answered(self, question: Question) -> tuple[EvaluatedQuestion, Answer]:
        """Evaluate and answer a question, counted and in turn."""
        self.meters.answers.inc()
        with self.turn:
            evaluated = evaluate(question)
            return evaluated, summarize(evaluated)

    def bytes_of(self, record: Record) -> bytes:
        """Return a record as canonical bytes.

        Raises:
            OverflowError: an integer in it has more than 64 bits.
        """
        try:
            return canonical_json(record)
        except orjson.JSONEncodeError as error:
            raise OverflowError(str(error)) from error


def profile_from(value: object) -> Profile:
    """Return the profile that a client sent.

    Raises:
        RequestRefused: it is not a profile, or its counts are impossible.
    """
    profile = parse_record(Profile, value, "profile")
    for name, value in profile:
        numbers = [value] if isinstance(value, int | float) else _numbers(value)
        if any(not 0 <= number <= MAX_PROFILE_COUNT for number in numbers):
            raise RequestRefused(f"profile.{name}", "found an impossible count.", PROFILE_REMEDY)
    if not profile.examples or profile.total_tokens < profile.examples:
        found = "found no examples, or examples without tokens."
        raise RequestRefused("profile.examples", found, PROFILE_REMEDY)
    return profile


def _numbers(value: object) -> list[float]:
    """Return the counts in a column of pairs."""
    if not isinstance(value, tuple):
        return []
    pairs = [part for part in value if isinstance(part, tuple)]
    return [part for pair in pairs for part in pair if isinstance(part, int | float)]


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be part of a tag")
