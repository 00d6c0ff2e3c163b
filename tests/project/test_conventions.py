"""Conventions of the code: sizes, names, what is shipped, and no path of one machine."""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from collections import Counter

from benchmarks.code_shape import (
    MARKER,
    PACKAGES,
    formatted,
    function_arguments,
    function_lines,
    functions,
    names_at_top,
)
from tests.support.paths import ROOT

TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".txt"}
SOMEBODYS_FOLDER = re.compile(r"(?<![\w./:-])/(?:home|root|Users|opt|mnt|srv|work)/\w+")


TRAINING_SCRIPT = "trainer/scripts/train.py"
"""One flat script that reads from top to bottom; the only file that may be longer."""
MAX_FILE_LINES, MAX_MEDIAN_LINES = 400, 150
MAX_FUNCTION_LINES, MAX_P90_LINES, MAX_ARGUMENTS = 50, 20, 6
PRODUCT = {name: text for name, text in formatted().items() if text and name != TRAINING_SCRIPT}
FUNCTIONS = [
    (name, function) for name, text in PRODUCT.items() for function in functions(ast.parse(text))
]


def test_files_are_short_as_the_formatter_prints_them() -> None:
    lines = {name: text.count("\n") for name, text in PRODUCT.items()}

    assert {name: size for name, size in lines.items() if size > MAX_FILE_LINES} == {}
    assert statistics.median(lines.values()) <= MAX_MEDIAN_LINES
    assert len(lines) > 200


def test_functions_are_short_and_take_few_arguments() -> None:
    sizes = [function_lines(function) for _, function in FUNCTIONS]
    long = [f"{name}:{f.name}" for name, f in FUNCTIONS if function_lines(f) > MAX_FUNCTION_LINES]
    wide = [f"{name}:{f.name}" for name, f in FUNCTIONS if function_arguments(f) > MAX_ARGUMENTS]

    assert long == []
    assert wide == []
    assert sorted(sizes)[int(0.9 * len(sizes))] <= MAX_P90_LINES


def test_the_formatter_is_never_switched_off_in_the_product() -> None:
    found = [
        str(path)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if MARKER.search(path.read_text())
    ]

    assert found == []


def test_each_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for text in PRODUCT.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_a_package_shows_about_twenty_names_at_its_top() -> None:
    for package in ("advisor", "trainer"):
        assert 10 < len(names_at_top(package)) <= 22


def test_every_package_is_shipped() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "packages"
    ]

    found = {".".join(path.relative_to(ROOT).parent.parts) for path in ROOT.glob("*/**/__init__.py")
             if path.relative_to(ROOT).parts[0] in ("advisor", "trainer", "ui")}  # fmt: skip
    assert found == set(packages)


def test_every_test_file_says_what_it_is_about_and_holds_a_test() -> None:
    assert len(TESTS) > 10

    for path in TESTS:
        text = path.read_text()
        assert text.startswith('"""'), path
        assert re.search(r"^def test_\w+", text, re.MULTILINE), path


def test_no_file_names_a_folder_of_one_machine() -> None:
    folders = ("advisor", "trainer", "ui", "benchmarks", "tests", "docs", "examples")
    files = [p for name in folders for p in (ROOT / name).rglob("*") if p.suffix in SUFFIXES]
    files += [p for p in ROOT.iterdir() if p.suffix in SUFFIXES or p.name == "Makefile"]

    assert len(files) > 80
    assert [p for p in files if SOMEBODYS_FOLDER.search(p.read_text(errors="ignore"))] == []


def test_constraints_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+]*", line)] == []
    assert lines == sorted(lines, key=lambda line: line.split("==")[0])


def test_every_dependency_has_its_version_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]

    names = {re.match(r"[\w-]+", one)[0].lower() for one in wanted}  # type: ignore[index]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names - pinned == set()
