"""A teacher on loopback answers questions: shown first, capped, each paid once, whatever happens."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from advisor.dataset.example import Example
from advisor.dataset.reader import read_rows
from advisor.errors import UsageError
from tests.support.fakes.http_server import FakeProvider, Fault, Reply, Request
from tests.support.runs import RunHarness, open_run_harness
from trainer.cli.consent import Consent
from trainer.cli.distil import Teacher
from trainer.cli.distil import distil_questions as distil_by_name
from trainer.distil import (
    Distillation,
    DistillationCost,
    DistillationResult,
    distil,
    distillation_cost,
)
from trainer.errors import NoConsent, OverBudget, Refused, Unreachable
from trainer.local.run_folder import lock_file
from trainer.paid_calls.client import ChatClient
from trainer.paid_calls.cost import TokenPrices
from trainer.security.api_keys import ApiKey, origin_of

ROWS = 12
RATES = TokenPrices(Decimal(2), Decimal(8))
PROMPT, ANSWER = 11, 7
USD = RATES.usd(PROMPT, ANSWER)
ASKED = Distillation("own", "big", RATES, max_answer_tokens=50, sync_rows=3)


class RecordingTeacher(FakeProvider):
    """Answers each question with itself in capitals, and counts what was billed."""

    def __init__(self) -> None:
        super().__init__()
        self.billed: Counter[str] = Counter()
        self.change: Callable[[dict[str, Any], str], None] = lambda body, question: None
        self.route("POST", "/v1/chat/completions", self.chat)

    def chat(self, request: Request) -> Reply:
        question = request.json()["messages"][-1]["content"]
        self.billed[question] += 1
        body = {"id": "chat-1", "object": "chat.completion", "created": 1, "model": "big",
                "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                             "message": {"role": "assistant", "content": question.upper()}}],
                "usage": {"prompt_tokens": PROMPT, "completion_tokens": ANSWER,
                          "total_tokens": PROMPT + ANSWER}}  # fmt: skip
        self.change(body, question)
        return Reply(body)


@dataclass
class TeacherHarness:
    """A teacher, an office, and questions in a file."""

    teacher: RecordingTeacher
    desk: RunHarness
    folder: Path
    shown: list[DistillationCost] = field(default_factory=list)
    asked: Distillation = ASKED

    @property
    def rows_in(self) -> Path:
        return self.folder / "questions.jsonl"

    @property
    def out(self) -> Path:
        return self.folder / "answers.jsonl"

    def chat(self) -> ChatClient:
        return ChatClient(self.teacher.url + "/v1", ApiKey(origin_of(self.teacher.url), "k"))

    def go(self, **more: Any) -> DistillationResult:
        chat = self.chat()
        try:
            return distil(replace(self.asked, **more), self.rows_in, self.out, self.desk.context,
                          chat, self.shown.append)  # fmt: skip
        finally:
            chat.close()

    def answers(self) -> list[str]:
        return [json.loads(line)["messages"][-1]["content"]
                for line in self.out.read_text().splitlines()]  # fmt: skip

    def beside(self, what: str) -> str:
        return (self.folder / f"answers.{what}").read_text()

    def settled(self) -> list[int | None]:
        return [entry.settled for entry in self.desk.context.ledger.entries()]


@pytest.fixture
def school(tmp_path: Path) -> Iterator[TeacherHarness]:
    teacher = RecordingTeacher()
    teacher.start()
    one = TeacherHarness(teacher, open_run_harness(tmp_path), tmp_path)
    rows = [{"messages": [{"role": "system", "content": "Be loud."},
                          {"role": "user", "content": f"question {n}"}]} for n in range(ROWS)]  # fmt: skip
    rows[3]["messages"].append({"role": "assistant", "content": "an old answer"})
    one.rows_in.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in [*rows, rows[5]]))
    yield one
    teacher.stop()


def test_every_question_is_answered_once_and_settled_as_used(school: TeacherHarness) -> None:
    result = school.go()

    assert result == DistillationResult(ROWS, 0, 0, USD * ROWS, 0, "")
    assert set(school.teacher.billed.values()) == {1}
    assert school.answers() == [f"QUESTION {n}" for n in range(ROWS)]
    kept = list(read_rows(school.out))
    assert all(isinstance(row, Example) and len(row.turns) == 3 for row in kept)
    entry = school.desk.context.ledger.entries()[0]
    assert (entry.purpose, entry.settled) == ("distill", int(USD * ROWS * 1_000_000))
    assert entry.reserved >= (entry.settled or 0)
    body = school.teacher.asked[0].json()
    assert (body["model"], body["max_tokens"]) == ("big", 50)
    assert "temperature" not in body
    assert school.beside("rejects.jsonl") == ""


def test_the_cost_is_shown_before_anything_is_asked(school: TeacherHarness) -> None:
    def no(shown: DistillationCost) -> None:
        school.shown.append(shown)
        raise Refused("not today")

    with pytest.raises(Refused, match="not today"):
        distil(school.asked, school.rows_in, school.out, school.desk.context, school.chat(), no)

    shown = school.shown[0]
    assert (shown.questions, shown.missing) == (ROWS, ROWS)
    assert Decimal(0) < shown.likely <= shown.at_most == Decimal("0.01")
    assert school.teacher.asked == []
    assert school.desk.context.ledger.entries() == ()


def test_the_dear_end_is_answers_at_their_longest(school: TeacherHarness) -> None:
    asked = replace(school.asked, max_answer_tokens=10_000)

    found = distillation_cost(asked, school.rows_in, set())

    exact = ROWS * RATES.usd(0, 10_000)
    assert exact < found.at_most < exact * Decimal("1.02")
    assert found.prompt_tokens > ROWS * 5


@pytest.mark.parametrize(("caps", "error"), [("own", Refused), ("ledger", OverBudget)])
def test_what_may_pass_a_cap_is_refused_before_anything_is_asked(
    school: TeacherHarness, caps: str, error: type[Exception]
) -> None:
    more = {"max_answer_tokens": 10_000} | ({"cap_usd": Decimal("0.50")} if caps == "own" else {})
    if caps == "ledger":
        school.desk.context.ledger.set_caps(Decimal("0.50"), None)

    with pytest.raises(error, match="cap"):
        school.go(**more)

    assert school.teacher.asked == []
    assert school.desk.context.ledger.entries() == ()


class Killed(BaseException):
    """Ends a session as a signal does."""


@pytest.mark.parametrize("settles", [True, False], ids=["interrupted", "killed"])
def test_a_run_that_was_killed_goes_on_and_pays_no_row_twice(
    school: TeacherHarness, monkeypatch: pytest.MonkeyPatch, settles: bool
) -> None:
    def die(body: dict[str, Any], question: str) -> None:
        if len(school.teacher.billed) == 6:
            raise_here.append(True)

    raise_here: list[bool] = []
    school.teacher.change = die
    ask = ChatClient.ask

    def dying(self: ChatClient, *args: Any, **more: Any) -> Any:
        if raise_here:
            raise Killed
        return ask(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(ChatClient, "ask", dying)
        if not settles:
            patch.setattr(type(school.desk.context.ledger), "settle", lambda *a: None)
        with pytest.raises(Killed):
            school.go()
    assert len(school.answers()) == 6
    assert school.settled() == ([int(USD * 6 * 1_000_000)] if settles else [None])
    with school.out.open("ab") as out:
        out.write(b'{"messages": [{"content": "torn')
    with (school.folder / "answers.spent.jsonl").open("ab") as out:
        out.write(b'{"subject": "to')

    result = school.go()

    assert (result.answered, result.already) == (6, 6)
    assert set(school.teacher.billed.values()) == {1}
    assert sorted(school.answers()) == sorted(f"QUESTION {n}" for n in range(ROWS))
    assert sum(school.settled()) == int(USD * ROWS * 1_000_000)  # type: ignore[arg-type]
    assert school.shown[1].missing == 6


def test_a_second_time_nothing_is_asked_or_agreed(school: TeacherHarness) -> None:
    school.go()
    school.shown.clear()

    result = school.go()

    assert (result.answered, result.already, result.usd) == (0, ROWS, Decimal(0))
    assert (school.shown, len(school.desk.context.ledger.entries())) == ([], 1)
    assert len(school.teacher.asked) == ROWS


def _fail_once(school: TeacherHarness, kind: str, reply: Reply | None = None) -> None:
    seen: set[int] = set()

    def fault(request: Request) -> Fault | None:
        number = len(school.teacher.asked)
        if number in (2, 7) and number not in seen:
            seen.add(number)
            return Fault(kind, reply=reply)
        return None

    school.teacher.fault = fault


def test_too_many_requests_are_waited_out(school: TeacherHarness) -> None:
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    _fail_once(school, "limited", Reply(body, 429, {"retry-after": "17"}))

    result = school.go()

    assert (result.answered, result.lost) == (ROWS, 0)
    assert school.desk.clock.slept == [17.0, 17.0]
    assert set(school.teacher.billed.values()) == {1}


@pytest.mark.parametrize("kind", ["error", "lost", "html"])
def test_a_request_without_an_answer_is_sent_again_and_told_of(
    school: TeacherHarness, kind: str
) -> None:
    _fail_once(school, kind)

    result = school.go()

    assert (result.answered, result.lost) == (ROWS, 2)
    assert school.desk.clock.slept == [2.0, 2.0]
    assert "2 requests without a response" in school.desk.context.ledger.entries()[0].how


def test_lost_requests_count_as_spent_until_nothing_more_is_set_aside(
    school: TeacherHarness,
) -> None:
    school.teacher.fault = lambda request: Fault("dropped")

    result = school.go(max_answer_tokens=500, tries=100)

    assert "might exceed" in result.stopped
    limit = school.shown[0].at_most
    most = limit / ROWS
    assert ROWS - 1 <= sum(school.teacher.billed.values()) <= limit / most
    assert school.settled() == [0]


def test_no_money_ends_it_at_once(school: TeacherHarness) -> None:
    body = {"error": {"message": "no money", "code": "insufficient_quota"}}
    _fail_once(school, "limited", Reply(body, 429))

    with pytest.raises(Refused, match="The answers so far are saved"):
        school.go()

    assert len(school.answers()) == 2
    assert school.settled() == [int(USD * 2 * 1_000_000)]


def test_a_teacher_that_is_gone_ends_it_after_a_few_questions(school: TeacherHarness) -> None:
    school.teacher.fault = lambda request: Fault("error") if len(school.answers()) > 3 else None

    with pytest.raises(Unreachable, match="3 requests in a row"):
        school.go(tries=2, max_answer_tokens=500)

    lines = school.beside("rejects.jsonl").splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["no-answer"] * 3
    school.teacher.fault = lambda request: None
    assert school.go().answered == ROWS - 4


def test_it_stops_before_more_is_spent_than_was_set_aside(school: TeacherHarness) -> None:
    """A teacher that counts more than was reckoned cannot run the bill up."""

    def dear(body: dict[str, Any], question: str) -> None:
        body["usage"] = {"prompt_tokens": 3000, "completion_tokens": 50, "total_tokens": 3050}

    school.teacher.change = dear

    result = school.go(max_answer_tokens=500)

    limit = school.shown[0].at_most
    assert 0 < result.answered < ROWS
    assert result.usd <= limit
    assert "might exceed" in result.stopped
    assert school.settled()[0] <= limit * 1_000_000  # type: ignore[operator]
    assert school.beside("review.md").startswith(f"# {result.answered} of {result.answered} rows")


BAD: dict[str, Callable[[dict[str, Any]], None]] = {
    "cut-off": lambda body: body["choices"][0].update(finish_reason="length"),
    "content-filter": lambda body: body["choices"][0].update(finish_reason="content_filter"),
    "refusal": lambda body: body["choices"][0]["message"].update(refusal="I will not"),
    "empty": lambda body: body["choices"][0]["message"].update(content="  "),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(BAD))
def test_an_answer_of_no_use_is_listed_paid_and_not_asked_for_again(
    school: TeacherHarness, code: str
) -> None:
    school.teacher.change = lambda body, q: BAD[code](body) if q == "question 4" else None
    with school.rows_in.open("ab") as out:
        out.write(b'{"messages": [{"role": "system", "content": "nobody asks"}]}\nnot json\n')

    result = school.go()
    again = school.go()

    assert (result.answered, result.rejected, result.usd) == (ROWS - 1, 3, USD * ROWS)
    assert (again.answered, again.already, again.rejected) == (0, ROWS, 3)
    assert school.teacher.billed["question 4"] == 1
    codes = {json.loads(line)["code"] for line in school.beside("rejects.jsonl").splitlines()}
    assert codes == {code, "no-question", "broken-json"}


@pytest.mark.parametrize(("status", "ends"), [(401, True), (404, True), (400, False)])
def test_a_no_ends_it_only_where_every_row_would_hear_it(
    school: TeacherHarness, status: int, ends: bool
) -> None:
    _fail_once(school, "error", Reply({"error": {"message": "no: sk-abcdefghijklmnop", "code": "x"}},
                                 status))  # fmt: skip

    if ends:
        with pytest.raises(Refused, match="Check the API key"):
            school.go()
        assert len(school.answers()) == 2
        return
    assert (school.go().answered, "sk-abc" in school.beside("rejects.jsonl")) == (ROWS - 2, False)


def test_without_usage_the_dear_end_is_settled(school: TeacherHarness) -> None:
    school.teacher.change = lambda body, q: body.pop("usage")

    assert school.go().usd > ROWS * RATES.usd(0, 50)


def test_tools_go_along_and_calls_come_back(school: TeacherHarness) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    school.rows_in.write_bytes(orjson.dumps({"messages": [{"role": "user", "content": "where?"}],
                                             "tools": tools}))  # fmt: skip
    school.teacher.change = lambda body, q: body["choices"][0].update(
        message={"role": "assistant", "content": None, "tool_calls": calls})  # fmt: skip

    school.go(temperature=0.5)

    assert school.teacher.asked[0].json()["tools"] == tools
    assert school.teacher.asked[0].json()["temperature"] == 0.5
    row = json.loads(school.out.read_text())
    assert (row["tools"], row["messages"][-1]["tool_calls"]) == (tools, calls)


def test_the_review_page_reads_as_a_conversation(school: TeacherHarness) -> None:
    school.go(review_rows=4)

    page = school.beside("review.md")
    assert page.startswith("# 4 of 12 rows of answers.jsonl\n")
    assert page.count("## Row ") == 4
    assert "\n**assistant**\n\n> QUESTION " in page


def test_what_cannot_be_asked_is_said(school: TeacherHarness) -> None:
    with pytest.raises(UsageError, match="answers would overwrite the questions"):
        distil(school.asked, school.rows_in, school.rows_in, school.desk.context, school.chat(),
               school.shown.append)  # fmt: skip
    school.out.write_text("a file of mine")
    with pytest.raises(UsageError, match="no output of `trainer distil`"):
        school.go()
    school.out.unlink()
    with lock_file(school.folder / "answers.lock"), pytest.raises(Refused, match="another process"):
        school.go()
    school.rows_in.write_text('{"messages": [{"role": "system", "content": "x"}]}\n')
    with pytest.raises(UsageError, match="no row with a user message"):
        school.go()


def _shell(
    school: TeacherHarness, monkeypatch: pytest.MonkeyPatch, typed: str = "", consent: Consent | None = None,
    **more: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr("trainer.cli.distil.open_context", lambda prices: school.desk.context)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    teacher = Teacher(**{"named": "own/big", "base_url": school.teacher.url + "/v1",
                         "usd_input": "2", "usd_output": "8", "max_answer_tokens": 50, **more})  # fmt: skip
    distil_by_name(school.rows_in, school.out, teacher, consent or Consent(False, None, None))


def test_from_the_command_line(
    school: TeacherHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _shell(school, monkeypatch, "0.01\n")

    said = capsys.readouterr().out
    assert "12 questions to own/big" in said
    assert "USD likely, at most 0.01 USD" in said
    assert "Type 0.01 to spend up to $0.01" in said
    assert "12 answered, 0 before, 0 rejected; 0.000936 USD." in said
    assert "answers.review.md" in said.replace("\n", "")


@pytest.mark.parametrize(
    ("typed", "consent", "more", "error", "says"),
    [
        ("5\n", None, {}, Refused, "you typed '5', not 0.01"),
        ("", Consent(True, None, None), {}, UsageError, "missing the accepted amount"),
        ("", Consent(True, Decimal("0.001"), None), {}, Refused, r"may cost up to \$0\.01"),
        ("0.01\n", Consent(False, None, "other"), {}, UsageError, "rows would go to own"),
        ("", Consent(True, Decimal(1), None), {"base_url": "https://api.example.org/v1"}, NoConsent,
         "Add --allow-egress own"),
        ("0.01\nyes\n", None, {"base_url": "https://api.example.org/v1"}, NoConsent,
         "nothing was sent"),
        ("", None, {"named": "big"}, UsageError, "the model is missing"),
        ("", None, {"cap": "0.001"}, Refused, "the cap is 0.001"),
        ("", None, {"usd_input": "-1"}, UsageError, "0 or more"),
    ],
)  # fmt: skip
def test_nothing_is_asked_without_both_words(
    school: TeacherHarness, monkeypatch: pytest.MonkeyPatch, typed: str, consent: Consent | None,
    more: dict[str, Any], error: type[Exception], says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("OWN_API_KEY", "key-of-a-test")

    with pytest.raises(error, match=says):
        _shell(school, monkeypatch, typed, consent, **more)

    assert school.teacher.asked == []


def test_prices_come_from_the_book(school: TeacherHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    _shell(school, monkeypatch, "0.01\n", named="openai/gpt-4.1", usd_input=None, usd_output=None)

    entry = school.desk.context.ledger.entries()[0]
    assert entry.provider == "openai"
    assert entry.settled == int(ROWS * USD * 1_000_000)
