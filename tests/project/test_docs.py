"""The docs tell the truth: commands print what is shown, files exist, errors are explained."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import trainer.server.app  # noqa: F401 - its errors are documented too
from advisor import errors
from tests.support.paths import ROOT

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```console\n\$ (?P<command>advisor [^\n]*)\n(?P<output>.*?)```", re.DOTALL)
NAMED = re.compile(r"`((?:advisor|docs|examples|benchmarks|tests|trainer|ui)/[\w./-]+)`")


def _blocks() -> list[tuple[str, str]]:
    return [(m["command"], m["output"]) for path in DOCS for m in BLOCK.finditer(path.read_text())]


@pytest.mark.parametrize(("command", "output"), _blocks(), ids=lambda text: text[:40])
def test_a_command_in_the_docs_prints_what_the_docs_show(command: str, output: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "COLUMNS": "100"})  # fmt: skip

    shown = [line.rstrip() for line in output.rstrip().splitlines()]
    printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    if shown[-1] == "...":
        shown, printed = shown[:-1], printed[: len(shown) - 1]
    assert printed == shown


def test_every_console_block_is_one_that_is_run() -> None:
    launching = ROOT / "docs" / "launching.md"  # whose commands run in test_launching_docs
    opened = sum(path.read_text().count("```console") for path in DOCS if path != launching)

    assert len(_blocks()) == opened >= 2


def test_every_file_that_the_docs_name_exists() -> None:
    named = [name for path in DOCS for name in NAMED.findall(path.read_text())]

    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_command_is_in_the_readme() -> None:
    from advisor.cli.commands import COMMANDS

    names = [command.name for command in COMMANDS]
    text = (ROOT / "README.md").read_text()

    assert len(names) == 15
    assert all(f"advisor {name}" in text for name in names)


BASES = {"advisor-error", "pricing-error", "trainer-error"}


def _error_classes(kind: type[errors.AdvisorError]) -> list[type[errors.AdvisorError]]:
    below = [found for child in kind.__subclasses__() for found in _error_classes(child)]
    return [kind, *below] if "code" in vars(kind) and kind.code not in BASES else below


def test_every_error_has_its_own_code_and_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()

    known = [
        (kind.code, str(kind.http_status), str(getattr(kind, "exit_code", 2)))
        for kind in _error_classes(errors.AdvisorError)
    ]
    row = re.compile(r"^\| `([\w-]+)` \|.*\| (\d+) \| (\d) \|$", re.MULTILINE)
    assert len({code for code, *_ in known}) == len(known)
    assert sorted(known) == sorted(row.findall(text))
