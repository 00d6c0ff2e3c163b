"""Fixtures of the working API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.working_api import ApiHarness, open_api


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiHarness]:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OWN_API_KEY", "no-key-at-all")
    with open_api(tmp_path) as opened:
        yield opened
