"""The parts of a pilot: when it may stop, how documents are cut and found, what it costs at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.dataset.example import Message
from advisor.dataset.tokenizers import token_counter
from advisor.errors import DatasetError, UsageError
from advisor.prices.loader import load_prices
from tests.support import tiny_models
from tests.support.fakes.chat_model import FakeChatModel, hash_vector
from tests.support.fakes.http_server import Fault, Reply
from tests.support.runs import FakeClock, RunHarness, open_run_harness
from trainer.errors import OverBudget, Refused, Unreachable
from trainer.evaluation.split import count_leaked_rows
from trainer.evaluation.statistics import wilson
from trainer.paid_calls.client import ChatClient, PaidChatModel, RetryPolicy
from trainer.paid_calls.cost import Tariff, chat_part, max_token_count, tariff_of
from trainer.paid_calls.journal import ArmAnswer, PilotJournal, ReservedBudget, reserve_budgets
from trainer.pilot.cases import EvaluationCase, hold_out
from trainer.pilot.corpus import Chunking, Corpus, Document, Passage, passages, read_corpus
from trainer.pilot.embeddings import CachedVectors, RemoteEmbedder
from trainer.pilot.measure import MeasureSettings, compare_arms, measure_arms
from trainer.pilot.prompts import Prompts, choose_shots, tokens_of
from trainer.pilot.retrieval import Bm25Index, Retriever, fuse_rankings, is_found
from trainer.pilot.sequential_test import capital, difference, interval, standing
from trainer.security.api_keys import ApiKey, origin_of

ALPHA = 0.05
STREAMS, ROWS = 3000, 300
TOKENS = token_counter("o200k_base")


def random_streams(target: float, kind: str) -> Any:
    """Draw scores whose true mean is the target."""
    draw = np.random.default_rng(int(target * 100))
    size = (ROWS, STREAMS)
    if kind == "right or wrong":
        return (draw.random(size) < target).astype(float)
    return draw.beta(4 * target, 4 * (1 - target), size)


@pytest.mark.parametrize("kind", ["right or wrong", "shares"])
@pytest.mark.parametrize("target", [0.5, 0.85, 0.95])
def test_a_stop_is_false_no_more_often_than_was_agreed(target: float, kind: str) -> None:
    """At the target itself each word is false; looked at after every one of 300 rows."""
    made = capital(random_streams(target, kind), np.full(STREAMS, target))
    needed = np.log(2 / ALPHA)

    above, below = (float(np.mean(side >= needed)) for side in (made.above, made.below))

    spread = 3 * (ALPHA / 2 / STREAMS) ** 0.5
    assert above <= ALPHA / 2 + spread
    assert below <= ALPHA / 2 + spread
    assert above + below > 0  # the test would see one


def test_a_plain_interval_that_is_looked_at_every_row_stops_falsely_far_more_often() -> None:
    scores = random_streams(0.85, "right or wrong").cumsum(axis=0)
    false = np.zeros(STREAMS, bool)
    for row in range(9, ROWS, 10):
        ends = {int(right): wilson(int(right), row + 1) for right in np.unique(scores[row])}
        false |= [not ends[int(right)][0] <= 0.85 <= ends[int(right)][1] for right in scores[row]]

    assert np.mean(false) > 3 * ALPHA


def test_the_interval_holds_the_mean_at_all_looks_together() -> None:
    draw = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        scores = (draw.random(120) < 0.7).astype(float).tolist()
        low, high = interval(scores, 0.1)  # of all looks together: it only grows tighter
        missed += not low <= 0.7 <= high

    assert missed / 200 <= 0.1 + 0.03
    looks = [interval(scores[:rows], 0.1) for rows in range(10, 121, 10)]
    assert all(one[0] <= two[0] and two[1] <= one[1] for one, two in pairwise(looks))


def test_what_is_clear_is_clear_after_few_rows() -> None:
    draw = np.random.default_rng(3)
    needed = []
    for mean in (0.3, 1.0):
        scores = (draw.random(200) < mean).astype(float).tolist()
        needed.append(next(n for n in range(1, 200) if standing(scores[:n], 0.85, ALPHA) != "open"))

    assert needed[0] <= 15
    assert needed[1] <= 45
    assert standing([0.85] * 500, 0.85, ALPHA) == "open"
    low, high = interval([0.85] * 500, ALPHA)
    assert 0.75 < low < 0.85 < high < 0.95
    assert difference([1.0] * 30, [1.0] * 30, ALPHA)[0] < 0 < difference([1.0], [0.0], ALPHA)[1]


def make_case(number: int, expected: str = "yes", question: str | None = None) -> EvaluationCase:
    return EvaluationCase(f"key{number:03}", (Message("user", question or f"question {number}"),), None, expected,
                None)  # fmt: skip


def same_answers(cases: Sequence[EvaluationCase], answers: Sequence[str]) -> list[float]:
    return [float(case.expected == said) for case, said in zip(cases, answers, strict=True)]


def test_arms_are_asked_the_same_rows_until_each_is_clear() -> None:
    cases = tuple(make_case(n) for n in range(60))
    asked: Counter[str] = Counter()

    def way(arm: str, answer: str) -> Any:
        def one(case: EvaluationCase) -> ArmAnswer:
            asked[arm] += 1
            return ArmAnswer(arm, case.key, answer, None, 1, 1, "0", 0.1)

        return one

    found = measure_arms({"zero_shot": way("zero_shot", "no"), "rag": way("rag", "yes")},
                    MeasureSettings(cases, same_answers, 0.8, ALPHA, 10))  # fmt: skip

    assert (asked["zero_shot"], asked["rag"]) == (10, 30)
    assert [track.standing for track in found.progress_by_arm.values()] == [
        "falls short",
        "reaches",
    ]
    assert found.stopped == "it was clear before all 60 rows were asked"
    (pair,) = compare_arms(found.progress_by_arm, ALPHA)
    assert (pair.rows, pair.difference, pair.high < 0) == (10, -1.0, True)


DOCUMENTS = Corpus((
    Document("a.md", " ".join(f"Sentence number {n} is about steel and rain." for n in range(40))),
    Document("b.md", "东京的雨很大。" * 60 + "\n\n" + "x" * 3000),
), 0, "")  # fmt: skip


def test_no_passage_is_longer_than_asked_and_nothing_is_lost() -> None:
    how = Chunking(64, 16)

    found = passages(DOCUMENTS, how, TOKENS)

    assert max(one.tokens for one in found) <= 64 + 8  # joined with spaces
    text = " ".join(one.text for one in found if one.document == "a.md")
    assert all(f"Sentence number {n} is" in text for n in range(40))
    first, second = (one.text for one in found[:2])
    assert first.split(". ")[-1].rstrip(".") in second  # what overlaps is said again
    assert "".join(one.text for one in found if "x" in one.text).count("x") == 3000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("scan.pdf", b"%PDF", "it holds no text"),
        ("a.txt", b"\xff\xfe\x00", "is not UTF-8"),
        ("a.txt", b"  \n", "every text in it is empty"),
        ("a.jsonl", b'{"id": "1"}\n', "there is no 'text'"),
        ("a.jsonl", b"{\n", "broken JSON"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_told(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DatasetError, match=says):
        read_corpus(tmp_path, TOKENS)


def test_documents_are_named_as_their_lines_say(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "refunds", "text": "Five days."}\n{"text": "No."}\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.md").write_text("Read me.")

    found = read_corpus(tmp_path, TOKENS)

    assert [one.name for one in found.documents] == ["refunds", "a.jsonl:2", "sub/b.md"]
    assert found.tokens == sum(TOKENS.count_batch([one.text for one in found.documents]))
    assert "## refunds\n\nFive days." in found.whole


TEXTS = [
    "Refunds are paid within five days.", "Lieferungen kommen am Montag an.", "返金は五日以内です。",
    "The warehouse closes at noon.",
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "place"),
    [("when are refunds paid?", 0), ("Wann kommen Lieferungen?", 1), ("返金はいつですか", 2)],
)
def test_words_find_a_passage_in_any_language(question: str, place: int) -> None:
    assert Bm25Index(TEXTS).ranked(question)[0] == place


def test_what_shares_no_word_is_found_by_meaning_alone() -> None:
    found = tuple(Passage(f"{n}.md", text, 8) for n, text in enumerate(TEXTS))
    vectors = np.eye(4, dtype=np.float32)
    by_both = Retriever(found, Bm25Index(TEXTS), vectors, 2)
    by_words = Retriever(found, Bm25Index(TEXTS), None, 2)

    assert by_words.find("money back", None) == ()
    assert by_both.find("money back", vectors[3])[0] == found[3]
    assert fuse_rankings([[0, 1], [1, 2]])[0] == 1
    assert is_found("0.md", found[:1])
    assert not is_found("0.md", found[1:])


@pytest.fixture
def fake() -> Iterator[FakeChatModel]:
    made = FakeChatModel()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path) -> RunHarness:
    return open_run_harness(tmp_path)


def test_vectors_of_a_provider_come_back_in_their_order_and_are_paid(
    fake: FakeChatModel, desk: RunHarness, tmp_path: Path
) -> None:
    journal = PilotJournal(tmp_path / "rows.jsonl")
    with journal.writing(), reserve_budgets(desk.context, journal, {"own": Decimal(1)}) as paid:
        remote = RemoteEmbedder("embed", fake.url + "/v1", ApiKey(origin_of(fake.url), "k"), Decimal(2),
                        paid["own"], RetryPolicy("own", desk.clock))  # fmt: skip
        found = CachedVectors(tmp_path / "vectors.jsonl", remote, 2).of(TEXTS, [8] * 4)

    assert fake.count("POST", "/v1/embeddings") == 2
    for text, vector in zip(TEXTS, found, strict=True):
        expected = np.array(hash_vector(text))
        assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
    used = sum(len(text) // 4 for text in TEXTS)
    (entry,) = desk.context.ledger.entries()
    assert (entry.purpose, entry.settled) == ("pilot", 2 * used)


def test_where_one_of_two_amounts_passes_a_cap_nothing_stays_set_aside(
    desk: RunHarness, tmp_path: Path
) -> None:
    desk.context.ledger.set_caps(Decimal(1), None)
    journal = PilotJournal(tmp_path / "rows.jsonl")
    amounts = {"own": Decimal("0.60"), "other": Decimal("0.60")}

    for order in (amounts, {"other": Decimal(2), **amounts}):
        with (
            journal.writing(),
            pytest.raises(OverBudget, match="cap of"),
            reserve_budgets(desk.context, journal, order),
        ):
            raise AssertionError

    assert {entry.settled for entry in desk.context.ledger.entries()} == {0}


def test_examples_and_held_out_rows_share_no_near_duplicates(tmp_path: Path) -> None:
    rows = tiny_models.task_rows(80)
    doubled = [*rows, *({"messages": [{"role": "user", "content": row["messages"][0]["content"] + "!"},
                                      row["messages"][1]]} for row in rows)]  # fmt: skip
    path = tiny_models.write_rows(tmp_path / "rows.jsonl", doubled)

    held = hold_out(path)

    assert len(held.cases) + len(held.shown) == 160
    assert count_leaked_rows([c.asked for c in held.shown], [c.asked for c in held.cases]) == 0
    shots = choose_shots(held.shown, 8, "label")
    assert Counter(shot.expected for shot in shots) == dict.fromkeys(tiny_models.TOPICS, 2)
    with pytest.raises(UsageError, match="can be held out"):
        hold_out(tiny_models.write_rows(tmp_path / "few.jsonl", rows[:12]))


def test_prompts_hold_what_their_arm_adds_and_keep_the_rows_own_instruction() -> None:
    case = EvaluationCase(
        "k", (Message("system", "Be kind."), Message("user", "Hello?")), None, "Yes.", None
    )
    prompts = Prompts("Be short.", (make_case(1),), "THE CORPUS")

    def roles(arm: Any, *found: Passage) -> list[tuple[str, str]]:
        return [(one["role"], one["content"]) for one in prompts.messages(arm, case, found)]

    system = ("system", "Be kind.\n\nBe short.")
    assert roles("zero_shot") == [system, ("user", "Hello?")]
    assert roles("few_shot") == [system, ("user", "question 1"), ("assistant", "yes"),
                                 ("user", "Hello?")]  # fmt: skip
    rag = roles("rag", Passage("a.md", "Passage text.", 3))[-1][1]
    assert rag.endswith("[1] a.md\nPassage text.\n\nHello?")
    assert roles("long_context")[0][1].endswith("THE CORPUS")


def test_the_dear_end_covers_every_request_at_its_longest() -> None:
    tariff = Tariff(Decimal(2), Decimal(8))
    case = make_case(1, question="word " * 500)
    counted = tokens_of([Prompts("").messages("zero_shot", case)], TOKENS)[0]

    part = chat_part("zero_shot", "own", tariff, [counted] * 3, [1] * 3, 50)

    assert part.at_most == 3 * tariff.usd(max_token_count(counted), 50)
    assert part.likely < part.at_most
    assert counted > 500


def test_a_long_prompt_is_reckoned_at_the_long_rates() -> None:
    book, day = load_prices(), date(2026, 11, 20)
    named = next(card.id for card in book.models.values() if card.long_context_from_tokens
                 and book.prices.has(f"{card.id}/long_input"))  # fmt: skip

    tariff = tariff_of(named, book, day)

    edge = int(tariff.long_from or 0)
    assert tariff.usd(edge + 1, 0) / (edge + 1) > tariff.usd(edge, 0) / edge


def make_model(fake: FakeChatModel, budget: ReservedBudget, clock: FakeClock) -> PaidChatModel:
    chat = ChatClient(fake.url + "/v1", ApiKey(origin_of(fake.url), "k"))
    return PaidChatModel(
        "m", chat, Tariff(Decimal(2), Decimal(8)), budget, clock, RetryPolicy("own", clock), 50
    )


def test_a_request_without_an_answer_is_asked_again_and_counted_as_paid(
    fake: FakeChatModel, desk: RunHarness, tmp_path: Path
) -> None:
    fake.fault = lambda request: Fault("dropped") if not fake.asked else None
    journal = PilotJournal(tmp_path / "rows.jsonl")
    with journal.writing(), reserve_budgets(desk.context, journal, {"own": Decimal(1)}) as paid:
        model = make_model(fake, paid["own"], desk.clock)
        cell = model.answer("zero_shot", "key001", [{"role": "user", "content": "hello"}], 10)
        model.chat.close()

    assert cell is not None
    assert cell.answer == "What?"
    assert len(fake.asked) == 2
    assert paid["own"].at_risk > 0
    assert "1 requests without an answer" in desk.context.ledger.entries()[0].how
    assert PilotJournal.read(tmp_path / "rows.jsonl").cells[("zero_shot", "key001")] == cell


@pytest.mark.parametrize(
    ("kind", "status", "error"), [("error", None, Unreachable), ("no", 401, Refused)]
)
def test_a_model_that_is_gone_or_says_no_to_all_ends_it(
    fake: FakeChatModel, desk: RunHarness, tmp_path: Path, kind: str, status: int | None,
    error: type[Exception],
) -> None:  # fmt: skip
    reply = Reply({"error": {"message": "no", "code": "x"}}, status) if status else None
    fake.fault = lambda request: Fault("error", reply=reply)
    journal = PilotJournal(tmp_path / "rows.jsonl")
    with journal.writing(), reserve_budgets(desk.context, journal, {"own": Decimal(5)}) as paid:
        model = make_model(fake, paid["own"], desk.clock)
        asked = (model.answer("rag", f"key{n:03}", [{"role": "user", "content": "hello"}], 10)
                 for n in range(5))  # fmt: skip
        with pytest.raises(error):
            list(asked)
        model.chat.close()

    assert desk.context.ledger.entries()[0].settled == 0
