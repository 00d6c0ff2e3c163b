"""Older majors of the openai SDK, and the README's example, with a real `trainer serve`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import tiny_models
from tests.support.servers import ROOT, RunningServer, run_server

SDKS = {"1.109.1": ".venv/openai-1.109", "2.8.1": ".venv/openai-2.8"}
"""Older majors; today's SDK runs in `test_sdk.py` and in the README's example."""
README_CODE = re.compile(r"```python\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("served")
    base = tiny_models.make_causal(folder / "base")
    tiny_models.write_rows(folder / "tickets.jsonl", tiny_models.task_rows(40))
    with run_server(folder, "--base", f"tiny={base}", "--usd-per-hour", "0.05") as found:
        yield found


def _run(command: list[str], served: RunningServer, **more: str) -> str:
    done = subprocess.run(command, cwd=served.home.parent, capture_output=True, text=True,
                          timeout=900, env=served.environment(**more))  # fmt: skip
    assert done.returncode == 0, done.stderr + served.log.read_text()[-2000:]
    return done.stdout


@pytest.mark.parametrize("version", SDKS)
def test_an_sdk_uploads_tunes_reads_the_result_and_chats(
    served: RunningServer, version: str
) -> None:
    folder = ROOT / SDKS[version]
    if not folder.is_dir():
        pytest.skip(f"openai {version} is not installed in {folder}: `make test` does it")

    said = _run([sys.executable, str(ROOT / "tests" / "support" / "sdk_flow.py"), f"{served.url}/v1",
                 "tickets.jsonl", "tiny"], served,
                PYTHONPATH=f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}")  # fmt: skip

    found = json.loads(said)
    assert found["sdk"] == version
    assert found["model"].startswith("ft:tiny:first:triage:")
    assert found["result"][0].split(",")[:2] == ["step", "train_loss"]
    assert float(found["result"][1].split(",")[1]) > 0
    assert (found["file"], found["listed"], found["owner"]) == ("processed", True, "first")
    assert found["events"] > 3
    assert found["metrics"] > 0
    assert found["checkpoints"] > 0
    assert found["streamed"] == found["answer"]
    assert found["tokens"] > 0
    assert found["missing"]


def test_the_readme_changes_one_line_and_keeps_the_code(served: RunningServer) -> None:
    blocks = (block["code"] for block in README_CODE.finditer((ROOT / "README.md").read_text()))
    (code,) = (code for code in blocks if "openai" in code)
    assert code.count("base_url") == 1

    here = code.replace("http://127.0.0.1:8000", served.url).replace("qwen-0.5b", "tiny")
    said = _run([sys.executable, "-c", here], served)

    assert said.strip().startswith("ft:tiny:first:triage:")
    assert len(said.strip().splitlines()) >= 1
