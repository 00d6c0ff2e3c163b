"""Splitting rows: near-duplicates stay together, shares come out, the same seed deals the same."""

from __future__ import annotations

import random
import time
from itertools import combinations

import numpy as np
import pytest

from advisor.errors import UsageError
from tests.support.leaks import count_leaked_rows
from trainer.evaluation.baselines import majority, tfidf_logreg
from trainer.evaluation.near_duplicates import number_free_words, sketch_texts, words
from trainer.evaluation.split import TEST, TRAIN, VALIDATION, split

DRAW = random.Random(7)
VOCABULARY = ["".join(DRAW.choice("abcdefghijklmnoprstuvw") for _ in range(DRAW.randint(2, 9)))
              for _ in range(3000)]  # fmt: skip
WEIGHTS = [1 / (k + 3) for k in range(len(VOCABULARY))]


def texts_of(rows: int, seed: int, longest: int = 20) -> list[list[str]]:
    draw = random.Random(seed)
    return [draw.choices(VOCABULARY, WEIGHTS, k=draw.randint(8, longest)) for _ in range(rows)]


def reworded(parts: list[str], draw: random.Random) -> str:
    """Change a word of middle length, a number, case and punctuation."""
    parts = list(parts)
    parts[draw.randrange(len(parts))] = draw.choice(VOCABULARY)
    return f"{' '.join(parts).upper()} {draw.randint(1, 99)}!"


def grams(text: str) -> set[str]:
    framed = [f" {word} " for word in number_free_words(text)]
    return {word[at : at + 3] for word in framed for at in range(max(1, len(word) - 2))}


def likeness(one: str, other: str) -> float:
    a, b = grams(one), grams(other)
    return len(a & b) / len(a | b)


@pytest.fixture(scope="module")
def paraphrased() -> list[str]:
    draw = random.Random(3)
    base = texts_of(1500, seed=1)
    plain = [f"{' '.join(parts)} 5" for parts in base]
    return plain + [reworded(parts, draw) for parts in base[:500]]


def test_no_test_row_has_a_near_duplicate_in_train(paraphrased: list[str]) -> None:
    dealt = split(paraphrased, 0.1, 0.2, seed=4)

    halves = [
        [t for t, h in zip(paraphrased, dealt.half, strict=True) if h == half] for half in range(3)
    ]
    assert count_leaked_rows(halves[TRAIN], halves[TEST]) == 0
    assert count_leaked_rows(halves[TRAIN], halves[VALIDATION]) == 0
    assert count_leaked_rows(halves[VALIDATION], halves[TEST]) == 0


def test_a_split_by_chance_would_leak(paraphrased: list[str]) -> None:
    assert count_leaked_rows(paraphrased[:1500], paraphrased[1500:]) > 350


def test_pairs_that_are_surely_alike_are_together_by_brute_force(paraphrased: list[str]) -> None:
    half = split(paraphrased, 0.3, 0.3, seed=9).half

    alike = [
        (i, i + 1500) for i in range(500) if likeness(paraphrased[i], paraphrased[i + 1500]) >= 0.8
    ]
    assert len(alike) > 200
    assert [pair for pair in alike if half[pair[0]] != half[pair[1]]] == []


def test_estimated_likeness_is_near_the_true_one() -> None:
    draw = random.Random(5)
    parts = texts_of(60, seed=2)
    texts = [" ".join(p) for p in parts] + [reworded(p, draw) for p in parts]
    signatures = sketch_texts(texts).kinds[0].signatures
    pairs = [*combinations(range(40), 2), *((i, i + 60) for i in range(60))]

    off = [np.mean(signatures[i] == signatures[j]) - likeness(texts[i], texts[j]) for i, j in pairs]
    assert abs(np.mean(off)) < 0.01
    assert np.max(np.abs(off)) < 0.2


