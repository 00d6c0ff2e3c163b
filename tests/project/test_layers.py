"""What may import what: layers, a core without clock or disk, a bare import without weight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def test_imports_point_one_way() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip

    assert "Contracts: 3 kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import time", "the core knows no clock"),
        ("from pathlib import Path", "the core reads no files"),
        ("import os", "the core knows no environment"),
        ("import random", "the core is deterministic"),
        ("import socket", "the core makes no calls"),
        ("import yaml", "the core reads no files"),
    ],
)
def test_the_linter_of_make_check_finds_a_core_that_reaches_out(
    statement: str, message: str
) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--select", "TID251",
         "--stdin-filename", "advisor/planted.py", "-"],
        cwd=ROOT, input=f'"""Planted."""\n\n{statement}\n', capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 1
    assert message in done.stdout


@pytest.mark.parametrize(
    "modules", ["advisor", "advisor, advisor.decision.answer, advisor.cli.commands"]
)
def test_a_bare_import_pulls_in_nothing_heavy(modules: str) -> None:
    heavy = ["torch", "streamlit", "fastapi", "pyarrow", "pandas", "transformers"]
    code = f"import sys, {modules}; print([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
