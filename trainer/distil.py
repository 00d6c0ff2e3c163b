"""Distillation: a teacher model answers questions, and the answers become training rows.

Each answer is written before the next question is sent, so that a killed session resumes with what
is missing; the ledger reserves the worst case before the first question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from advisor.dataset.example import Message, Reject
from advisor.dataset.reader import read_rows
from advisor.dataset.tokenizers import token_counter
from advisor.errors import UsageError
from advisor.units import round_up_to_cents
from trainer.context import TrainerContext
from trainer.errors import Refused, Unreachable
from trainer.local.run_folder import lock_file
from trainer.paid_calls.client import ChatClient, PaidChatModel, RetryPolicy
from trainer.paid_calls.cost import TokenPrices, chat_part
from trainer.paid_calls.journal import (
    AppendOnlyFile,
    BudgetExhausted,
    PaidCallJournal,
    reserve_budgets,
)
from trainer.paid_calls.questions import TeacherQuestion, question_key, read_questions
from trainer.providers.base import ProviderDeclined
from trainer.security.redact import redact
from trainer.storage.ledger import micro_usd, usd_text

ENCODING = "o200k_base"
SAMPLE_SEED = 7
LIKELY_SHARE = 0.5
"""Likely length of an answer as a share of the limit, if the row has no answer; own judgement."""


@dataclass(frozen=True)
class Distillation:
    """Teacher, limits and settings."""

    provider: str
    model: str
    prices: TokenPrices
    cap_usd: Decimal | None = None
    """Most it may cost; by default the worst case of the estimate."""
    max_answer_tokens: int = 1024
    limit_name: str = "max_tokens"
    """The endpoint's name of that limit; newer ones use `max_completion_tokens`."""
    temperature: float | None = None
    tries: int = 5
    review_rows: int = 20
    sync_rows: int = 20


@dataclass(frozen=True)
class DistillationCost:
    """Estimate for the questions without an answer."""

    questions: int
    missing: int
    prompt_tokens: int
    likely: Decimal
    at_most: Decimal


@dataclass
class DistillationResult:
    """Outcome of one session."""

    answered: int = 0
    already: int = 0
    rejected: int = 0
    usd: Decimal = Decimal(0)
    lost: int = 0
    """Requests without a response, which the provider may bill."""
    stopped: str = ""
    """Why it ended early; empty if it did not."""


def sidecar_path(rows_out: Path, what: str) -> Path:
    """Name a file that belongs to the rows.

    >>> sidecar_path(Path("rows.jsonl"), "rejects.jsonl").name
    'rows.rejects.jsonl'
    """
    return rows_out.with_name(f"{rows_out.stem}.{what}")


def finished_keys(rows_out: Path, journal: PaidCallJournal) -> set[str]:
    """Return the questions that have an answer, or a paid answer that cannot be used."""
    done = set(journal.rejected)
    if rows_out.is_file() and rows_out.stat().st_size:
        rows = (row for row in read_rows(rows_out) if not isinstance(row, Reject))
        done |= {key for row in rows if (key := question_key(row)) is not None}
    return done


def distillation_cost(
    distillation: Distillation, rows_in: Path, done: set[str]
) -> DistillationCost:
    """Estimate the cost of the questions that are not done.

    Raises:
        DatasetError: the rows cannot be read.
    """
    total, prompts, answers = 0, [], []
    half = int(distillation.max_answer_tokens * LIKELY_SHARE)
    counter = token_counter(ENCODING)
    for question in read_questions(rows_in, counter, lambda _: None):
        total += 1
        if question.key not in done:
            prompts.append(question.prompt_tokens)
            answers.append(question.answer_tokens or half)
    teacher = (distillation.provider, distillation.prices)
    part = chat_part("distil", *teacher, prompts, answers, distillation.max_answer_tokens)
    likely, at_most = round_up_to_cents(part.likely), round_up_to_cents(part.at_most)
    return DistillationCost(total, part.requests, part.tokens, likely, at_most)


