"""Data that a pilot sends to other machines: to which endpoints, and what."""

from __future__ import annotations

from advisor.prices.book import PriceBook
from trainer.paid_calls.cost import Bill
from trainer.paid_calls.endpoint import Endpoint, find_endpoint
from trainer.pilot.setup import PilotSetup


def external_endpoints(setup: PilotSetup, bill: Bill, book: PriceBook) -> list[Endpoint]:
    """Return the endpoints that get data, except this machine; one per provider."""
    endpoints = [setup.chat] if setup.chat else []
    if isinstance(setup.embed, Endpoint):
        endpoints.append(setup.embed)
    plan = setup.plan
    if plan is not None and plan.local is None:
        model = f"{plan.provider}/{plan.base_model}"
        endpoints.append(find_endpoint("--option", model, None, book, setup.question.scenario))
    by_provider: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if not endpoint.is_local and endpoint.provider in bill.providers:
            by_provider.setdefault(endpoint.provider, endpoint)
    return list(by_provider.values())


def egress_notice(setup: PilotSetup, endpoint: Endpoint) -> str:
    """Write what one endpoint gets, and the personal data found in it."""
    parts = [f"the questions of {len(setup.measure.cases)} held-out rows of your dataset"]
    if setup.prompts.shots and "few_shot" in setup.settings.arms:
        parts.append(f"{len(setup.prompts.shots)} rows as few-shot examples")
    if setup.corpus is not None:
        parts.append(f"the text of {len(setup.corpus.documents)} documents")
    shown = setup.prompts.shots
    if setup.plan is not None and setup.plan.provider == endpoint.provider:
        shown = setup.held.shown
        parts.append(f"{len(shown)} training rows")
    texts = [case.user_text for case in setup.measure.cases]
    texts += [f"{case.user_text}\n{case.expected}" for case in shown]
    texts += [document.text for document in setup.corpus.documents] if setup.corpus else []
    return endpoint.egress_notice(", ".join(parts), texts)
