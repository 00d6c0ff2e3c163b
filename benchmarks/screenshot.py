"""Screenshot of the page with a bundled example, for the README.

python -m benchmarks.screenshot OUT.png [--dark]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Literal

PAGE = Path(__file__).parent.parent / "ui" / "app.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WAIT_SECONDS = 60


def main() -> int:
    """Serve the page and save a screenshot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dark", action="store_true")
    flags = parser.parse_args()
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.stderr.write(
            f"benchmarks.screenshot: no browser found. Install one of {', '.join(BROWSERS)}.\n"
        )
        return 2
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(PAGE),
            "--server.port",
            str(port),
            "--server.address",
            "127.0.0.1",
            "--server.headless",
            "true",
        ]
        child = subprocess.Popen(
            command, env={**os.environ, "TUNE_OR_NOT_HOME": home}, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_served(f"http://127.0.0.1:{port}/_stcore/health")
            _take_screenshot(found, f"http://127.0.0.1:{port}", flags.out, flags.dark)
        finally:
            child.terminate()
            child.wait()
    return 0


def _wait_until_served(url: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _take_screenshot(browser_path: str, url: str, out: Path, is_dark: bool) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        scheme: Literal["dark", "light"] = "dark" if is_dark else "light"
        page = browser.new_page(
            viewport={"width": 1366, "height": 768},
            device_scale_factor=2,
            color_scheme=scheme,
            locale="en-US",
        )
        page.goto(url)
        page.locator("#verdict").wait_for(timeout=WAIT_SECONDS * 1000)
        page.locator("canvas, svg.marks").first.wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=str(out))
        browser.close()


if __name__ == "__main__":
    raise SystemExit(main())