@pytest.mark.parametrize("other", [
    "WHEN will my new card arrive???", "when will my new card arrive", "  When will my new card  arrive?",
    "When, will my new card arrive", "\uff37hen will my new card arrive?", "When will my card arrive?",
])  # fmt: skip
def test_case_punctuation_width_and_a_word_do_not_count(other: str) -> None:
    assert count_leaked_rows(["When will my new card arrive?"], [other]) == 1


def test_digits_do_not_count() -> None:
    assert (
        count_leaked_rows(["Order 1,204 of 3.5.2024 is late"], ["order 7 of 12.11.2026 is late"])
        == 1
    )


@pytest.mark.parametrize(("one", "other", "found"), [
    ("请问我的新银行卡什么时候能够送到", "请问我的银行卡什么时候能够送到", 1),
    ("请问我的新银行卡什么时候能够送到", "怎样才能注销这个账户并拿回余额", 0),
    ("मेरा नया कार्ड कब तक आएगा", "मेरा नया कार्ड कब तक आएगा?", 1),
    ("मेरा नया कार्ड कब तक आएगा", "मुझे अपना खाता बंद करना है", 0),
    ("👍", "👎", 0),
    ("", "   ", 1),
    ("", "Stop", 0),
    ("\ud800 broken", "\ud800 BROKEN", 1),
])  # fmt: skip
def test_any_script(one: str, other: str, found: int) -> None:
    assert count_leaked_rows([one], [other]) == found


@pytest.mark.parametrize("length", [10, 38, 45, 63, 66, 90, 400])
def test_two_other_words_leave_a_text_alike_at_every_length(length: int) -> None:
    draw = random.Random(length)
    parts = draw.sample(VOCABULARY, length)
    other = [
        *parts[: length // 2],
        "xyzzy",
        *parts[length // 2 + 1 :],
        *(["too"] if length > 30 else []),
    ]

    assert count_leaked_rows([" ".join(parts)], [" ".join(other)]) == 1


def test_long_texts_of_the_same_common_words_are_not_alike() -> None:
    draw = random.Random(1)
    one, other = (" ".join(draw.choices(VOCABULARY[:300], k=800)) for _ in range(2))

    assert likeness(one, other) > 0.9  # grams would call them one
    assert count_leaked_rows([one], [other]) == 0


def test_shares_come_out() -> None:
    texts = [" ".join(parts) for parts in texts_of(1000, seed=8)]

    dealt = split(texts, 0.1, 0.15, seed=0)
    assert abs(dealt.rows(VALIDATION) - 100) < dealt.largest_group_rows
    assert abs(dealt.rows(TEST) - 150) < dealt.largest_group_rows
    assert dealt.warning == ""
    assert dealt.half.dtype == np.int8


def test_the_same_seed_deals_the_same_and_another_differs(paraphrased: list[str]) -> None:
    first = split(iter(paraphrased), 0.1, 0.1, seed=1).half

    assert np.array_equal(first, split(paraphrased, 0.1, 0.1, seed=1).half)
    assert not np.array_equal(first, split(paraphrased, 0.1, 0.1, seed=2).half)


def test_the_order_of_rows_does_not_matter(paraphrased: list[str]) -> None:
    forth = split(paraphrased, 0.1, 0.1, seed=1).half
    back = split(paraphrased[::-1], 0.1, 0.1, seed=1).half

    assert np.array_equal(forth, back[::-1])


def test_a_crowd_goes_to_train_and_is_named() -> None:
    crowd = [f"Please reset the password of account {n}!" for n in range(60)]
    texts = crowd + [" ".join(parts) for parts in texts_of(40, seed=6)]

    dealt = split(texts, 0.1, 0.1, seed=0)
    assert set(dealt.half[:60].tolist()) == {TRAIN}
    assert (dealt.rows(VALIDATION), dealt.rows(TEST)) == (10, 10)
    assert "60 of 100 rows" in dealt.warning


def test_identical_rows_are_all_in_train_and_said_so() -> None:
    dealt = split(["Stop"] * 50, 0.1, 0.1)

    assert dealt.half.tolist() == [TRAIN] * 50
    assert "near-duplicates" in dealt.warning
    assert "too few distinct rows for test and validation" in dealt.warning


@pytest.mark.parametrize(
    ("rows", "halves"), [(0, []), (1, [TRAIN]), (3, [TRAIN, VALIDATION, TEST])]
)
def test_few_rows(rows: int, halves: list[int]) -> None:
    texts = ["Where is my parcel?", "Stop", "Thank you so much"][:rows]

    dealt = split(texts, 0.1, 0.1)
    assert sorted(dealt.half.tolist()) == halves
    assert bool(dealt.warning) == (rows < 3)


def test_a_half_that_is_not_asked_for_stays_empty() -> None:
    assert split(["Where is my parcel?", "Stop", "Thank you"], 0, 0).half.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (0.1, float("nan"))])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="leave no training rows"):
        split(["Stop"], *shares)


