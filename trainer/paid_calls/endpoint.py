"""Endpoint of a PROVIDER/MODEL: address, key, prices, and whether the scenario allows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from advisor.errors import UsageError
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import Scenario
from trainer.errors import Refused
from trainer.providers import base_url_of
from trainer.security.api_keys import ApiKey, api_key_for, environment_name, origin_of, read_secret
from trainer.security.egress import is_loopback, personal_data_kinds

COMPLETION_LIMIT_HOSTS = frozenset({"api.openai.com"})
"""Hosts whose limit on answer tokens is named `max_completion_tokens`."""


@dataclass(frozen=True)
class Endpoint:
    """A model at a provider."""

    provider: str
    model: str
    """The provider's name of the model."""
    base_url: str
    region: str
    retention: str

    @property
    def id(self) -> str:
        """PROVIDER/MODEL, as in the price book."""
        return f"{self.provider}/{self.model}"

    @property
    def host(self) -> str:
        """Host that receives what is sent."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return is_loopback(self.base_url)

    @property
    def limit_name(self) -> str:
        """The endpoint's name of the limit on answer tokens."""
        return "max_completion_tokens" if self.host in COMPLETION_LIMIT_HOSTS else "max_tokens"

    def key(self) -> ApiKey:
        """Return the API key; a server on this machine works without one.

        Raises:
            ApiKeyError: the key is missing.
        """
        if self.is_local and not read_secret(environment_name(self.provider)):
            return ApiKey(origin_of(self.base_url), "none")
        return api_key_for(self.provider, self.base_url)

    def egress_notice(self, content: str, texts: Iterable[str]) -> str:
        """Write what leaves this machine, where to, and the personal data found in the texts."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(personal_data_kinds(text))
        kinds = ", ".join(f"{kind} in {count} texts" for kind, count in sorted(counts.items()))
        return (
            f"\nData that leaves this machine: {content}, to {self.provider} ({self.host}).\n"
            f"Region: {self.region}. Retention: {self.retention}.\n"
            f"Possible personal data in it: {kinds or 'none found'}."
        )


def find_endpoint(
    flag: str, model_id: str, base_url: str | None, book: PriceBook, scenario: Scenario | None
) -> Endpoint:
    """Look up the endpoint of a model, and check that the scenario allows sending texts there.

    Raises:
        UsageError: the id names no model, or the address is unknown.
        Refused: the scenario forbids it.
    """
    provider, _, model = model_id.partition("/")
    if not model:
        raise UsageError(
            f"{flag} {model_id}",
            "the model is missing.",
            "Write PROVIDER/MODEL, as in `advisor prices`.",
        )
    card, url = book.providers.get(provider), base_url or base_url_of(provider, book)
    region = (card.data_region if card else None) or "not stated"
    retention = (card.data_retention if card else None) or "not stated"
    endpoint = Endpoint(provider, model, url, region, retention)
    if scenario is not None:
        _check_allowed(endpoint, flag, scenario)
    return endpoint


def _check_allowed(endpoint: Endpoint, flag: str, scenario: Scenario) -> None:
    limits = scenario.limits
    if limits.providers and endpoint.provider not in limits.providers:
        raise Refused(
            f"{flag} {endpoint.id}: the scenario allows only {', '.join(limits.providers)} "
            "(limits.providers)."
        )
    if endpoint.is_local:
        return
    if not limits.data_may_leave or scenario.needs.privacy_self_host:
        name = "limits.data_may_leave" if not limits.data_may_leave else "needs.privacy_self_host"
        raise Refused(
            f"{flag} {endpoint.id}: the scenario does not allow texts to leave your machines "
            f"({name}). Give a server of your own."
        )


def embedding_price(endpoint: Endpoint, book: PriceBook, day: date) -> Decimal:
    """Look up the price of an embedding model [USD per million tokens]."""
    return book.prices.on(f"{endpoint.id}/embedding", day).value
