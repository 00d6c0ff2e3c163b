"""Documents of a file or folder, cut into passages along sentences for retrieval."""

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
"""Keys of a JSONL line; the first present one names the document."""
SENTENCE_BREAK = re.compile(r"(?<=[.!?。！？])\s+|\n\s*\n|(?<=[。！？])")  # noqa: RUF001 - full-width sentence ends
MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Document:
    """One text of the corpus."""

    name: str
    """Path within the folder, or the name in its JSONL line."""
    text: str


@dataclass(frozen=True)
class Passage:
    """A chunk of a document."""

    document: str
    text: str
    tokens: int


@dataclass(frozen=True)
class Chunking:
    """How documents are cut."""

    tokens: int
    """Most tokens of a passage."""
    overlap: int
    """Most tokens that a passage repeats from the one before it."""


@dataclass(frozen=True)
class Corpus:
    """All documents."""

    documents: tuple[Document, ...]
    tokens: int
    sha256: str

    @property
    def as_text(self) -> str:
        """All documents in one text, each under its name."""
        return "\n\n".join(f"## {document.name}\n\n{document.text}" for document in self.documents)


def read_corpus(path: Path, tokens: EncodingCounter) -> Corpus:
    """Read every document of a file or folder.

    Raises:
        DatasetError: there are none, one is not text, or they are too large for a pilot.
    """
    if not path.exists():
        raise DatasetError(str(path), "file or folder not found.", "Check the path.")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise DatasetError(
            str(path), f"no text file found ({', '.join(SUFFIXES)}).", "Convert documents to text."
        )
    if sum(file.stat().st_size for file in files) > MAX_BYTES:
        raise DatasetError(
            str(path), f"larger than {MAX_BYTES // 2**20} MiB.", "Use a part of it for a pilot."
        )
    documents = tuple(document for file in files for document in _documents(file, path))
    if not documents:
        raise DatasetError(str(path), "all its texts are empty.", "Add documents with text.")
    count = sum(tokens.count_batch([document.text for document in documents]))
    content = orjson.dumps([[document.name, document.text] for document in documents])
    return Corpus(documents, count, hashlib.sha256(content).hexdigest())


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
            yield _parse_line(line, f"{name}:{number}")


def _parse_line(line: str, where: str) -> Document:
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DatasetError(where, f"invalid JSON: {error}.", "Correct the line.") from error
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise DatasetError(
            where, "the field 'text' is missing.", 'Write {"id": "name", "text": "..."} per line.'
        )
    name = next((str(body[key]) for key in NAME_FIELDS if body.get(key)), where)
    return Document(name, text.strip())


def passages(corpus: Corpus, chunking: Chunking, tokens: EncodingCounter) -> tuple[Passage, ...]:
    """Cut documents into passages along sentences and paragraphs."""
    names, texts = [], []
    for document in corpus.documents:
        for text in _cut(document.text, chunking, tokens):
            names.append(document.name)
            texts.append(text)
    return tuple(map(Passage, names, texts, tokens.count_batch(texts)))


def _cut(text: str, chunking: Chunking, tokens: EncodingCounter) -> Iterator[str]:
    sentences = _sentences(text, chunking.tokens, tokens)
    counts = tokens.count_batch(sentences)
    chunk: list[int] = []
    for place, count in enumerate(counts):
        if chunk and sum(counts[index] for index in chunk) + count > chunking.tokens:
            yield " ".join(sentences[index] for index in chunk)
            chunk = _overlap(chunk, counts, min(chunking.overlap, chunking.tokens - count))
        chunk.append(place)
    if chunk:
        yield " ".join(sentences[index] for index in chunk)


def _overlap(chunk: list[int], counts: Sequence[int], max_tokens: int) -> list[int]:
    """Return the last sentences that fit into some tokens, never all of them."""
    size, total = 0, 0
    while size < len(chunk) - 1 and total + counts[chunk[-1 - size]] <= max_tokens:
        total += counts[chunk[-1 - size]]
        size += 1
    return chunk[len(chunk) - size :]


def _sentences(text: str, max_tokens: int, tokens: EncodingCounter) -> list[str]:
    """Split into sentences; one that is too long is cut into parts of equal length."""
    sentences = [part.strip() for part in SENTENCE_BREAK.split(text) if part and part.strip()]
    pieces: list[str] = []
    for sentence, count in zip(sentences, tokens.count_batch(sentences), strict=True):
        parts = -(-count // max_tokens)
        size = -(-len(sentence) // parts) if parts > 1 else len(sentence)
        pieces += [sentence[at : at + size] for at in range(0, len(sentence), size)]
    return pieces
