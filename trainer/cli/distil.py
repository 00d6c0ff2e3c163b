"""`trainer distil`: answers of a teacher to your questions, once amount and rows are agreed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from advisor.cli.flags import PricesFlag
from advisor.console import console
from advisor.dataset.example import Reject
from advisor.dataset.reader import read_rows
from advisor.errors import UsageError
from advisor.prices.book import PriceBook
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.clock import utc_datetime
from trainer.context import TrainerContext, open_context
from trainer.distil import distil as ask_all
from trainer.distil import summary
from trainer.paid_calls.client import ChatClient
from trainer.paid_calls.cost import Distillation, DistillationCost, sidecar_path
from trainer.paid_calls.journal import TokenPrices
from trainer.providers import base_url_of
from trainer.security.api_keys import ApiKey, api_key_for, environment_name, origin_of, read_secret
from trainer.security.egress import is_loopback, personal_data_kinds

COMPLETION_LIMIT_HOSTS = frozenset({"api.openai.com"})
"""Hosts that call the longest answer `max_completion_tokens`."""


@dataclass(frozen=True)
class Teacher:
    """What the flags say of who answers."""

    named: Annotated[
        str, typer.Option("--teacher", metavar="PROVIDER/MODEL", help="Model that answers.")
    ]
    base_url: Annotated[str | None, typer.Option(help="Base URL of the teacher.")] = None
    usd_input: Annotated[
        str | None,
        typer.Option(help="USD per 1M prompt tokens, if the price book has no price."),
    ] = None
    usd_output: Annotated[
        str | None,
        typer.Option(help="USD per 1M completion tokens, if the price book has no price."),
    ] = None
    max_answer_tokens: Annotated[int, typer.Option(help="Maximum tokens of an answer.")] = 1024
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None
    cap: Annotated[str | None, typer.Option(help="Maximum cost [USD].")] = None
    review_rows: Annotated[
        int, typer.Option("--review", help="Number of answers to write to a file for review.")
    ] = 20


def distil_questions(
    rows_in: Annotated[
        Path, typer.Argument(metavar="QUESTIONS", help="Rows with questions; answers are ignored.")
    ],
    rows_out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Training rows; resumes where it stopped.")
    ],
    teacher: Teacher,
    consent: Consent,
    prices: PricesFlag = None,
) -> None:
    """Show the cost, ask for the amount and for the rows, and have the questions answered."""
    context = open_context(prices)
    provider, slash, model = teacher.named.partition("/")
    if not slash or not model:
        raise UsageError(
            f"--teacher {teacher.named}",
            "this names no model.",
            "Write PROVIDER/MODEL, as in `advisor prices`.",
        )
    if teacher.max_answer_tokens < 1:
        raise UsageError("--max-answer-tokens", "an answer has 1 token or more.", "Give 512.")
    url = teacher.base_url or base_url_of(provider, context.book)
    host = urlsplit(url).hostname or ""
    asked = Distillation(
        provider=provider,
        model=model,
        rates=_rates(context, teacher),
        cap_usd=_amount("--cap", teacher.cap),
        max_answer_tokens=teacher.max_answer_tokens,
        limit_name="max_completion_tokens" if host in COMPLETION_LIMIT_HOSTS else "max_tokens",
        temperature=teacher.temperature,
        review_rows=teacher.review_rows,
    )
    chat = ChatClient(url, _key(provider, url))
    try:
        result = ask_all(
            asked,
            rows_in,
            rows_out,
            context,
            chat,
            lambda cost: _agree(cost, asked, rows_in, url, consent, context.book),
        )
    finally:
        chat.close()
    console().print(summary(result), soft_wrap=True)
    for what in ("review.md", "rejects.jsonl"):
        if sidecar_path(rows_out, what).stat().st_size:
            console().print(f"{sidecar_path(rows_out, what)}", soft_wrap=True)


def _key(provider: str, url: str) -> ApiKey:
    """Return the key; a server on this machine may need none."""
    if is_loopback(url) and not read_secret(environment_name(provider)):
        return ApiKey(origin_of(url), "none")
    return api_key_for(provider, url)


def _rates(context: TrainerContext, teacher: Teacher) -> TokenPrices:
    day, found = utc_datetime(context.clock.now()).date(), []
    for kind, own in (("input", teacher.usd_input), ("output", teacher.usd_output)):
        amount = _amount(f"--usd-{kind}", own)
        if amount is None:
            amount = context.book.prices.on(f"{teacher.named}/{kind}", day).value
        found.append(amount)
    return TokenPrices(*found)


def _amount(flag: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{flag} {text}", "this is no amount.", "Write 3.50.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{flag} {text}", "an amount is 0 or more.", "Write 0 for nothing.")
    return amount


def _agree(
    cost: DistillationCost,
    asked: Distillation,
    rows: Path,
    url: str,
    consent: Consent,
    book: PriceBook,
) -> None:
    """Show what it costs and what leaves, and have each agreed to by itself."""
    done = cost.questions - cost.missing
    before = f", {done:,} answered before" if done else ""
    console().print(
        f"{cost.missing:,} questions to {asked.provider}/{asked.model}{before}; "
        f"{cost.prompt_tokens:,} tokens of questions, answers of up to "
        f"{asked.max_answer_tokens:,}.\n{cost.likely} USD likely, at most {cost.at_most} USD, at "
        f"{asked.rates.input} USD in and {asked.rates.output} USD out per million tokens.",
        soft_wrap=True,
    )
    agree_to_pay(cost.at_most, consent)
    if not is_loopback(url) or consent.allow_egress is not None:
        _agree_to_send(cost, asked.provider, rows, url, consent, book)


def _agree_to_send(
    cost: DistillationCost, provider: str, rows: Path, url: str, consent: Consent, book: PriceBook
) -> None:
    known = book.providers.get(provider)
    region = (known.data_region if known else None) or "not stated"
    retention = (known.data_retention if known else None) or "not stated"
    found = ", ".join(f"{kind} in {n} rows" for kind, n in _personal(rows).items())
    console().print(
        f"\nWhat leaves this machine: the questions of {cost.missing} rows of {rows}, to "
        f"{provider} ({urlsplit(url).hostname}).\nRegion: {region}. Kept there: {retention}.\n"
        f"What looks personal in them: {found or 'nothing'}.",
        soft_wrap=True,
    )
    agree_to_send(provider, consent)


def _personal(path: Path) -> Mapping[str, int]:
    """Count the questions that seem to hold personal data, by kind."""
    counts: Counter[str] = Counter()
    for row in read_rows(path):
        if not isinstance(row, Reject):
            asked = row.turns[:-1] if row.turns[-1].role == "assistant" else row.turns
            counts.update(personal_data_kinds("\n".join(turn.content for turn in asked)))
    return dict(sorted(counts.items()))
