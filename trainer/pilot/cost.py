"""Cost of a pilot, and the data that it sends to other machines: what the user agrees to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from advisor.dataset.tokenizers import token_counter
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from trainer.paid_calls.cost import (
    Bill,
    BillPart,
    TokenPrices,
    chat_part,
    embedding_part,
    token_prices,
)
from trainer.paid_calls.endpoint import Endpoint, embedding_price, find_endpoint
from trainer.pilot.corpus import Passage
from trainer.pilot.embeddings import missing_texts
from trainer.pilot.prompts import PASSAGES, tokens_of
from trainer.pilot.settings import ArmName
from trainer.pilot.setup import ENCODING, PilotSetup

SEPARATOR_TOKENS = 8
"""Tokens around a passage: its number and the empty lines."""


def prompt_token_counts(setup: PilotSetup, arm: ArmName) -> dict[str, int]:
    """Count the tokens of each prompt of an arm, passages and documents at their longest."""
    tokens, cases = token_counter(ENCODING), setup.measure.cases
    plain: ArmName = "zero_shot" if arm in ("rag", "long_context") else arm
    prompts = [setup.prompts.messages(plain, case) for case in cases]
    added = 0
    if arm == "rag":
        added = _longest_passages(setup.passages, setup.settings.top_k)
    if arm == "long_context":
        added = tokens.count_batch([setup.prompts.corpus])[0] + SEPARATOR_TOKENS * 4
    counts = tokens_of(prompts, tokens)
    return {case.key: count + added for case, count in zip(cases, counts, strict=True)}


def _longest_passages(passages: Sequence[Passage], top_k: int) -> int:
    """Add up the longest passages, with their names."""
    tokens = token_counter(ENCODING)
    names = tokens.count_batch([passage.document for passage in passages])
    pairs = zip(passages, names, strict=True)
    sizes = sorted(passage.tokens + name + SEPARATOR_TOKENS for passage, name in pairs)
    return sum(sizes[-top_k:]) + tokens.count_batch([PASSAGES])[0] + SEPARATOR_TOKENS


def texts_to_embed(setup: PilotSetup) -> tuple[list[str], list[int]]:
    """Return the texts that need a vector, passages before questions, with their tokens."""
    questions = [case.question for case in setup.measure.cases]
    counts = [passage.tokens for passage in setup.passages]
    texts = [passage.text for passage in setup.passages]
    return texts + questions, counts + token_counter(ENCODING).count_batch(questions)


def tuned_prices(plan: TrainingPlan, book: PriceBook, day: date) -> TokenPrices:
    """Look up what the model that a plan tunes at a provider will cost."""
    return token_prices(f"{plan.provider}/{plan.base_model}", book, day, tuned=True)


def pilot_bill(setup: PilotSetup, book: PriceBook, day: date, is_trained: bool) -> Bill:
    """Estimate what is still to be paid; the run of a training reserved its own amount.

    Raises:
        PricingError: a price is missing; the message names the line to add.
    """
    parts: list[BillPart] = []
    if setup.chat is not None:
        prices = token_prices(setup.chat.id, book, day)
        parts += [_arm_part(setup, arm, setup.chat.provider, prices) for arm in setup.prompted_arms]
    if isinstance(setup.embed, Endpoint):
        texts, counts = texts_to_embed(setup)
        places = missing_texts(setup.vectors_path, setup.embed.model, texts)
        usd = embedding_price(setup.embed, book, day)
        missing = [counts[place] for place in places]
        parts.append(embedding_part(setup.embed.provider, usd, missing))
    plan = setup.plan
    if plan is not None and plan.local is None:
        parts.append(_arm_part(setup, "tuned", plan.provider, tuned_prices(plan, book, day)))
    if plan is not None and not is_trained:
        likely, at_most = Decimal(plan.figure.likely), Decimal(plan.figure.at_most)
        tokens = plan.figure.trained_tokens
        parts.append(BillPart("training", plan.provider, 1, tokens, likely, at_most))
    return Bill(tuple(parts))


def _arm_part(setup: PilotSetup, arm: ArmName, provider: str, prices: TokenPrices) -> BillPart:
    """Estimate the cases without an answer; none are left if the arm's result is clear."""
    answers, cases = setup.journal.answers, []
    if setup.measure.replayed(arm, answers).standing == "open":
        cases = [case for case in setup.measure.cases if (arm, case.key) not in answers]
    counts = prompt_token_counts(setup, arm)
    prompts = [counts[case.key] for case in cases]
    expected = token_counter(ENCODING).count_batch([case.expected for case in cases])
    return chat_part(arm, provider, prices, prompts, expected, setup.settings.max_answer_tokens)


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
