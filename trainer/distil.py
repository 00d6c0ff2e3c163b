"""Questions and a teacher behind an OpenAI-style endpoint -> rows to learn from, under a cap.

Each answer is on the disk before the next question is sent, so that a run which was killed goes on
with what is missing; the ledger holds the dear end before the first question.

Rows that were made -> a sample of them as a page that a person reads.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from advisor.dataset.example import Message
from advisor.dataset.tokenizers import token_counter
from advisor.errors import UsageError
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused, Unreachable
from trainer.local.run_folder import lock_file
from trainer.paid_calls.client import (
    FATAL_STATUSES,
    MAX_CONSECUTIVE_FAILURES,
    MAX_WAIT_SECONDS,
    WAIT_SECONDS,
    ChatAnswer,
    ChatClient,
)
from trainer.paid_calls.cost import (
    Distillation,
    DistillationCost,
    distillation_cost,
    finished_keys,
    max_prompt_tokens,
    max_question_cost,
    sidecar_path,
)
from trainer.paid_calls.journal import AppendOnlyFile, DistillationJournal
from trainer.paid_calls.questions import TeacherQuestion, read_questions
from trainer.providers.base import ProviderDeclined, ProviderError, RateLimited, UnknownOutcome
from trainer.security.redact import redact
from trainer.storage.ledger import Ledger, LedgerEntry, micro_usd, usd_text

SAMPLE_SEED = 7


def write_review(rows: Path, page: Path, count: int) -> None:
    """Write some rows, drawn by chance but the same each time, as Markdown."""
    with rows.open("rb") as lines:
        total = sum(1 for _ in lines)
    chosen = sorted(random.Random(SAMPLE_SEED).sample(range(total), min(count, total)))
    wanted = set(chosen)
    with rows.open("rb") as lines, page.open("w", encoding="utf-8") as out:
        out.write(
            f"# {len(chosen)} of {total} rows of {rows.name}\n\n"
            "Read them before you train: a model learns every fault in them.\n"
        )
        for number, line in enumerate(lines):
            if number in wanted:
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


@dataclass(frozen=True)
class DistillationResult:
    """What came of it."""

    answered: int
    already: int
    rejected: int
    usd: Decimal
    lost: int
    """Requests without an answer: the provider may bill them, and says nothing of it here."""
    stopped: str
    """Why it ended early; empty where it did not."""


def distil(
    asked: Distillation,
    rows_in: Path,
    rows_out: Path,
    context: TrainerContext,
    chat: ChatClient,
    agree: Callable[[DistillationCost], None],
) -> DistillationResult:
    """Ask a teacher every question that has no answer yet, and keep each answer as it comes.

    Args:
        asked: Whom, how, and under which cap.
        rows_in: Rows of any known format; answers in them are left out.
        rows_out: Takes the answered rows, canonical; what stands there is not asked again.
        context: Its ledger and its clock.
        chat: The way to the teacher.
        agree: Told the cost before anything is reserved or sent; raises to stop.

    Raises:
        Refused: it may cost more than the cap, or another process writes to *rows_out*.
        OverBudget: a cap of the ledger would be passed.
        Unreachable: the teacher cannot be asked now; what was answered is kept.
    """
    if rows_in.resolve() == rows_out.resolve():
        raise UsageError(
            str(rows_out), "the answers would go into the questions.", "Name another file."
        )
    if rows_out.exists() and not sidecar_path(rows_out, "spent.jsonl").exists():
        raise UsageError(
            str(rows_out), "it is there, and no distillation began it.", "Name a new file."
        )
    with lock_file(sidecar_path(rows_out, "lock")) as lock:
        if lock is None:
            raise Refused(f"{rows_out}: another process writes to it. Wait for its end.")
        reckoned = distillation_cost(asked, rows_in, rows_out)
        if asked.cap_usd is not None and reckoned.at_most > asked.cap_usd:
            raise Refused(
                f"{reckoned.missing} answers may cost up to {reckoned.at_most} USD, and "
                f"the cap is {asked.cap_usd}. Raise it, give fewer rows or a smaller "
                "--max-answer-tokens."
            )
        if not reckoned.questions:
            raise UsageError(
                str(rows_in), "nobody asks anything in it.", "Give rows with a message of the user."
            )
        if reckoned.missing:
            agree(reckoned)
        return _Session(asked, rows_in, rows_out, context, chat).work(reckoned)


class _Session:
    """One reservation, from its first question to its last."""

    def __init__(
        self,
        asked: Distillation,
        rows_in: Path,
        rows_out: Path,
        context: TrainerContext,
        chat: ChatClient,
    ) -> None:
        self.asked, self.rows_in, self.rows_out = asked, rows_in, rows_out
        self.ledger, self.clock, self.chat = context.ledger, context.clock, chat
        self.subject = f"distil_{secrets.token_hex(8)}"
        self.spent = DistillationJournal.read(sidecar_path(rows_out, "spent.jsonl"))
        self.out = AppendOnlyFile(rows_out, asked.sync_rows)
        self.notes = AppendOnlyFile(sidecar_path(rows_out, "spent.jsonl"), 1)
        self.rejects = AppendOnlyFile(sidecar_path(rows_out, "rejects.jsonl"), asked.sync_rows)
        self.result = DistillationResult(0, 0, 0, Decimal(0), 0, "")
        self.at_risk = self.dearest = self.limit = Decimal(0)
        self.failed, self.in_flight = 0, False

    def work(self, reckoned: DistillationCost) -> DistillationResult:
        _settle_killed(self.ledger, self.spent)
        try:
            self._open()
            if reckoned.missing:
                self._reserve(reckoned.at_most)
            self._ask_all()
        finally:
            self._end()
        page = sidecar_path(self.rows_out, "review.md")
        write_review(self.rows_out, page, self.asked.review_rows)
        return self.result

    def _reserve(self, usd: Decimal) -> None:
        """Set the dear end aside; its name is on disk before it is in the ledger."""
        self.limit = usd
        rates, day = self.asked.rates, utc_datetime(self.clock.now()).date().isoformat()
        self._note(input=str(rates.input), output=str(rates.output), model=self.asked.model)
        self.ledger.reserve(
            LedgerEntry(self.subject, "distill", self.asked.provider, day, micro_usd(usd), None, "")
        )

    def _open(self) -> None:
        self.rejects.path.unlink(missing_ok=True)
        for lines in (self.notes, self.out, self.rejects):
            lines.open()
        for line in self.spent.refused.values():
            self._reject(line)

    def _end(self) -> None:
        """Settle, whatever happened: a second session makes its own reservation."""
        for lines in (self.out, self.notes, self.rejects):
            lines.close()
        if self.subject not in self.spent.usage:
            return
        if self.in_flight:
            self._count(lost=1)
        usd = self.spent.usd(self.subject)
        lost = f"; {self.result.lost} requests without an answer" if self.result.lost else ""
        answers = len(self.spent.usage[self.subject])
        self.ledger.settle(self.subject, micro_usd(usd), f"usage of {answers} answers{lost}")
        self.result = replace(self.result, usd=usd)

    def _ask_all(self) -> None:
        done = finished_keys(self.rows_out)
        tokens = token_counter(self.asked.encoding)
        for one in read_questions(self.rows_in, tokens, lambda bad: self._reject(bad.model_dump())):
            if one.key in done:
                self._count(already=1)
                continue
            if not self._has_room(one):
                stopped = f"the next question might pass the {self.limit} USD set aside"
                self.result = replace(self.result, stopped=stopped)
                return
            self._one(one)

    def _has_room(self, one: TeacherQuestion) -> bool:
        """Whether what is set aside also covers one more request, answered or lost."""
        so_far = self.spent.usd(self.subject) + self.at_risk
        return so_far + max(max_question_cost(self.asked, one), self.dearest) <= self.limit

    def _one(self, one: TeacherQuestion) -> None:
        said = self._tried(one)
        if said is None:
            if self.failed >= MAX_CONSECUTIVE_FAILURES:
                raise Unreachable(
                    f"{self.asked.provider} left {self.failed} questions in a row "
                    "without an answer. What was answered is kept: say it again "
                    "later."
                )
            return
        self.failed = 0
        prompt, completion = said.prompt_tokens, said.completion_tokens
        used: dict[str, Any] = {
            "key": one.key,
            "prompt_tokens": max_prompt_tokens(one) if prompt is None else prompt,
            "completion_tokens": self.asked.max_answer_tokens if completion is None else completion,
        }
        usd = self.asked.rates.usd(used["prompt_tokens"], used["completion_tokens"])
        self.dearest = max(self.dearest, usd)
        flaw = said.flaw
        if flaw is not None:
            line = {**used, "code": flaw, "found": _start(one)}
            self._note(**line)
            self._reject(line)
            return
        calls = orjson.dumps(said.tool_calls).decode() if said.tool_calls else None
        self.out.add(one.answered(Message("assistant", said.content, tool_calls=calls)))
        self._note(**used)
        self._count(answered=1)

    def _tried(self, one: TeacherQuestion) -> ChatAnswer | None:
        """Ask until there is an answer, a no, or an end to patience."""
        last: ProviderError | None = None
        for number in range(self.asked.tries):
            if number and not self._has_room(one):
                break
            try:
                self.in_flight = True
                said = self.chat.ask(self.asked.model, one.messages, **self._settings(one))
                self.in_flight = False
            except ProviderDeclined as error:
                self.in_flight = False
                if error.status in FATAL_STATUSES:
                    raise Refused(
                        f"{self.asked.provider} refuses: {error}. See to the key and the "
                        "name of the model, then say it again."
                    ) from None
                self._reject({"key": one.key, "code": "declined", "found": redact(f"{error}")})
                return None
            except ProviderError as error:
                self.in_flight, last = False, error
                self._wait(error, one, number)
            else:
                return said
        self.failed += 1
        self._reject({"key": one.key, "code": "no-answer", "found": redact(f"{last}")})
        return None

    def _wait(self, error: ProviderError, one: TeacherQuestion, number: int) -> None:
        """Wait as long as the provider says, else twice as long as the last time."""
        seconds = min(WAIT_SECONDS * 2**number, MAX_WAIT_SECONDS)
        if isinstance(error, UnknownOutcome):
            self.at_risk += max_question_cost(self.asked, one)
            self._count(lost=1)
        if isinstance(error, RateLimited):
            seconds = error.wait_seconds
            if error.meaning != "seconds" or seconds > MAX_WAIT_SECONDS:
                raise Refused(
                    f"{self.asked.provider}: {error}. What was answered is kept: say it "
                    "again when there is room."
                )
        self.clock.sleep(seconds)

    def _settings(self, one: TeacherQuestion) -> dict[str, Any]:
        more: dict[str, Any] = {self.asked.limit_name: self.asked.max_answer_tokens}
        if self.asked.temperature is not None:
            more["temperature"] = self.asked.temperature
        if one.tools is not None:
            more["tools"] = orjson.loads(one.tools)
        return more

    def _note(self, **line: Any) -> None:
        full = {"subject": self.subject, **line}
        self.notes.add(orjson.dumps(full))
        self.spent.take(full)

    def _reject(self, line: Mapping[str, Any]) -> None:
        self.rejects.add(orjson.dumps({k: v for k, v in line.items() if k != "subject"}))
        self._count(rejected=1)

    def _count(self, **more: int) -> None:
        self.result = replace(
            self.result, **{name: getattr(self.result, name) + n for name, n in more.items()}
        )


def _settle_killed(ledger: Ledger, spent: DistillationJournal) -> None:
    """Settle reservations of sessions that were killed with what they wrote down."""
    for subject in spent.usage:
        usd = micro_usd(spent.usd(subject))
        ledger.settle(subject, usd, f"killed; usage of {len(spent.usage[subject])} answers")


def _start(one: TeacherQuestion) -> str:
    return one.turns[-1].content[:80]


def summary(result: DistillationResult) -> str:
    """Write what came of it in one line.

    >>> summary(DistillationResult(2, 1, 0, Decimal("0.0012"), 0, ""))
    '2 answered, 1 before, 0 rejected; 0.0012 USD.'
    """
    lost = f", {result.lost} requests without an answer may be billed too" if result.lost else ""
    stopped = f" Stopped: {result.stopped}." if result.stopped else ""
    usd = usd_text(micro_usd(result.usd)).rstrip("0").rstrip(".") or "0"
    return (
        f"{result.answered} answered, {result.already} before, {result.rejected} rejected; "
        f"{usd} USD{lost}.{stopped}"
    )
