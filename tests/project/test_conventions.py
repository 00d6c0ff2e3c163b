"""The house itself: short files, nothing empty, everything shipped, nobody's machine named."""

from __future__ import annotations

import re
import statistics
import tomllib

from tests.support.paths import ROOT

CODE = [
    p
    for folder in ("advisor", "trainer", "ui", "benchmarks")
    for p in (ROOT / folder).rglob("*.py")
]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".txt"}
SOMEBODYS_FOLDER = re.compile(r"(?<![\w./:-])/(?:home|root|Users|opt|mnt|srv|work)/\w+")


FLAT = ROOT / "trainer" / "scripts" / "train.py"
"""One training from its first check to the sealed model reads as a protocol, in one file."""


def test_files_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in CODE if path != FLAT}

    assert max(lines.values()) <= 300, max(lines, key=lambda path: lines[path])
    assert statistics.median(lines.values()) <= 150
    assert len(lines) > 40


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
