"""Counts are exact, and what rows share is found once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.dataset.reader import profile_file
from advisor.dataset.tokenizers import reference_encoding, token_counter
from advisor.estimate.tuning import default_epochs

GOLDEN_EPOCHS = {1: 25, 3: 25, 4: 25, 5: 20, 10: 10, 33: 3, 34: 3, 8333: 3, 8334: 2,
                 12500: 2, 12501: 1, 100000: 1}  # fmt: skip


@pytest.mark.parametrize(("examples", "epochs"), GOLDEN_EPOCHS.items())
def test_epochs_are_those_of_the_published_notebook(examples: int, epochs: int) -> None:
    assert int(default_epochs(examples)) == epochs


def test_tokens_of_an_example_follow_the_published_rule(tmp_path: Path) -> None:
    """3 a message, every value encoded, 1 more for a name, 3 for the reply; cl100k_base."""
    messages = [
        {"role": "system", "content": "You are a happy assistant that puts a positive spin on everything."},
        {"role": "user", "content": "I lost my tennis match today.", "name": "Ann"},
        {"role": "assistant", "content": "It's ok, it happens to everyone."},
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": messages}) + "\n")
    encoding = reference_encoding("cl100k_base")
    by_hand = 3 + sum(
        3 + sum(len(encoding.encode(value)) for value in message.values()) + ("name" in message)
        for message in messages
    )

    found = profile_file(path, "cl100k_base")

    assert found.total_tokens == by_hand
    assert found.completion_tokens_mean == len(encoding.encode(messages[2]["content"]))


def test_billed_tokens_are_cut_at_the_limit_of_an_example(tmp_path: Path) -> None:
    """OpenAI's toy file: the banana example has 8,000 tokens and more, of which 4,096 are billed."""
    path = tmp_path / "rows.jsonl"
    long = {
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "Eat a banana! " * 2000},
        ]
    }
    path.write_text(json.dumps(long) + "\n")  # fmt: skip

    found = profile_file(path, "cl100k_base", 4096)

    assert found.total_tokens > 8000
    assert (found.billed_tokens, found.truncated) == (4096, 1)
    assert found.billed_tokens * int(default_epochs(5)) == 81_920


def test_a_shared_prefix_is_found_once_with_its_share(tmp_path: Path) -> None:
    """900 tokens of rules in each of 600 rows of 60 and 4: more than nine tenths of all."""
    rules = "rule " * 900
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for i in range(600):
            turns = [
                ("system", rules),
                ("user", f"ticket {i} " + "word " * 55),
                ("assistant", f"box {i % 9}"),
            ]
            file.write(
                json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}) + "\n"
            )

    found = profile_file(path)

    assert found.shared_prefix_tokens == pytest.approx(905, abs=3)
    assert found.shared_prefix_share == pytest.approx(0.92, abs=0.02)
    assert found.distinct_labels == 9


def test_duplicates_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "same,a\n" * 3 + "other,b\n")

    assert profile_file(path).duplicates == 2


ADVERSARIAL = ["", " ", "a" * 5000, " " * 3000, "\n" * 500, "!" * 999, "é" * 77, "日本語テキスト" * 30,
               "<|endoftext|>", "x\u0000y", "👩‍👩‍👧‍👦" * 9, "def f(x):\n\treturn x**2\n", "1234567890" * 40,
               "\u202e abc", "it's they'LL", "\r\n \r\n", "ﬁne ﬂow", "a\u0301" * 50]  # fmt: skip


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_the_fast_counter_equals_the_reference(encoding: str) -> None:
    texts = [*ADVERSARIAL, *(a + b for a in ADVERSARIAL for b in ADVERSARIAL)]
    exact = reference_encoding(encoding)

    counted = token_counter(encoding).count_batch(texts)

    assert len(texts) == 342
    assert counted == [len(exact.encode(text, disallowed_special=())) for text in texts]


def test_half_a_character_is_counted_as_the_reference_does() -> None:
    assert token_counter("o200k_base").count_batch(["a\ud800b"]) == [
        len(reference_encoding("o200k_base").encode("a\ud800b"))
    ]


def test_a_tokenizer_file_counts_with_the_models_own_words(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[UNK]": 0, "hello": 1, "world": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    counted = token_counter(str(tmp_path / "tokenizer.json")).count_batch(
        ["hello world", "hello, you"]
    )

    assert counted == [2, 3]
