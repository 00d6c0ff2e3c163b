"""`trainer serve` against both of its OpenAPI documents: requests generated from them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tiny_models
from tests.support.servers import RunningServer, free_port, run_server

SEED = "20261121"
LEAST_CASES = 500
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_schema_conformance", "response_headers_conformance")  # fmt: skip
PLANTED = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/planted")
def planted(n: int = 0) -> dict[str, int]:
    return {"n": 1 // (1 - (n < 0))}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("fuzzed")
    base = tiny_models.make_causal(folder / "base")
    with run_server(folder, "--base", f"tiny={base}", "--requests-per-minute", "1000000") as found:
        yield found


def fuzz(url: str, folder: Path, examples: int, *more: str) -> tuple[int, str]:
    """Fuzz an API; return the number of requests, and the failures."""
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "run", url, "--seed", SEED, "--max-examples", str(examples), "--no-shrink",
         "--no-color", "--phases", "examples,fuzzing", "--checks", ",".join(CHECKS),
         "--warnings", "off", *more],
        cwd=folder, capture_output=True, text=True, timeout=400,
        env={name: value for name, value in os.environ.items() if "PROXY" not in name.upper()},
    )  # fmt: skip
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout + done.stderr
    failures = done.stdout.partition("= FAILURES =")[2] or done.stdout + done.stderr
    return int(found[1]), failures if done.returncode else ""


@pytest.mark.parametrize(("path", "examples"), [("/api/v1", 24), ("/v1", 30)])
def test_it_answers_as_its_description_says(
    served: RunningServer, tmp_path: Path, path: str, examples: int
) -> None:
    cases, failures = fuzz(f"{served.url}{path}/openapi.json", tmp_path, examples,
                           "--header", f"Authorization: Bearer {served.token}")  # fmt: skip

    assert failures == ""
    assert cases >= LEAST_CASES


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "planted:app", "--port", str(port), "--log-level",
         "critical"], cwd=tmp_path)  # fmt: skip
    try:
        cases, failures = fuzz(f"http://127.0.0.1:{port}/openapi.json", tmp_path, 50,
                               "--wait-for-schema", "20")  # fmt: skip
    finally:
        server.terminate()
        server.wait(20)

    assert cases > 0
    assert "Server error" in failures
