"""`docs/launching.md` shows what the commands print, against a provider on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.fakes.together import FakeTogether
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "launching.md"
BLOCK = re.compile(r"```console\n\$ (trainer [^\n]*)\n(.*?)```", re.DOTALL)
PASSING = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d UTC", "YYYY-MM-DDTHH:MM UTC"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM"),
    (r"\d\d:\d\d:\d\d", "HH:MM:SS"),
    (r"on \d{4}-\d\d-\d\d", "on YYYY-MM-DD"),
    (r"reserved +\d{4}-\d\d-\d\d", "reserved YYYY-MM-DD"),
    (r"run_[0-9a-f]{16}", "run_0123456789abcdef"),
    (r"ton-[0-9a-f]{24}", "ton-78d3f5e7ff055837961c64bb"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "78d3f5e7ff05"),
)
"""What differs from day to day, and from one price book to the next."""


def _lasting(text: str) -> list[str]:
    for found, put in PASSING:
        text = re.sub(found, put, text)
    return [line.rstrip() for line in text.rstrip().splitlines()]


def printed(home: Path) -> list[tuple[str, str]]:
    """Run the commands of the page, one after the other, in one home folder."""
    fake = FakeTogether()
    fake.start()
    env = {**os.environ, "COLUMNS": "100", "TUNE_OR_NOT_HOME": str(home),
           "TOGETHER_BASE_URL": f"{fake.url}/v1", "TOGETHER_API_KEY": "tgp-0123456789abcdef",
           "TUNE_OR_NOT_POLL_SECONDS": "0.05"}  # fmt: skip
    env.pop("DATABASE_URL", None)
    found, plan = [], "78d3f5e7ff05"
    try:
        for command, _ in BLOCK.findall(PAGE.read_text()):
            words = command.replace("78d3f5e7ff05", plan).split()
            done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=env, text=True,
                                  capture_output=True, check=True)  # fmt: skip
            found.append((command, done.stdout))
            told = re.search(r"trainer launch (\w+)", done.stdout)
            plan = told[1] if told else plan
            fake.tokens = 131_000
    finally:
        fake.stop()
    return found


def test_the_page_shows_what_the_commands_print(tmp_path: Path) -> None:
    shown = BLOCK.findall(PAGE.read_text())

    assert len(shown) == PAGE.read_text().count("```console") == 4
    for (command, output), (_, said) in zip(shown, printed(tmp_path), strict=True):
        assert _lasting(output) == _lasting(said), command
