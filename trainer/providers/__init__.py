"""Provider adapters: selects the adapter and the base URL of a provider."""

from __future__ import annotations

import os
from collections.abc import Iterator

from advisor.errors import AdvisorError, UsageError
from advisor.prices.book import PriceBook
from trainer.providers.base import Adapter
from trainer.security.api_keys import api_key_for, environment_name

NATIVE_PROVIDERS = ("together", "fireworks")
LOCAL = "local"
LOOPBACK_URL = "http://127.0.0.1/"


def base_url_of(provider: str, book: PriceBook) -> str:
    """Return the base URL of a provider: from the environment, else from the price book.

    Raises:
        UsageError: neither has it, or it has a placeholder that is not filled in.
    """
    if provider == LOCAL:
        return LOOPBACK_URL
    name = environment_name(provider, "BASE_URL")
    known = book.providers.get(provider)
    url = os.environ.get(name) or (known.base_url if known else None)
    if not url or "{" in url:
        raise UsageError(
            f"provider {provider}",
            f"incomplete base URL {url}." if url else "unknown base URL.",
            f"Set {name} to the base URL of your account.",
        )
    return url


def api_key_checks(book: PriceBook) -> Iterator[tuple[str, bool, str]]:
    """Yield for each provider whether its key is set, and the URL it is for, or what is missing."""
    for name, provider in sorted(book.providers.items()):
        if provider.protocol == "openai" or name in NATIVE_PROVIDERS:
            try:
                url = base_url_of(name, book)
                api_key_for(name, url)
                yield name, True, url
            except AdvisorError as error:
                yield name, False, str(error)


def adapter_for(provider: str, book: PriceBook) -> Adapter:
    """Return the adapter of a provider.

    Raises:
        UsageError: there is no adapter for it.
        ApiKeyError: its key is missing.
    """
    known = book.providers.get(provider)
    if provider not in NATIVE_PROVIDERS and (known is None or known.protocol != "openai"):
        raise UsageError(
            f"provider {provider}",
            "no adapter for this provider.",
            "Start the job there yourself with the converted file.",
        )
    url = base_url_of(provider, book)
    key = api_key_for(provider, url)
    if provider == "together":
        from trainer.providers.together import Together

        return Together(url, key)
    if provider == "fireworks":
        from trainer.providers.fireworks import Fireworks

        return Fireworks(url, key)
    from trainer.providers.openai import OpenAIProtocol
    from trainer.providers.openai_dialects import dialect_of

    serving_key = key
    serving = environment_name(provider, "SERVING_API_KEY")
    if os.environ.get(serving) or os.environ.get(f"{serving}_FILE"):
        serving_key = api_key_for(provider, url, "SERVING_API_KEY")
    return OpenAIProtocol(dialect_of(provider), url, key, serving_key)
