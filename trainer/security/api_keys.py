"""API keys of providers, from the environment or a file, each bound to the origin it is for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from trainer.errors import ApiKeyError
from trainer.security.redact import register_secret

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class ApiKey:
    """A key and the only origin it is ever sent to."""

    origin: str
    value: str = field(repr=False)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL.

    Raises:
        ApiKeyError: a key must not be sent to this URL.

    >>> origin_of("https://api.together.ai/v1")
    'https://api.together.ai:443'
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username or parts.password or not host:
        raise ApiKeyError(f"{url!r} is not a valid provider URL. Use https://HOST/PATH.")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ApiKeyError(f"{parts.scheme}://{host}: keys are sent over https only. Use https.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{host}:{port}"


def environment_name(provider: str, what: str = "API_KEY") -> str:
    """Return the name of a provider's environment variable.

    >>> environment_name("together")
    'TOGETHER_API_KEY'
    """
    return f"{provider.upper().replace('-', '_')}_{what}"


def api_key_for(provider: str, base_url: str, what: str = "API_KEY") -> ApiKey:
    """Read a provider's key and bind it to its origin.

    Raises:
        ApiKeyError: there is none, or its file cannot be read; the value is never shown.
    """
    name = environment_name(provider, what)
    value = read_secret(name)
    if not value:
        raise ApiKeyError(
            f"no API key for {provider}. Set {name}, or {name}_FILE to a file that contains it."
        )
    return ApiKey(origin_of(base_url), value)


def read_secret(name: str) -> str:
    """Read a secret from its variable, or from the file that `<name>_FILE` names; "" if unset.

    Raises:
        ApiKeyError: the file cannot be read, or the value is not a valid key.
    """
    value, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE")
    if not value and file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ApiKeyError(
                f"{name}_FILE: {file} cannot be read as text. Check the path and the file."
            ) from error
    if not value.isascii() or " " in value or not value.isprintable():
        raise ApiKeyError(
            f"{name}: not a valid key: it has spaces or special characters. Check it."
        )
    register_secret(value)
    return value
