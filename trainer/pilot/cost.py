"""A pilot laid out -> the tokens of every prompt, and what it costs at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from advisor.dataset.tokenizers import token_counter
from advisor.prices.book import PriceBook
from trainer.paid_calls.cost import Bill, BillPart, chat_part, embedding_part, tariff_of
from trainer.paid_calls.endpoint import Endpoint, embedding_price, tariff_for
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.corpus import Passage
from trainer.pilot.embeddings import missing_texts
from trainer.pilot.prompts import PASSAGES, tokens_of
from trainer.pilot.settings import ArmName
from trainer.pilot.setup import ENCODING, PilotSetup

SEPARATOR_TOKENS = 8
"""Tokens around a passage: its number and the empty lines."""


def missing_cases(setup: PilotSetup, arm: str) -> list[EvaluationCase]:
    """List the cases that an arm may still be asked: none where it is clear already."""
    cells = setup.journal.cells
    if setup.measure.replayed(arm, cells).standing != "open":
        return []
    return [case for case in setup.measure.cases if (arm, case.key) not in cells]


def prompt_token_counts(setup: PilotSetup, arm: ArmName) -> dict[str, int]:
    """Count the tokens of every prompt of an arm, passages and documents at their longest."""
    tokens, cases = token_counter(ENCODING), setup.measure.cases
    plain = "zero_shot" if arm in ("rag", "long_context") else arm
    prompts = [setup.prompts.messages(plain, case) for case in cases]
    added = 0
    if arm == "rag":
        added = _longest_passages(setup.passages, setup.recipe.top_k)
    if arm == "long_context":
        added = tokens.count_batch([setup.prompts.corpus])[0] + SEPARATOR_TOKENS * 4
    found = tokens_of(prompts, tokens)
    return {case.key: count + added for case, count in zip(cases, found, strict=True)}


def _longest_passages(passages: Sequence[Passage], top_k: int) -> int:
    """Add the longest passages up, with their names."""
    tokens = token_counter(ENCODING)
    names = tokens.count_batch([one.document for one in passages])
    sizes = sorted(
        (one.tokens + name + SEPARATOR_TOKENS for one, name in zip(passages, names, strict=True)),
        reverse=True,
    )
    return sum(sizes[:top_k]) + tokens.count_batch([PASSAGES])[0] + SEPARATOR_TOKENS


def texts_to_embed(setup: PilotSetup) -> tuple[list[str], list[int]]:
    """List the texts that need a vector, passages before questions, with their tokens."""
    asked = [case.question for case in setup.measure.cases]
    counts = [one.tokens for one in setup.passages] + token_counter(ENCODING).count_batch(asked)
    return [one.text for one in setup.passages] + asked, counts


def pilot_bill(setup: PilotSetup, book: PriceBook, day: date, is_trained: bool) -> Bill:
    """Reckon what is still to be paid.

    Args:
        setup: The pilot, laid out.
        book: Prices.
        day: Whose prices hold.
        is_trained: Whether the training has a run already, with an amount of its own.

    Raises:
        PricingError: a price is not in the book; it says which line to add.
    """
    parts = [*_chat_parts(setup, book, day), *_embedding_parts(setup, book, day)]
    figure = setup.plan.figure if setup.plan else None
    parts += _tuned_parts(setup, book, day)
    if figure is None or is_trained:
        return Bill(tuple(parts))
    return Bill(tuple(parts), Decimal(figure.at_most), Decimal(figure.likely))


def _chat_parts(setup: PilotSetup, book: PriceBook, day: date) -> list[BillPart]:
    if setup.chat is None:
        return []
    tariff = tariff_for(setup.chat, book, day)
    return [
        chat_part(
            arm,
            setup.chat.provider,
            tariff,
            *_token_pairs(setup, prompt_token_counts(setup, arm), arm),
            setup.recipe.max_answer_tokens,
        )
        for arm in setup.spoken
    ]


def _tuned_parts(setup: PilotSetup, book: PriceBook, day: date) -> list[BillPart]:
    """What a model costs that is tuned at a provider: it answers the cases there."""
    plan = setup.plan
    if plan is None or plan.local is not None:
        return []
    tariff = tariff_of(f"{plan.provider}/{plan.base_model}", book, day, tuned=True)
    return [
        chat_part(
            "tuned",
            plan.provider,
            tariff,
            *_token_pairs(setup, tuned_token_counts(setup), "tuned"),
            setup.recipe.max_answer_tokens,
        )
    ]


def tuned_token_counts(setup: PilotSetup) -> dict[str, int]:
    """Count the tokens of the cases as a tuned model gets them: nothing is put before them."""
    cases = setup.measure.cases
    found = tokens_of([row_messages(case) for case in cases], token_counter(ENCODING))
    return {case.key: count for case, count in zip(cases, found, strict=True)}


def row_messages(case: EvaluationCase) -> list[dict[str, str]]:
    """Write a case as it stands in the rows."""
    return [{"role": turn.role, "content": turn.content} for turn in case.turns]


def _token_pairs(
    setup: PilotSetup, counts: Mapping[str, int], arm: str
) -> tuple[list[int], list[int]]:
    cases = missing_cases(setup, arm)
    answers = token_counter(ENCODING).count_batch([case.expected for case in cases])
    return [counts[case.key] for case in cases], answers


def _embedding_parts(setup: PilotSetup, book: PriceBook, day: date) -> list[BillPart]:
    if not isinstance(setup.embed, Endpoint):
        return []
    texts, counts = texts_to_embed(setup)
    places = missing_texts(setup.vectors_path, setup.embed.model, texts)
    usd = embedding_price(setup.embed, book, day)
    return [embedding_part(setup.embed.provider, usd, [counts[place] for place in places])]
