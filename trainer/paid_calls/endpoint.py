"""PROVIDER/MODEL -> where it is asked, with which key, at which price; or why it may not be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from advisor.errors import UsageError
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import Scenario
from trainer.errors import Refused
from trainer.paid_calls.cost import Tariff, tariff_of
from trainer.providers import base_url_of
from trainer.security.api_keys import ApiKey, api_key_for, environment_name, origin_of, read_secret
from trainer.security.egress import is_loopback

COMPLETION_LIMIT_HOSTS = frozenset({"api.openai.com"})
"""Hosts that call the longest answer `max_completion_tokens`."""


@dataclass(frozen=True)
class Endpoint:
    """Somebody who is asked."""

    provider: str
    model: str
    """As the provider calls it."""
    base_url: str
    region: str
    retention: str

    @property
    def host(self) -> str:
        """Where what is sent goes."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.base_url)

    @property
    def limit_name(self) -> str:
        """How the endpoint calls the longest answer."""
        return "max_completion_tokens" if self.host in COMPLETION_LIMIT_HOSTS else "max_tokens"

    def key(self) -> ApiKey:
        """Return the key; a server on this machine may need none.

        Raises:
            NoSecret: there is none.
        """
        if self.is_here and not read_secret(environment_name(self.provider)):
            return ApiKey(origin_of(self.base_url), "none")
        return api_key_for(self.provider, self.base_url)


def find_endpoint(
    flag: str, named: str, base_url: str | None, book: PriceBook, scenario: Scenario
) -> Endpoint:
    """Find out whom a name means, and whether the scenario lets rows go there.

    Raises:
        UsageError: it names no model, or nobody knows the address.
        Refused: the scenario forbids it.
    """
    provider, slash, model = named.partition("/")
    if not slash or not model:
        raise UsageError(
            f"{flag} {named}",
            "this names no model.",
            "Write PROVIDER/MODEL, as in `advisor prices`.",
        )
    known = book.providers.get(provider)
    found = Endpoint(
        provider,
        model,
        base_url or base_url_of(provider, book),
        (known.data_region if known else None) or "not stated",
        (known.data_retention if known else None) or "not stated",
    )
    _check_allowed(found, flag, scenario)
    return found


def _check_allowed(found: Endpoint, flag: str, scenario: Scenario) -> None:
    limits = scenario.limits
    if limits.providers and found.provider not in limits.providers:
        raise Refused(
            f"{flag} {found.provider}/{found.model}: the scenario allows "
            f"{', '.join(limits.providers)} (limits.providers)."
        )
    if found.is_here:
        return
    if not limits.data_may_leave or scenario.needs.privacy_self_host:
        name = "limits.data_may_leave" if not limits.data_may_leave else "needs.privacy_self_host"
        raise Refused(
            f"{flag} {found.provider}/{found.model}: the scenario lets no text leave "
            f"your machines ({name}). Name a server of your own."
        )


def tariff_for(found: Endpoint, book: PriceBook, day: date) -> Tariff:
    """Look the prices of a chat model up."""
    return tariff_of(f"{found.provider}/{found.model}", book, day)


def embedding_price(found: Endpoint, book: PriceBook, day: date) -> Decimal:
    """Look up what an embedding model costs [USD per million tokens]."""
    return book.prices.on(f"{found.provider}/{found.model}/embedding", day).value
