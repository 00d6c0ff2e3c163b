"""Texts of a file or folder -> passages of about so many tokens, each with the name of its text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from advisor.dataset.tokenizers import EncodingCounter
from advisor.errors import DatasetError

SUFFIXES = (".txt", ".md", ".rst", ".jsonl")
NAME_FIELDS = ("source", "id", "title", "url")
"""Keys of a line of JSONL, the first of which names the text."""
SENTENCE_BREAK = re.compile(r"(?<=[.!?。！？])\s+|\n\s*\n|(?<=[。！？])")  # noqa: RUF001 - sentences end so
MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Document:
    """One text of the corpus."""

    name: str
    """Path in the folder, or what its line says."""
    text: str


@dataclass(frozen=True)
class Passage:
    """A piece of a document, as it is put before a question."""

    document: str
    text: str
    tokens: int


@dataclass(frozen=True)
class Chunking:
    """How documents are cut."""

    tokens: int
    """Most tokens of a passage."""
    overlap: int
    """Tokens that a passage says again of the one before it, at most."""


@dataclass(frozen=True)
class Corpus:
    """All documents."""

    documents: tuple[Document, ...]
    tokens: int
    sha256: str

    @property
    def whole(self) -> str:
        """The corpus as one text, each document under its name."""
        return "\n\n".join(f"## {one.name}\n\n{one.text}" for one in self.documents)


def read_corpus(path: Path, tokens: EncodingCounter) -> Corpus:
    """Read every text of a file or folder.

    Raises:
        DatasetError: there is none, one is no text, or they are too large for a pilot.
    """
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    if not path.exists():
        raise DatasetError(str(path), "there is no such file or folder.", "Check the path.")
    readable = [one for one in files if one.suffix.lower() in SUFFIXES]
    if not readable:
        raise DatasetError(
            str(path),
            f"it holds no text ({', '.join(SUFFIXES)}).",
            "Turn the documents into text first.",
        )
    if sum(one.stat().st_size for one in readable) > MAX_BYTES:
        raise DatasetError(
            str(path),
            f"it is larger than {MAX_BYTES // 2**20} MiB.",
            "Give a part: a pilot takes no more.",
        )
    found = [one for file in readable for one in _documents(file, path)]
    if not found:
        raise DatasetError(str(path), "every text in it is empty.", "Give texts.")
    count = sum(tokens.count_batch([one.text for one in found]))
    digest = hashlib.sha256(orjson.dumps([[one.name, one.text] for one in found])).hexdigest()
    return Corpus(tuple(found), count, digest)


def _documents(file: Path, top: Path) -> Iterator[Document]:
    name = file.name if file == top else file.relative_to(top).as_posix()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            str(file), f"byte {error.start} is not UTF-8.", "Save it as UTF-8."
        ) from error
    if file.suffix.lower() != ".jsonl":
        if text.strip():
            yield Document(name, text.strip())
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _line(line, f"{name}:{number}")


def _line(line: str, where: str) -> Document:
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DatasetError(where, f"broken JSON: {error}.", "Mend the line.") from error
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise DatasetError(
            where, "there is no 'text' in it.", 'Write {"id": "name", "text": "..."} on each line.'
        )
    named = next((str(body[key]) for key in NAME_FIELDS if body.get(key)), where)
    return Document(named, text.strip())


def passages(corpus: Corpus, how: Chunking, tokens: EncodingCounter) -> tuple[Passage, ...]:
    """Cut documents into passages along sentences and paragraphs."""
    names, texts = [], []
    for document in corpus.documents:
        for text in _cut(document.text, how, tokens):
            names.append(document.name)
            texts.append(text)
    counts = tokens.count_batch(texts)
    return tuple(map(Passage, names, texts, counts))


def _cut(text: str, how: Chunking, tokens: EncodingCounter) -> Iterator[str]:
    pieces = _pieces(text, how.tokens, tokens)
    counts = tokens.count_batch(pieces)
    held: list[int] = []
    for place, count in enumerate(counts):
        if held and sum(counts[one] for one in held) + count > how.tokens:
            yield " ".join(pieces[one] for one in held)
            held = _tail(held, counts, min(how.overlap, how.tokens - count))
        held.append(place)
    if held:
        yield " ".join(pieces[one] for one in held)


def _tail(held: list[int], counts: Sequence[int], most: int) -> list[int]:
    """Return the last pieces that take up to so many tokens together, never all of them."""
    kept, total = 0, 0
    while kept < len(held) - 1 and total + counts[held[-1 - kept]] <= most:
        total += counts[held[-1 - kept]]
        kept += 1
    return held[len(held) - kept :]


def _pieces(text: str, most: int, tokens: EncodingCounter) -> list[str]:
    """Split into sentences; one that is too long is cut into parts of equal length."""
    whole = [piece.strip() for piece in SENTENCE_BREAK.split(text) if piece and piece.strip()]
    found: list[str] = []
    for piece, count in zip(whole, tokens.count_batch(whole), strict=True):
        parts = -(-count // most)
        size = -(-len(piece) // parts) if parts > 1 else len(piece)
        found += [piece[at : at + size] for at in range(0, len(piece), size)]
    return found
