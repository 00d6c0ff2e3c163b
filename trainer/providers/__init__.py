"""Who can be asked to tune: one adapter a provider, chosen by what the price book says of it."""

from __future__ import annotations

import os

from advisor.errors import UsageError
from advisor.prices.book import PriceBook
from trainer.providers.base import Adapter
from trainer.security.api_keys import api_key_for, environment_name

NATIVE_PROVIDERS = ("together", "fireworks")
LOCAL = "local"
LOOPBACK_URL = "http://127.0.0.1/"


def base_url_of(provider: str, book: PriceBook) -> str:
    """Return where a provider is asked: as the environment says, else as the price book does.

    Raises:
        UsageError: neither says it, or the address still has a gap to fill.
    """
    if provider == LOCAL:
        return LOOPBACK_URL
    name = environment_name(provider, "BASE_URL")
    known = book.providers.get(provider)
    url = os.environ.get(name) or (known.base_url if known else None)
    if not url or "{" in url:
        raise UsageError(
            f"provider {provider}",
            f"its address is {url or 'not known'}.",
            f"Set {name} to the address of your account.",
        )
    return url


def adapter_for(provider: str, book: PriceBook) -> Adapter:
    """Return the way to ask a provider.

    Raises:
        UsageError: nothing here speaks to it.
        NoSecret: its key is missing.
    """
    known = book.providers.get(provider)
    if provider not in NATIVE_PROVIDERS and (known is None or known.protocol != "openai"):
        raise UsageError(
            f"provider {provider}",
            "nothing here speaks to it.",
            "Start the job there by hand with the converted file.",
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

    serving = environment_name(provider, "SERVING_API_KEY")
    named = os.environ.get(serving) or os.environ.get(f"{serving}_FILE")
    return OpenAIProtocol(
        dialect_of(provider),
        url,
        key,
        api_key_for(provider, url, "SERVING_API_KEY") if named else key,
    )