def distil(
    distillation: Distillation,
    rows_in: Path,
    rows_out: Path,
    context: TrainerContext,
    client: ChatClient,
    agree: Callable[[DistillationCost], None],
) -> DistillationResult:
    """Have a teacher answer each question of *rows_in* that has no answer in *rows_out* yet.

    *agree* receives the cost before anything is reserved or sent, and raises to stop.

    Raises:
        Refused: it may cost more than the cap, or another process writes to *rows_out*.
        OverBudget: a cap of the ledger would be exceeded.
        Unreachable: the teacher does not answer now; the answers so far are saved.
    """
    journal_path = sidecar_path(rows_out, "spent.jsonl")
    if rows_in.resolve() == rows_out.resolve():
        raise UsageError(
            str(rows_out), "the answers would overwrite the questions.", "Give another file."
        )
    if rows_out.exists() and not journal_path.exists():
        raise UsageError(
            str(rows_out), "it exists and is no output of `trainer distil`.", "Give a new file."
        )
    with lock_file(sidecar_path(rows_out, "lock")) as lock:
        if lock is None:
            raise Refused(f"{rows_out}: another process writes to it. Wait until it ends.")
        journal = PaidCallJournal.read(journal_path)
        done = finished_keys(rows_out, journal)
        cost = distillation_cost(distillation, rows_in, done)
        _check_cost(cost, distillation, rows_in)
        if cost.missing:
            agree(cost)
        session = _DistillationSession(distillation, rows_in, rows_out, journal, done)
        session.run(cost, context, client)
        write_review(rows_out, sidecar_path(rows_out, "review.md"), distillation.review_rows)
        return session.result


def _check_cost(cost: DistillationCost, distillation: Distillation, rows_in: Path) -> None:
    if distillation.cap_usd is not None and cost.at_most > distillation.cap_usd:
        raise Refused(
            f"{cost.missing} answers may cost up to {cost.at_most} USD, and the cap is "
            f"{distillation.cap_usd}. Raise it, give fewer rows or a smaller --max-answer-tokens."
        )
    if not cost.questions:
        raise UsageError(
            str(rows_in), "it has no row with a user message.", "Add rows with a user message."
        )


