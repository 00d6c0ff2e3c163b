"""The same question gives the same bytes through library, command line, HTTP and page."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from advisor.api.app import planning_app
from advisor.decision.answer import canonical_json, recommend
from advisor.loading import example_question, examples_folder, read_mapping
from tests.support.paths import ROOT

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def test_library_command_line_and_http_return_the_same_bytes() -> None:
    expected = canonical_json(recommend(example_question("policy-faq")))

    cli = subprocess.run([sys.executable, "-m", "advisor", "demo", "policy-faq", "--format", "json"],
                         capture_output=True, check=True).stdout  # fmt: skip
    mapping = json.loads(
        json.dumps(read_mapping(examples_folder() / "policy-faq.yaml"), default=str)
    )
    http = TestClient(planning_app()).post("/api/v1/recommend", json=mapping)

    assert cli == expected + b"\n"
    assert http.status_code == 200
    assert http.content == expected


def test_http_tells_what_is_wrong_as_problem_json() -> None:
    found = TestClient(planning_app()).post(
        "/api/v1/recommend", json={"asked_on": "2026-11-20", "taks": "x"}
    )

    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"
    assert (
        found.json()["detail"]
        == "scenario: taks: there is no such key. Did you mean 'task', 'tags', 'dataset'?"
    )


def test_http_opens_no_file_of_the_machine() -> None:
    body = {"asked_on": "2026-11-20", "dataset": {"path": "/etc/hostname"}}

    found = TestClient(planning_app()).post("/api/v1/recommend", json=body)

    assert (found.status_code, found.json()["code"]) == (422, "path-refused")


def test_health_and_readiness() -> None:
    client = TestClient(planning_app())

    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["status"] == "ready"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, int]]:
    ports = (_free_port(), _free_port())
    child = subprocess.Popen([sys.executable, "-m", "ui.serve"], cwd=ROOT, stdout=subprocess.DEVNULL,
                             env={**os.environ, "PORT": str(ports[0]), "PAGE_PORT": str(ports[1])})  # fmt: skip
    try:
        for path, port in (("healthz", ports[0]), ("_stcore/health", ports[1])):
            _wait(f"http://127.0.0.1:{port}/{path}")
        yield ports
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=15) == 0


def _wait(url: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=2) as found:
                if found.status == 200:
                    return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"{url} did not answer within a minute")


def test_make_run_serves_page_and_api_and_stops_on_ctrl_c(served: tuple[int, int]) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{served[0]}/healthz") as found:
        assert json.load(found)["status"] == "ok"


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_a_browser_sees_the_verdict(served: tuple[int, int], tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    recommended = recommend(example_question("email-triage")).decision.recommended
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(f"http://127.0.0.1:{served[1]}")
        page.locator(f'[data-recommended="{recommended}"]').wait_for(timeout=60_000)
        page.screenshot(path=str(tmp_path / "page.png"))
        browser.close()

    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_a_busy_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([sys.executable, "-m", "ui.serve"], cwd=ROOT, capture_output=True,
                              text=True, env={**os.environ, "PORT": str(port)})  # fmt: skip

    assert done.returncode == 2
    assert (
        done.stderr == f"make run: port {port} is busy. Set PORT to a free one: make run PORT=...\n"
    )
