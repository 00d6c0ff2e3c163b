"""Pages for contributors name files, tests, folders and classes that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = [
    TOP / "CONTRIBUTING.md",
    TOP / "SECURITY.md",
    TOP / "docs/architecture.md",
    TOP / "docs/glossary.md",
    *sorted((TOP / "docs/decisions").glob("*.md")),
]
PACKAGES = ("advisor", "trainer", "ui")
NAMED_PATH = re.compile(r"`((?:advisor|trainer|ui|docs|tests|benchmarks|examples)/[\w./-]*)`")
NAMED_TEST = re.compile(r"`(test_\w+\.py)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
CLASS = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tests = {path.name for path in (TOP / "tests").rglob("test_*.py")}

    assert [name for name in NAMED_PATH.findall(text) if not (TOP / name).exists()] == []
    assert [name for name in NAMED_TEST.findall(text) if name not in tests] == []
    assert [name for name in LINK.findall(text) if not (page.parent / name).exists()] == []


def test_every_class_of_the_glossary_is_defined() -> None:
    code = [
        path.read_text(encoding="utf-8") for top in PACKAGES for path in (TOP / top).rglob("*.py")
    ]
    named = CLASS.findall((TOP / "docs/glossary.md").read_text(encoding="utf-8"))

    assert len(named) >= 10
    defined = {
        name: sum(bool(re.search(rf"^class {name}\b", text, re.MULTILINE)) for text in code)
        for name in named
    }
    assert {name: count for name, count in defined.items() if count == 0} == {}


@pytest.mark.parametrize("package", ["advisor", "trainer"])
def test_every_folder_is_in_the_tree_of_the_architecture_page(package: str) -> None:
    page = (TOP / "docs/architecture.md").read_text(encoding="utf-8")
    block = page.split("## The tree")[1].split("```")[1]
    tree = re.split(r"^(?=\S)", block, flags=re.MULTILINE)
    (own,) = (part for part in tree if part.startswith(f"{package}/"))

    names = [
        path.name + "/" * path.is_dir()
        for path in (TOP / package).iterdir()
        if not path.name.startswith("_") and (path.is_dir() or path.suffix == ".py")
    ]
    assert [name for name in names if name not in own] == []


def test_every_decision_is_in_the_index() -> None:
    folder = TOP / "docs/decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))

    assert len(records) >= 8
    assert LINK.findall((folder / "README.md").read_text(encoding="utf-8")) == records
    for name in records:
        parts = re.findall(r"^\*\*(\w+)", (folder / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert {"Context", "Decision", "Consequences", "Rejected"} <= set(parts), name
