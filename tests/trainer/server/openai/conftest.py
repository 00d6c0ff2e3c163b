"""Fixtures of the OpenAI surface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import tiny_models
from tests.support.openai_api import (
    OpenAIHarness,
    serve_openai_api,
)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIHarness]:
    """A server that does not advance its runs."""
    folder = tmp_path_factory.mktemp("still")
    base = tiny_models.make_causal(folder / "base")
    with serve_openai_api(folder, False, bases={"tiny": base}, max_file_bytes=2_000_000) as found:
        yield found
