"""Plain technical English: no listed word in code, comments, messages, docs or shipped texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plain_words import ALLOWED, PLAIN_WORDS

TOP = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("advisor", "trainer", "ui", "benchmarks", "examples")
TOP_LEVEL = ("*.md", "*.py", "*.toml", "pricing.yaml", "Makefile")
TEXT_DATA = ("benchmarks/data/", "benchmarks/twelve/")
"""Messages and quotations that benchmarks measure on: data, not our words."""
GERMAN = re.compile(r"(^|[._-])de\.yaml$")
"""German texts; other languages are added here by their file name."""
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|\\[nt]")
"""Where words meet inside a name (`BesideQuality`) or after an escape (`\\nbeside`)."""
RULES = {
    re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])", re.IGNORECASE): plain
    for pattern, plain in PLAIN_WORDS.items()
}


def _files() -> list[Path]:
    found = [p for name in TOP_LEVEL for p in TOP.glob(name)]
    found += (TOP / "docs").rglob("*.md")
    for folder in CODE_FOLDERS:
        found += (p for kind in ("*.py", "*.yaml", "*.md") for p in (TOP / folder).rglob(kind))
    return sorted(p for p in found if not (GERMAN.search(p.name) or _is_data(p)))


def _is_data(path: Path) -> bool:
    return path.relative_to(TOP).as_posix().startswith(TEXT_DATA)


def _uses(text: str, path: str = "") -> Iterator[tuple[int, str, str]]:
    """Yield line number, word found and plain word for every listed word in a text.

    Lines are read as text, so comments, strings and identifiers are all covered. Names in snake
    case and camel case are split first: `beside_quality` counts as the word does in a comment.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        for entry in ALLOWED:
            if path.endswith(entry.path):
                line = line.replace(entry.text, "")
        spaced = CAMEL.sub(" ", line).replace("_", " ")
        for rule, plain in RULES.items():
            for hit in rule.finditer(spaced):
                yield number, hit.group(), plain


def test_no_listed_word_is_used() -> None:
    files = _files()
    faults = [
        f"{path.relative_to(TOP)}:{number}: '{word}' -> {plain}"
        for path in files
        for number, word, plain in _uses(path.read_text(encoding="utf-8"), path.as_posix())
    ]

    assert len(files) > 200
    assert not faults, f"{len(faults)} listed words:\n" + "\n".join(faults)


def test_every_allowed_use_still_exists() -> None:
    files = _files()

    unused = [
        entry
        for entry in ALLOWED
        if not any(
            p.as_posix().endswith(entry.path) and entry.text in p.read_text(encoding="utf-8")
            for p in files
        )
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# asked Anew", "Anew"),
        ('raise UsageError("nobody knows")', "nobody"),
        ("def beside_quality(): ...", "beside"),
        ("class WhomItTunes: ...", "Whom"),
        ('x = "a\\nmended row"', "mended"),
        ("plans laid_down", "laid down"),
    ],
)
def test_a_planted_word_is_found(text: str, word: str) -> None:
    assert [hit for _, hit, _ in _uses(text)] == [word]


@pytest.mark.parametrize(
    "text", ["besides", "amended", "recommend", "dearth", "commend", "Nordear"]
)
def test_a_longer_word_is_not_mistaken_for_a_listed_one(text: str) -> None:
    assert list(_uses(text)) == []
