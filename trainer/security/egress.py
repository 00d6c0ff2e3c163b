"""Data egress: what a launch sends to a provider, and personal data detected in the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trainer.security.api_keys import LOOPBACK
from trainer.security.redact import EMAIL, KEYS

IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
CARD = re.compile(r"\b(?:\d[ -]?){13,19}\b")
PHONE = re.compile(r"(?<![\w.])\+\d{1,3}[ ()/-]?(?:\d[ ()/-]?){7,12}\d\b")
IP_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
NOT_PERSONAL = frozenset({"127.0.0.1", "0.0.0.0"})


@dataclass(frozen=True)
class EgressSummary:
    """The data that a launch sends to a provider."""

    provider: str
    host: str
    region: str
    retention: str
    rows: int
    bytes: int
    personal: Mapping[str, int]
    """Kind of personal data -> number of rows that seem to contain it."""


def is_loopback(base_url: str) -> bool:
    """Return whether a URL points to this machine.

    >>> is_loopback("http://127.0.0.1:9000/v1"), is_loopback("https://api.together.ai/v1")
    (True, False)
    """
    return urlsplit(base_url).hostname in LOOPBACK


def personal_data_kinds(text: str) -> set[str]:
    """Return the kinds of personal data that a text seems to contain.

    Found by pattern: false positives count, and names of people are not detected.

    >>> sorted(personal_data_kinds("write to jo@example.org or +49 30 1234567"))
    ['e-mail', 'phone']
    """
    patterns = {"e-mail": EMAIL, "secret": KEYS, "phone": PHONE}
    kinds = {kind for kind, pattern in patterns.items() if pattern.search(text)}
    if any(_is_iban(match.group()) for match in IBAN.finditer(text)):
        kinds.add("bank account")
    if any(_is_card(match.group()) for match in CARD.finditer(text)):
        kinds.add("card number")
    if any(match.group() not in NOT_PERSONAL for match in IP_ADDRESS.finditer(text)):
        kinds.add("IP address")
    return kinds


def count_personal_data(paths: list[Path]) -> Mapping[str, int]:
    """Count the rows that seem to contain personal data, by kind."""
    counts: Counter[str] = Counter()
    for path in paths:
        with path.open(encoding="utf-8") as rows:
            for row in rows:
                counts.update(personal_data_kinds(row))
    return dict(sorted(counts.items()))


def _is_card(text: str) -> bool:
    """Check the Luhn sum; one number in ten passes by chance."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) >= 13 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Check ISO 13616: rotated and written as digits, the number modulo 97 is 1."""
    flat = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in flat[4:] + flat[:4])) % 97 == 1
