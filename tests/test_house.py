"""The house itself: layers, sizes, the guard, the docs, and what a bare import pulls in."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import sitecustomize

from advisor import errors

TOP = Path(__file__).parent.parent
CODE = [
    p for folder in ("advisor", "trainer", "ui", "benchmarks") for p in (TOP / folder).rglob("*.py")
]


def test_imports_point_one_way() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=TOP,
                          capture_output=True, text=True)  # fmt: skip

    assert "Contracts: 2 kept, 0 broken." in done.stdout


def test_the_core_reads_no_clock_and_no_file(tmp_path: Path) -> None:
    """A planted clock in the core is found by the linter that `make check` runs."""
    planted = TOP / "advisor" / "units_planted.py"
    planted.write_text('"""A clock."""\n\nimport time\n\nNOW = time.time()\n')
    try:
        done = subprocess.run([Path(sys.executable).with_name("ruff"), "check", "advisor"],
                              cwd=TOP, capture_output=True, text=True)  # fmt: skip
    finally:
        planted.unlink()

    assert done.returncode == 1
    assert "the core knows no clock" in done.stdout


def test_files_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in CODE}

    assert max(lines.values()) <= 300, max(lines, key=lambda path: lines[path])
    assert statistics.median(lines.values()) <= 150
    assert len(lines) > 40


def test_every_package_is_shipped() -> None:
    packages = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]

    found = {".".join(path.relative_to(TOP).parent.parts) for path in TOP.glob("*/**/__init__.py")
             if path.relative_to(TOP).parts[0] in ("advisor", "trainer", "ui")}  # fmt: skip
    assert found == set(packages)


@pytest.mark.parametrize("module", ["advisor", "advisor.answer", "advisor.cli.app"])
def test_a_bare_import_pulls_in_nothing_heavy(module: str) -> None:
    heavy = ["torch", "streamlit", "fastapi", "pyarrow", "pandas", "transformers"]
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_this_process_is_refused_any_address_but_its_own() -> None:
    import socket

    with pytest.raises(sitecustomize.NetworkRefused):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(sitecustomize.NetworkRefused):
        socket.getaddrinfo("example.org", 80)


CHILDREN = {
    "python": [sys.executable, "-c", "{reach}"],
    "cli": [sys.executable, "-c", "import advisor.cli.app; {reach}"],
    "server": [sys.executable, "-c", "import trainer.server; {reach}"],
    "page": [sys.executable, "-c", "import streamlit; {reach}"],
}


@pytest.mark.parametrize("name", sorted(CHILDREN))
def test_every_child_is_refused_too(name: str) -> None:
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    command = [part.replace("{reach}", reach) for part in CHILDREN[name]]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 1
    assert "NetworkRefused: refused: 192.0.2.1 is not this machine" in done.stderr


def test_no_child_sees_a_key_or_a_way_out() -> None:
    code = "import os; print([n for n in os.environ if n.endswith('_API_KEY')], os.environ['https_proxy'], os.environ['HF_HUB_OFFLINE'])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[] http://127.0.0.1:9 1\n"


def _leaves(kind: type[errors.AdvisorError]) -> set[type[errors.AdvisorError]]:
    below = kind.__subclasses__()
    return set().union(*map(_leaves, below)) if below else {kind}


def test_every_error_has_its_own_code_and_is_documented() -> None:
    text = (TOP / "docs" / "errors.md").read_text()

    leaves = {leaf for leaf in _leaves(errors.AdvisorError) if leaf.__module__ == "advisor.errors"}
    codes = [leaf.code for leaf in leaves]
    assert len(codes) == len(set(codes)) == 8
    assert all(f"`{code}`" in text for code in codes)


DOCS = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
BLOCK = re.compile(r"```console\n\$ (?P<command>advisor [^\n]*)\n(?P<output>.*?)```", re.DOTALL)


def _blocks() -> list[tuple[str, str]]:
    return [(m["command"], m["output"]) for path in DOCS for m in BLOCK.finditer(path.read_text())]


@pytest.mark.parametrize(("command", "output"), _blocks(), ids=lambda text: text[:40])
def test_a_command_in_the_docs_prints_what_the_docs_show(command: str, output: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command.split()], cwd=TOP, capture_output=True,
                          text=True, env={**os.environ, "COLUMNS": "100"})  # fmt: skip

    shown = [line.rstrip() for line in output.rstrip().splitlines()]
    printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    if shown[-1] == "...":
        shown, printed = shown[:-1], printed[: len(shown) - 1]
    assert printed == shown


def test_the_docs_show_commands_and_name_files_that_exist() -> None:
    assert len(_blocks()) >= 2

    for path in DOCS:
        for name in re.findall(
            r"`((?:advisor|docs|examples|benchmarks|tests)/[\w./-]+)`", path.read_text()
        ):
            assert (TOP / name).exists(), name


def test_every_command_is_in_the_readme() -> None:
    from advisor.cli.app import app, prices_app

    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]  # fmt: skip
    text = (TOP / "README.md").read_text()

    assert len(names) + len(prices_app.registered_commands) == 8
    assert all(f"advisor {name}" in text for name in names)
