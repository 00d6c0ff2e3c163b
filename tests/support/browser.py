"""A real page on loopback, and a real Chromium that looks at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
VIEW = {"width": 1366, "height": 768}
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

LAYOUT_ERRORS_SCRIPT = """() => {
  const found = [], shown = [...document.querySelectorAll('#verdict *, label, button, [role=tab]')]
    .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}));
  for (const e of shown) {
    if (e.closest('[aria-hidden=true], .vega-embed, [role=toolbar]')) continue;
    if (e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).display !== 'inline'
        && e.clientWidth > 0) found.push('text leaves its element: ' + e.innerText.slice(0, 60));
  }
  const boxes = [...document.querySelectorAll('.ton-verdict, .ton-lead, .ton-tile, .ton-second')]
    .map(e => [e.innerText.slice(0, 40), e.getBoundingClientRect()]);
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
    const [a, b] = [boxes[i][1], boxes[j][1]];
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
      found.push('boxes overlap: ' + boxes[i][0] + ' | ' + boxes[j][0]);
  }
  return found;
}"""


STILL = """() => {
  const app = document.querySelector('[data-testid=stApp]'), now = performance.now();
  const works = !app || app.dataset.testScriptState !== 'notRunning'
    || app.dataset.testConnectionState !== 'CONNECTED'
    || document.querySelector('[data-stale=true], [data-testid=stSkeleton]')
    || document.getAnimations().some(e => e instanceof CSSTransition && e.playState === 'running');
  if (works) window.tonStillSince = undefined; else window.tonStillSince ??= now;
  return !works && now - window.tonStillSince >= 300;
}"""
"""A widget that was used asks for a run within 300 ms; a slider is the slowest."""
UNDIMMED = "[data-stale=true] { opacity: 1 !important; transition: none !important; }"
"""Streamlit dims what a run has not drawn yet, also while a live part redraws every second."""


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def page_server(home: Path, script: Path = ROOT / "ui" / "app.py") -> Iterator[str]:
    """Serve the page with a home folder of its own; give its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.address",
               "127.0.0.1", "--server.port", str(port), "--server.headless", "true",
               "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]  # fmt: skip
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    env = {**os.environ, "TUNE_OR_NOT_HOME": str(home), "PYTHONPATH": path}
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(timeout=15)


def _wait(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if child.poll() is not None:
            raise RuntimeError(f"the page ended with code {child.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"{url} did not answer within a minute")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Any, url: str, scheme: str = "light", locale: str = "en-US") -> Any:
    """Open the page in a context of its own, and wait for the verdict."""
    context = browser.new_context(viewport=VIEW, color_scheme=scheme, locale=locale)
    page = context.new_page()
    page.goto(url)
    page.locator("#verdict").wait_for(timeout=60_000)
    return page


def wait_until_idle(page: Any) -> None:
    """Wait until no script has run for a while, nothing is stale and nothing fades."""
    page.evaluate("() => { window.tonStillSince = undefined }")
    page.wait_for_function(STILL, timeout=60_000)


def save_screenshot(page: Any, name: str, folder: Path) -> Path:
    """Write a screenshot into the folder of the test, or where SCREENSHOTS says."""
    where = Path(os.environ.get("SCREENSHOTS", folder))
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"{name}.png"
    page.screenshot(path=str(path))
    return path


def check_layout(page: Any) -> None:
    """Assert that text is inside its elements, that nothing overlaps, and that nothing failed."""
    assert page.evaluate(LAYOUT_ERRORS_SCRIPT) == []
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0


def axe_source() -> str:
    """Return the script of axe-core."""
    import axe_core_python

    return (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def axe_violations(page: Any, within: str) -> list[str]:
    """Run axe-core over one part of the page; return what is serious or critical."""
    page.add_style_tag(content=UNDIMMED)
    wait_until_idle(page)
    page.evaluate(axe_source())
    found = page.evaluate("part => axe.run(part)", within)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"] if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]  # fmt: skip
