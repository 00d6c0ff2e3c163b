"""Questions and prices of a teacher -> what answering them costs, before anybody is asked.

Arms, rows and prices -> what a pilot costs, likely and at most, before anybody is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal
from pathlib import Path

from advisor.dataset.example import Reject
from advisor.dataset.reader import read_rows
from advisor.dataset.tokenizers import token_counter
from advisor.prices.book import PriceBook
from trainer.paid_calls.journal import DistillationJournal, TokenPrices
from trainer.paid_calls.questions import TeacherQuestion, question_key, read_questions

CENT = Decimal("0.01")
PROMPT_SLACK = Decimal("1.5")
"""Another tokenizer than the one counted with may take half as many tokens again; own judgement."""
LIKELY_SHARE = Decimal("0.5")
"""How much of the longest answer an answer takes where none stands in the rows; own judgement."""


@dataclass(frozen=True)
class Distillation:
    """Whom to ask, how, and what it may cost."""

    provider: str
    model: str
    rates: TokenPrices
    cap_usd: Decimal | None = None
    """Most it may cost; by default what it is reckoned to cost at most."""
    max_answer_tokens: int = 1024
    limit_name: str = "max_tokens"
    """How the endpoint calls that: newer ones say `max_completion_tokens`."""
    temperature: float | None = None
    encoding: str = "o200k_base"
    tries: int = 5
    review_rows: int = 20
    sync_rows: int = 20


@dataclass(frozen=True)
class DistillationCost:
    """What it will cost, before anybody is asked."""

    questions: int
    missing: int
    prompt_tokens: int
    likely: Decimal
    at_most: Decimal


def sidecar_path(rows_out: Path, what: str) -> Path:
    """Name a file beside the rows.

    >>> sidecar_path(Path("rows.jsonl"), "rejects.jsonl").name
    'rows.rejects.jsonl'
    """
    return rows_out.with_name(f"{rows_out.stem}.{what}")


def distillation_cost(asked: Distillation, rows_in: Path, rows_out: Path) -> DistillationCost:
    """Reckon what the questions cost that have no answer yet, as likely and at most.

    Raises:
        DatasetError: the rows cannot be read at all.
    """
    done, total, missing = finished_keys(rows_out), 0, 0
    prompt, likely, at_most = 0, Decimal(0), Decimal(0)
    for one in read_questions(rows_in, token_counter(asked.encoding), lambda _: None):
        total += 1
        if one.key in done:
            continue
        missing, prompt = missing + 1, prompt + one.prompt_tokens
        half = int(asked.max_answer_tokens * LIKELY_SHARE)
        answer = min(one.answer_tokens or half, asked.max_answer_tokens)
        likely += asked.rates.usd(one.prompt_tokens, answer)
        at_most += max_question_cost(asked, one)
    return DistillationCost(
        total, missing, prompt, round_up_to_cents(likely), round_up_to_cents(at_most)
    )


def max_question_cost(asked: Distillation, one: TeacherQuestion) -> Decimal:
    """Return the most that one question may cost [USD]."""
    return asked.rates.usd(max_prompt_tokens(one), asked.max_answer_tokens)


def max_prompt_tokens(one: TeacherQuestion) -> int:
    """Return the most tokens that a question may take with another tokenizer."""
    return int((one.prompt_tokens * PROMPT_SLACK).to_integral_value(ROUND_UP))


def finished_keys(rows_out: Path) -> set[str]:
    """Name the questions that are answered, or whose answer was paid for and is of no use."""
    done = set(DistillationJournal.read(sidecar_path(rows_out, "spent.jsonl")).refused)
    if rows_out.is_file() and rows_out.stat().st_size:
        rows = (row for row in read_rows(rows_out) if not isinstance(row, Reject))
        done |= {key for row in rows if (key := question_key(row)) is not None}
    return done


def round_up_to_cents(usd: Decimal) -> Decimal:
    """Round up to cents."""
    return usd.quantize(CENT, ROUND_UP)


MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Tariff:
    """What a chat model costs [USD per million tokens]."""

    input: Decimal
    output: Decimal
    long_from: float | None = None
    """Prompts of more tokens are billed at the long rates."""
    long_input: Decimal | None = None
    long_output: Decimal | None = None

    def usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return what one request costs.

        >>> Tariff(Decimal(2), Decimal(8)).usd(500_000, 1000)
        Decimal('1.008')
        """
        is_long = self.long_from is not None and prompt_tokens > self.long_from
        read = self.long_input if is_long and self.long_input is not None else self.input
        written = self.long_output if is_long and self.long_output is not None else self.output
        return (prompt_tokens * read + completion_tokens * written) / MILLION


