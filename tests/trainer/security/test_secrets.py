"""Secrets: a planted key and e-mail address appear only where they belong."""

from __future__ import annotations

import io
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes.http_server import Fault
from tests.support.fakes.openai import FakeOpenAI, error_reply
from tests.support.runs import RunHarness, open_run_harness, write_rows
from trainer.errors import ApiKeyError
from trainer.providers.http_client import bound_client
from trainer.security.api_keys import ApiKey, api_key_for, origin_of
from trainer.security.egress import count_personal_data, personal_data_kinds
from trainer.security.redact import redact

KEY = "sk-canary-7f3a9b2c4d5e6f70"
EMAIL = "canary.person@example.org"


@pytest.fixture
def desk(tmp_path: Path, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> RunHarness:
    monkeypatch.setenv("OWN_API_KEY", KEY)
    desk = open_run_harness(tmp_path)
    _, desk.data = write_rows(tmp_path, text=f"write to {EMAIL} about")
    return desk


def everything(desk: RunHarness, run_id: str, log: str) -> str:
    """Gather what a run leaves behind: the database's bytes and text, its events, its log."""
    engine = desk.context.store.engine
    engine.dispose()
    path = desk.folder / "state.db"
    with sqlite3.connect(path) as database:
        dump = "\n".join(database.iterdump())
    raw = b"".join(p.read_bytes() for p in desk.folder.glob("state.db*")).decode("latin1")
    run = desk.context.store.run(run_id)
    told = desk.context.store.job_events(run_id)
    return "\n".join([dump, raw, repr(run.events), repr(told), log])


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_neither_key_nor_address_is_stored_or_logged(
    desk: RunHarness, fake: FakeOpenAI, log: io.StringIO
) -> None:
    echoes = error_reply(400, "bad_row", f"row 3 holds {EMAIL}, sent with Bearer {KEY}")
    fake.fault = lambda request: (
        Fault("reply", reply=echoes)
        if request.method == "POST" and request.path.endswith("jobs")
        else None
    )

    run = desk.go(desk.start())

    found = everything(desk, run.run_id, log.getvalue())
    assert run.outcome == "failed"
    assert "bad_row" in run.said("failed", "why")
    assert KEY not in found
    assert EMAIL not in found
    assert any(request.headers.get("authorization") == f"Bearer {KEY}" for request in fake.asked)
    assert any(EMAIL.encode() in content for content in fake.contents.values())


def test_the_search_finds_a_leak(desk: RunHarness, fake: FakeOpenAI, log: io.StringIO) -> None:
    """Without redaction the same search finds the key, so the test above can fail."""
    import trainer.storage.schema

    run_id = desk.start()
    honest, trainer.storage.schema.redact = trainer.storage.schema.redact, lambda text: text
    try:
        desk.context.store.note(
            run_id, "held", why=f"Bearer {KEY} for {EMAIL}", seconds=0, ticks=0, boot="x"
        )
    finally:
        trainer.storage.schema.redact = honest
    logging.getLogger("leak").warning("asked with %s", KEY)

    found = everything(desk, run_id, log.getvalue())

    assert KEY in found
    assert EMAIL in found


def test_an_exception_contains_no_key(desk: RunHarness, fake: FakeOpenAI) -> None:
    key = api_key_for("own", fake.url)
    assert KEY not in repr(key)
    fake.stop()
    adapter = desk.context.adapter("own")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        adapter.job("ftjob-1")
    chain, seen = caught.value, ""
    while chain is not None:
        seen += f"{chain!r} {chain.__dict__!r}"
        chain = chain.__cause__  # type: ignore[assignment]
    adapter.close()
    assert KEY not in seen


def test_a_key_is_sent_to_its_own_host_only(fake: FakeOpenAI) -> None:
    other = FakeOpenAI("openai")
    other.start()
    client = bound_client(origin_of(fake.url))
    try:
        with pytest.raises(ApiKeyError, match="does not go to"):
            client.get(f"{other.url}/v1/files")
    finally:
        client.close()
        other.stop()
    assert other.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://api.together.ai/v1", "https://user:pw@api.together.ai", "ftp://x", "together", "",
     "http://10.0.0.8/v1", "http://[::ffff:10.0.0.8]/v1", "file:///etc/passwd"],
)  # fmt: skip
def test_no_key_is_sent_to_an_invalid_url(url: str) -> None:
    with pytest.raises(ApiKeyError):
        origin_of(url)


def test_a_key_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("OWN_API_KEY_FILE", str(tmp_path / "key"))
    assert api_key_for("own", "https://example.org/v1") == ApiKey("https://example.org:443", KEY)
    monkeypatch.setenv("OWN_API_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(ApiKeyError, match="cannot be read"):
        api_key_for("own", "https://example.org/v1")


def test_a_missing_key_is_reported_with_its_variable() -> None:
    with pytest.raises(ApiKeyError, match="Set TOGETHER_API_KEY, or TOGETHER_API_KEY_FILE"):
        api_key_for("together", "https://api.together.ai/v1")


def test_personal_data_is_detected_by_pattern(tmp_path: Path) -> None:
    assert personal_data_kinds("DE89 3704 0044 0532 0130 00") == {"bank account"}
    assert personal_data_kinds("card 4111 1111 1111 1111") == {"card number"}
    assert personal_data_kinds("host 10.20.30.40") == {"IP address"}
    assert personal_data_kinds("call +49 30 1234567") == {"phone"}
    assert personal_data_kinds(f"key {KEY}") == {"secret"}
    for harmless in (
        "order 1234567890123456",
        "version 1.2.3",
        "2026-11-20",
        "GB00 ABCD 1234",
        "x",
    ):
        assert personal_data_kinds(harmless) == set(), harmless
    path, _ = write_rows(tmp_path, 3, text=EMAIL)
    assert count_personal_data([path]) == {"e-mail": 3}


def test_redacted_json_stays_valid() -> None:
    assert redact('{"why": "Bearer abcdefgh1234"}') == '{"why": "[hidden]"}'


def test_the_command_line_shows_no_secret(tmp_path: Path) -> None:
    import os

    env = {**os.environ, "TUNE_OR_NOT_HOME": str(tmp_path), "TOGETHER_API_KEY": KEY,
           "DATABASE_URL": f"postgresql://me:{KEY}@127.0.0.1:9/x"}  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "trainer", "doctor"], env=env, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 4
    assert KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
