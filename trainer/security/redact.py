"""Redaction: secrets and e-mail addresses removed from text for logs, events, output and errors."""

from __future__ import annotations

import os
import re

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(r"(API_KEY|TOKEN|SECRET|PASSWORD)$")
KEYS = re.compile(
    r"\b(sk|pk|rk|fw|tgp|hf|gsk|ghp|xoxb|wandb)[-_][A-Za-z0-9_-]{12,}|\bAKIA[0-9A-Z]{16}\b"
    r"|(?i:bearer\s+)[A-Za-z0-9._~+/-]{8,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9._-]{10,}"
)
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
MIN_SECRET = 8
_known: set[str] = set()


def register_secret(secret: str) -> None:
    """Register a secret of this process, so that `redact` removes it."""
    if len(secret) >= MIN_SECRET:
        _known.add(secret)


def redact(text: str) -> str:
    """Remove registered secrets, anything that looks like one, and e-mail addresses.

    >>> redact("Bearer abcdefgh12345 was refused for jo@example.org")
    '[hidden] was refused for [hidden]'
    """
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            register_secret(value)
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return EMAIL.sub(HIDDEN, KEYS.sub(HIDDEN, text))
