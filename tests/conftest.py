"""What every test runs under: no network but loopback, no keys, a home folder of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

GUARD = Path(__file__).parent / "support" / "guard"
sys.path.insert(0, str(GUARD))
import sitecustomize  # noqa: E402 - the guard comes before anything that could reach out

sitecustomize.guard()
FORKS = Path(tempfile.mkdtemp(prefix="ton-")) / "ton-forks"
FORKS.mkdir()
(FORKS / "owner").write_text(str(os.getpid()))
os.environ["PYTHONPATH"] = os.pathsep.join(
    part for part in (str(GUARD), os.environ.get("PYTHONPATH", ""), str(FORKS)) if part
)
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ[name] = "http://127.0.0.1:9"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False  # importing peft without compiled files costs 5 s each time
for name in [name for name in os.environ if name.endswith("_API_KEY")]:
    del os.environ[name]
os.environ["TUNE_OR_NOT_HOME"] = tempfile.mkdtemp(prefix="tune-or-not-")

from advisor.evidence import Evidence  # noqa: E402
from advisor.loading import load_evidence  # noqa: E402
from advisor.prices.book import PriceBook  # noqa: E402
from advisor.prices.loader import load_prices  # noqa: E402
from tests.support.fakes.openai import FakeOpenAI  # noqa: E402
from tests.support.postgres import postgres_folder, postgres_server  # noqa: E402
from tests.support.runs import sqlite_database  # noqa: E402
from trainer.storage.database import open_database  # noqa: E402

TODAY = date(2026, 11, 20)
SLOWEST_FIRST = (
    "scripts/test_train",
    "benchmarks/test_launch_faults",
    "views/test_launch_browser",
    "local/test_local_training",
    "views/test_whatif_browser",
    "export/test_export",
    "server/test_openapi_fuzzed",
    "views/test_launch",
    "interview/test_next_question",
    "openai/test_sdk_versions",
)
"""Files that take longest: with one file per worker, the last one started must be a short one."""


@pytest.fixture(scope="session")
def book() -> PriceBook:
    return load_prices()


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    return load_evidence()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a real PostgreSQL server."""
    if postgres_folder() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database, of either kind."""
    if request.param == "sqlite":
        made = sqlite_database(tmp_path)
    else:
        url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:")
        admin = create_engine(url)
        with admin.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        admin.dispose()
        made = open_database(url)
    yield made
    made.dispose()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """The provider of the tests' price book, on loopback, with a key for it."""
    server = FakeOpenAI("openai")
    server.start()
    monkeypatch.setenv("OWN_API_KEY", "sk-own-0123456789abcdef")
    monkeypatch.setenv("OWN_BASE_URL", f"{server.url}/v1")
    yield server
    server.stop()


@pytest.fixture
def started_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training scripts start as the product starts them, not as forks."""
    parts = os.environ["PYTHONPATH"].split(os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in parts if p != str(FORKS)))


def pytest_unconfigure() -> None:
    """End the server of `forked.py`, which watches its folder."""
    shutil.rmtree(FORKS.parent, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first."""
    place = {name: number for number, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda i: place.get(f"{i.path.parent.name}/{i.path.stem}", len(place)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything is required, a skipped test is a failed run, but for those of a GPU."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = [r for r in reporter.stats.get("skipped", []) if "gpu" not in r.keywords]
    if not skipped:
        return
    required = os.environ.get("REQUIRE_ALL") == "1"
    why = " although REQUIRE_ALL=1" if required else ""
    sys.stderr.write(f"\n{len(skipped)} skipped{why}\n")
    if required and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