def test_ten_thousand_rows_take_seconds() -> None:
    texts = [" ".join(parts) for parts in texts_of(10_000, seed=11)]
    started = time.process_time()

    split(texts, 0.1, 0.1)
    assert time.process_time() - started < 10


def test_words_of_every_kind() -> None:
    assert words("Caf\u0065\u0301 au_lait, 東京タワー 12x") == [
        "café",
        "au",
        "lait",
        *"東京タワー",
        "12x",
    ]


def test_the_plain_baseline_learns_and_repeats_itself() -> None:
    draw = random.Random(0)
    rows = [
        (f"{' '.join(draw.choices(VOCABULARY, k=4))} {name}ing", name)
        for name in ("pay", "stop", "find")
        for _ in range(40)
    ]
    draw.shuffle(rows)
    texts, names = [text for text, _ in rows], [name for _, name in rows]

    answers, train_seconds, answer_seconds = tfidf_logreg(
        texts[:90], names[:90], texts[90:], seed=1
    )
    assert np.mean([a == b for a, b in zip(answers, names[90:], strict=True)]) > 0.8
    assert answers == tfidf_logreg(texts[:90], names[:90], texts[90:], seed=1)[0]
    assert train_seconds > 0
    assert answer_seconds > 0


@pytest.mark.parametrize(
    "texts", [["", "?!", "", "..."], ["东京", "大阪", "东京塔", "大阪城"], ["a", "b", "a", "b"]]
)
def test_the_plain_baseline_takes_texts_without_words(texts: list[str]) -> None:
    answers, _, _ = tfidf_logreg(texts, ["x", "y", "x", "y"], ["", texts[0]])

    assert set(answers) <= {"x", "y"}


def test_the_plain_baseline_does_not_warn_on_labels_of_chance() -> None:
    draw = random.Random(4)
    texts = [" ".join(parts) for parts in texts_of(1200, seed=12)]
    names = [draw.choice("abcd") for _ in texts]

    answers, _, _ = tfidf_logreg(texts[:1000], names[:1000], texts[1000:])
    assert np.mean([a == b for a, b in zip(answers, names[1000:], strict=True)]) < 0.4


def test_one_label_and_no_test_rows_need_no_training() -> None:
    assert tfidf_logreg(["a", "b"], ["x", "x"], ["c", "d"])[0] == ["x", "x"]
    assert tfidf_logreg(["a", "b"], ["x", "y"], [])[0] == []


def test_a_baseline_needs_rows_that_fit() -> None:
    with pytest.raises(UsageError, match="2 texts and 1 labels"):
        tfidf_logreg(["a", "b"], ["x"], ["c"])
    with pytest.raises(UsageError, match="no labels"):
        tfidf_logreg([], [], ["c"])


def test_the_majority_is_the_first_by_name_of_equals() -> None:
    assert majority(["b", "a"], 3) == ["a"] * 3
    assert majority(["b", "a", "b"], 0) == []


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.feature_extraction.text", None)

    with pytest.raises(UsageError, match=r"sklearn is not installed.*\[local\]"):
        tfidf_logreg(["a", "b"], ["x", "y"], ["c"])
