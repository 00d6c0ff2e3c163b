"""What leaves this machine: rows, bytes, and what looks personal in them; never without a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
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
    """What a launch sends away."""

    provider: str
    host: str
    region: str
    retention: str
    rows: int
    bytes: int
    personal: Mapping[str, int]
    """Kind of personal data -> rows that seem to hold it."""


def is_loopback(base_url: str) -> bool:
    """Return whether an address is this machine.

    >>> is_loopback("http://127.0.0.1:9000/v1"), is_loopback("https://api.together.ai/v1")
    (True, False)
    """
    return urlsplit(base_url).hostname in LOOPBACK


def personal_data_kinds(text: str) -> set[str]:
    """Name what looks personal in a text; a look-alike counts, a name without form does not.

    >>> sorted(personal_data_kinds("write to jo@example.org or +49 30 1234567"))
    ['e-mail', 'phone']
    """
    found = {
        kind
        for kind, form in (("e-mail", EMAIL), ("secret", KEYS), ("phone", PHONE))
        if form.search(text)
    }
    if any(_is_iban(hit.group()) for hit in IBAN.finditer(text)):
        found.add("bank account")
    if any(_is_card(hit.group()) for hit in CARD.finditer(text)):
        found.add("card number")
    if any(hit.group() not in NOT_PERSONAL for hit in IP_ADDRESS.finditer(text)):
        found.add("IP address")
    return found


def count_personal_data(paths: list[Path]) -> Mapping[str, int]:
    """Count the rows of files that seem to hold personal data, by kind."""
    counts: Counter[str] = Counter()
    for line in _lines(paths):
        counts.update(personal_data_kinds(line))
    return dict(sorted(counts.items()))


def _lines(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        with path.open(encoding="utf-8") as rows:
            yield from rows


def _is_card(text: str) -> bool:
    """Luhn's sum, which one digit in ten passes by chance."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [2 * one - 9 * (one > 4) for one in digits[-2::-2]]
    return len(digits) >= 13 and (sum(digits[::-2][:]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: the number, turned and spelled in digits, leaves 1 over 97."""
    flat = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in flat[4:] + flat[:4])) % 97 == 1