@dataclass
class _DistillationSession:
    """One reservation, from its first question to its last."""

    distillation: Distillation
    rows_in: Path
    rows_out: Path
    journal: PaidCallJournal
    done: set[str]

    def __post_init__(self) -> None:
        self.rows = AppendOnlyFile(self.rows_out, self.distillation.sync_rows)
        rejects = sidecar_path(self.rows_out, "rejects.jsonl")
        rejects.unlink(missing_ok=True)
        self.rejects = AppendOnlyFile(rejects, self.distillation.sync_rows)
        self.result = DistillationResult()

    def run(self, cost: DistillationCost, context: TrainerContext, client: ChatClient) -> None:
        """Reserve, ask, and settle."""
        teacher = self.distillation
        amounts = {teacher.provider: cost.at_most} if cost.missing else {}
        # the rows are on the disk before the ledger is settled: the files close in reverse order
        with (
            self.journal.file,
            reserve_budgets(context, self.journal, "distill", amounts) as budgets,
            self.rows,
            self.rejects,
        ):
            for line in self.journal.rejected.values():
                self._reject(line)
            budget = budgets.get(teacher.provider)
            if budget is None:
                self._read_all(None)
                return
            policy = RetryPolicy(teacher.provider, context.clock, teacher.tries)
            limit = (teacher.max_answer_tokens, teacher.limit_name)
            self._read_all(
                PaidChatModel(teacher.model, client, teacher.prices, budget, policy, *limit)
            )
            self.result.usd, self.result.lost = budget.spent, budget.lost

    def _read_all(self, model: PaidChatModel | None) -> None:
        """Read the questions, and have the model answer those that are not done."""
        tokens = token_counter(ENCODING)
        for question in read_questions(
            self.rows_in, tokens, lambda row: self._reject(row.model_dump())
        ):
            if question.key in self.done or model is None:
                self.result.already += 1
                continue
            try:
                self._answer(question, model)
            except BudgetExhausted:
                limit = model.budget.limit
                self.result.stopped = f"the next question might exceed the reserved {limit} USD"
                return

    def _answer(self, question: TeacherQuestion, model: PaidChatModel) -> None:
        temperature = self.distillation.temperature
        settings = {} if temperature is None else {"temperature": temperature}
        try:
            paid = model.ask(question.messages, question.prompt_tokens, question.tools, **settings)
        except ProviderDeclined as error:
            self._reject({"key": question.key, "code": "declined", "found": redact(str(error))})
            return
        except (BudgetExhausted, Unreachable):
            self._reject_unanswered(question, model)
            raise
        if paid is None:
            self._reject_unanswered(question, model)
            return
        used: dict[str, Any] = {
            "key": question.key,
            "prompt_tokens": paid.prompt_tokens,
            "completion_tokens": paid.completion_tokens,
            "usd": str(paid.usd),
        }
        answer = paid.chat
        if answer.flaw is not None:
            used |= {"code": answer.flaw, "found": question.turns[-1].content[:80]}
            model.budget.record(**used)
            self._reject(used)
            return
        calls = orjson.dumps(answer.tool_calls).decode() if answer.tool_calls else None
        # the row first: a kill in between loses the line of its cost, not a paid answer
        self.rows.add(question.answered(Message("assistant", answer.content, tool_calls=calls)))
        model.budget.record(**used)
        self.result.answered += 1

    def _reject_unanswered(self, question: TeacherQuestion, model: PaidChatModel) -> None:
        if error := model.retry_policy.last_error:
            self._reject({"key": question.key, "code": "no-answer", "found": redact(error)})

    def _reject(self, line: Mapping[str, Any]) -> None:
        self.rejects.add(orjson.dumps({k: v for k, v in line.items() if k != "subject"}))
        self.result.rejected += 1


def write_review(rows: Path, page: Path, count: int) -> None:
    """Write a random sample of the rows as Markdown, the same sample each time."""
    with rows.open("rb") as lines:
        total = sum(1 for _ in lines)
    chosen = set(random.Random(SAMPLE_SEED).sample(range(total), min(count, total)))
    with rows.open("rb") as lines, page.open("w", encoding="utf-8") as out:
        out.write(
            f"# {len(chosen)} of {total} rows of {rows.name}\n\n"
            "Read them before training: a model learns every error in them.\n"
        )
        for number, line in enumerate(lines):
            if number in chosen:
                out.write("".join(_review_lines(number + 1, orjson.loads(line))))


def _review_lines(number: int, row: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## Row {number}\n"
    for message in row["messages"]:
        yield f"\n**{message['role']}**\n\n"
        text = message.get("content") or ""
        calls = message.get("tool_calls")
        if calls:
            text += f"\n{orjson.dumps(calls, option=orjson.OPT_INDENT_2).decode()}"
        yield "".join(f"> {line}\n" for line in text.strip().splitlines())


def summary(result: DistillationResult) -> str:
    """Write the outcome in one line.

    >>> summary(DistillationResult(2, 1, 0, Decimal("0.0012"), 0, ""))
    '2 answered, 1 before, 0 rejected; 0.0012 USD.'
    """
    lost = f", {result.lost} requests without a response may be billed too" if result.lost else ""
    stopped = f" Stopped: {result.stopped}." if result.stopped else ""
    usd = usd_text(micro_usd(result.usd)).rstrip("0").rstrip(".") or "0"
    return (
        f"{result.answered} answered, {result.already} before, {result.rejected} rejected; "
        f"{usd} USD{lost}.{stopped}"
    )
