"""What the tests of pilots share: a scenario, rows and documents, a model that reads them, a shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advisor.dataset.example import Message
from advisor.dataset.tokenizers import token_counter
from tests.support import tiny_models
from tests.support.fakes.chat_model import FakeChatModel, make_facts, question_rows
from tests.support.runs import RunHarness, open_run_harness
from tests.trainer.cli.test_runs import Shell
from trainer.pilot.cases import EvaluationCase

ALPHA = 0.05
TOKENS = token_counter("o200k_base")
TEXTS = [
    "Refunds are paid within five days.", "Lieferungen kommen am Montag an.", "返金は五日以内です。",
    "The warehouse closes at noon.",
]  # fmt: skip
MODEL = "openai/gpt-5.4-mini"
EMBEDDING = "openai/text-embedding-3-small"
SCENARIO = """
name: codes
asked_on: 2026-11-20
task: knowledge_qa
needs: {needs_private_knowledge: true}
traffic: {requests_per_month: 100000}
quality: {target: 0.85}
knowledge: {chunk_tokens: 60, top_k: 3}
"""


@pytest.fixture
def fake_model() -> Iterator[FakeChatModel]:
    made = FakeChatModel()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def harness(tmp_path: Path) -> RunHarness:
    return open_run_harness(tmp_path)


@dataclass
class PilotHarness:
    """A scenario, rows and documents; a model that reads them; a shell."""

    shell: Shell
    fake: FakeChatModel
    folder: Path

    def flags(self, *more: str) -> list[str]:
        return ["trainer", "pilot", str(self.folder / "s.yaml"), "--dataset",
                str(self.folder / "rows.jsonl"), "--corpus", str(self.folder / "docs"), "--model",
                MODEL, "--embedding", EMBEDDING, "--metric", "exact", *more]  # fmt: skip

    def go(self, *more: str, **how: Any) -> str:
        return self.shell(*self.flags("--cap", "5", "--yes", *more), **how)

    def json(self, *more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.go("--json", *more))
        return found

    def kept(self) -> list[dict[str, Any]]:
        """Lines of the pilot that stand on the disk."""
        home = Path(self.shell.env["TUNE_OR_NOT_HOME"])
        (path,) = (home / "pilots").glob("*/rows.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def ledger(self) -> list[tuple[int, int | None]]:
        told = self.shell.json("trainer", "budget", "--json")
        return [(one["reserved"], one["settled"]) for one in told["entries"]]


@contextmanager
def open_pilot(folder: Path) -> Iterator[PilotHarness]:
    """Write 200 documents with a fact each, and rows that ask after them."""
    fake = FakeChatModel()
    fake.start()
    (folder / "docs").mkdir()
    pairs = make_facts(200)
    for name, code in pairs:
        (folder / "docs" / f"{name}.md").write_text(
            f"# {name}\n\nThis part is used in the hall. It is made of steel. The code of {name} is "
            f"{code}. Handle it with care and keep it dry.\n")  # fmt: skip
    tiny_models.write_rows(folder / "rows.jsonl", question_rows(pairs))
    (folder / "s.yaml").write_text(SCENARIO)
    yield PilotHarness(Shell(folder / "home", OPENAI_BASE_URL=f"{fake.url}/v1"), fake, folder)
    fake.stop()


def arms_by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["arm"]: one for one in found["arms"]}


def make_case(number: int, expected: str = "yes", question: str | None = None) -> EvaluationCase:
    return EvaluationCase(f"key{number:03}", (Message("user", question or f"question {number}"),), None, expected,
                None)  # fmt: skip
