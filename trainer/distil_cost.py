"""Questions and prices of a teacher -> what answering them costs, before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path

from advisor.dataset import Reject
from advisor.rows import read_rows
from advisor.tokenizers import counter
from trainer.questions import Question, key_of, questions
from trainer.spending import Rates, Spent

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
    rates: Rates
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
class Cost:
    """What it will cost, before anybody is asked."""

    questions: int
    missing: int
    prompt_tokens: int
    likely: Decimal
    at_most: Decimal


def beside(rows_out: Path, what: str) -> Path:
    """Name a file beside the rows.

    >>> beside(Path("rows.jsonl"), "rejects.jsonl").name
    'rows.rejects.jsonl'
    """
    return rows_out.with_name(f"{rows_out.stem}.{what}")


def cost(asked: Distillation, rows_in: Path, rows_out: Path) -> Cost:
    """Reckon what the questions cost that have no answer yet, as likely and at most.

    Raises:
        DatasetError: the rows cannot be read at all.
    """
    done, total, missing = done_keys(rows_out), 0, 0
    prompt, likely, at_most = 0, Decimal(0), Decimal(0)
    for one in questions(rows_in, counter(asked.encoding), lambda _: None):
        total += 1
        if one.key in done:
            continue
        missing, prompt = missing + 1, prompt + one.prompt_tokens
        half = int(asked.max_answer_tokens * LIKELY_SHARE)
        answer = min(one.answer_tokens or half, asked.max_answer_tokens)
        likely += asked.rates.usd(one.prompt_tokens, answer)
        at_most += most_of(asked, one)
    return Cost(total, missing, prompt, cents(likely), cents(at_most))


def most_of(asked: Distillation, one: Question) -> Decimal:
    """Return the most that one question may cost [USD]."""
    return asked.rates.usd(most_prompt(one), asked.max_answer_tokens)


def most_prompt(one: Question) -> int:
    """Return the most tokens that a question may take with another tokenizer."""
    return int((one.prompt_tokens * PROMPT_SLACK).to_integral_value(ROUND_UP))


def done_keys(rows_out: Path) -> set[str]:
    """Name the questions that are answered, or whose answer was paid for and is of no use."""
    done = set(Spent.read(beside(rows_out, "spent.jsonl")).refused)
    if rows_out.is_file() and rows_out.stat().st_size:
        rows = (row for row in read_rows(rows_out) if not isinstance(row, Reject))
        done |= {key for row in rows if (key := key_of(row)) is not None}
    return done


def cents(usd: Decimal) -> Decimal:
    """Round up to cents."""
    return usd.quantize(CENT, ROUND_UP)