def tariff_of(model: str, book: PriceBook, day: date, tuned: bool = False) -> Tariff:
    """Look the prices of a model up.

    Raises:
        PricingError: the book does not hold them; it says which line to add.
    """
    kind = "tuned_" if tuned else ""
    read = book.prices.on(f"{model}/{kind}input", day).value
    written = book.prices.on(f"{model}/{kind}output", day).value
    card = book.models.get(model)
    long_from = card.long_context_from_tokens if card and not tuned else None
    if long_from is None:
        return Tariff(read, written)
    rates = [
        book.prices.on(item, day).value if book.prices.has(item) else None
        for item in (f"{model}/long_input", f"{model}/long_output")
    ]
    return Tariff(read, written, long_from, *rates)


@dataclass(frozen=True)
class BillPart:
    """What one arm, or the embedding, may cost."""

    what: str
    provider: str
    requests: int
    """That are still to be sent."""
    prompt_tokens: int
    likely: Decimal
    at_most: Decimal


@dataclass(frozen=True)
class Bill:
    """All of it."""

    parts: tuple[BillPart, ...]
    training: Decimal = Decimal("0.00")
    """Dear end of a training, which its own run sets aside."""
    training_likely: Decimal = Decimal("0.00")

    @property
    def likely(self) -> Decimal:
        """Sum of what is likely, rounded up to cents."""
        asked = sum((part.likely for part in self.parts), Decimal(0))
        return round_up_to_cents(asked) + self.training_likely

    @property
    def at_most(self) -> Decimal:
        """Sum of the dear ends, rounded up to cents a provider: what the cap is held against."""
        return sum((self.at_most_of(one) for one in self.providers), self.training)

    @property
    def providers(self) -> tuple[str, ...]:
        """Who is paid."""
        return tuple(dict.fromkeys(part.provider for part in self.parts if part.requests))

    def at_most_of(self, provider: str) -> Decimal:
        """Return the dear end of what goes to one provider."""
        return round_up_to_cents(
            sum((part.at_most for part in self.parts if part.provider == provider), Decimal(0))
        )


def max_token_count(counted: int) -> int:
    """Return the most tokens that a text may have with another tokenizer than the one counted with.

    >>> max_token_count(101)
    152
    """
    return int((counted * PROMPT_SLACK).to_integral_value(ROUND_UP))


def chat_part(
    arm: str,
    provider: str,
    tariff: Tariff,
    prompts: Sequence[int],
    answers: Sequence[int],
    most_answer: int,
) -> BillPart:
    """Reckon what an arm costs.

    Args:
        arm: Its name.
        provider: Who is asked.
        tariff: What the model costs.
        prompts: Tokens of each prompt, counted, passages at their longest.
        answers: Tokens of each expected answer.
        most_answer: Longest answer that is asked for.
    """
    pairs = zip(prompts, answers, strict=True)
    likely = sum((tariff.usd(read, min(wrote, most_answer)) for read, wrote in pairs), Decimal(0))
    at_most = sum((tariff.usd(max_token_count(read), most_answer) for read in prompts), Decimal(0))
    return BillPart(arm, provider, len(prompts), sum(prompts), likely, at_most)


def embedding_part(provider: str, usd_per_million: Decimal, counts: Sequence[int]) -> BillPart:
    """Reckon what making vectors of so many texts costs."""
    read, most = sum(counts), sum(map(max_token_count, counts))
    likely, at_most = (usd_per_million * tokens / MILLION for tokens in (read, most))
    return BillPart("embedding", provider, len(counts), read, likely, at_most)
