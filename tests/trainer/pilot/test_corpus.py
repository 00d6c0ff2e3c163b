"""Documents are read, named, and cut into passages without loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DatasetError
from tests.support.pilots import TOKENS
from trainer.pilot.corpus import Chunking, Corpus, Document, passages, read_corpus

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
        ("scan.pdf", b"%PDF", "no text file found"),
        ("a.txt", b"\xff\xfe\x00", "is not UTF-8"),
        ("a.txt", b"  \n", "all its texts are empty"),
        ("a.jsonl", b'{"id": "1"}\n', "the field 'text' is missing"),
        ("a.jsonl", b"{\n", "invalid JSON"),
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
    assert "## refunds\n\nFive days." in found.as_text
