"""A key and a person's address are planted; neither shows up anywhere but where it belongs."""

from __future__ import annotations

import io
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.openai import FakeOpenAI, refusal
from tests.fakes.server import Fault
from tests.runs import Desk, a_desk, rows
from trainer.egress import kinds_in, personal_in
from trainer.errors import NoSecret
from trainer.providers.web import bound_client
from trainer.redact import redact
from trainer.secret import Key, key_for, origin_of

KEY = "sk-canary-7f3a9b2c4d5e6f70"
EMAIL = "canary.person@example.org"


@pytest.fixture
def desk(tmp_path: Path, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("OWN_API_KEY", KEY)
    desk = a_desk(tmp_path)
    _, desk.data = rows(tmp_path, text=f"write to {EMAIL} about")
    return desk


def everything(desk: Desk, run_id: str, log: str) -> str:
    """Gather what a run leaves behind: the database's bytes and text, its events, its log."""
    engine = desk.office.store.engine
    engine.dispose()
    path = desk.folder / "state.db"
    with sqlite3.connect(path) as database:
        dump = "\n".join(database.iterdump())
    raw = b"".join(p.read_bytes() for p in desk.folder.glob("state.db*")).decode("latin1")
    run = desk.office.store.run(run_id)
    told = desk.office.store.job_events(run_id)
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


def test_neither_key_nor_address_shows_up(desk: Desk, fake: FakeOpenAI, log: io.StringIO) -> None:
    echoes = refusal(400, "bad_row", f"row 3 holds {EMAIL}, sent with Bearer {KEY}")
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


def test_a_leaky_twin_is_caught(desk: Desk, fake: FakeOpenAI, log: io.StringIO) -> None:
    """The same search finds a launcher that writes its key down: the search can fail."""
    import trainer.store

    run_id = desk.start()
    honest, trainer.store.redact = trainer.store.redact, lambda text: text
    try:
        desk.office.store.note(
            run_id, "held", why=f"Bearer {KEY} for {EMAIL}", seconds=0, ticks=0, boot="x"
        )
    finally:
        trainer.store.redact = honest
    logging.getLogger("leak").warning("asked with %s", KEY)

    found = everything(desk, run_id, log.getvalue())

    assert KEY in found
    assert EMAIL in found


def test_an_exception_carries_no_key(desk: Desk, fake: FakeOpenAI) -> None:
    key = key_for("own", fake.url)
    assert KEY not in repr(key)
    fake.stop()
    adapter = desk.office.adapter("own")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        adapter.job("ftjob-1")
    chain, seen = caught.value, ""
    while chain is not None:
        seen += f"{chain!r} {chain.__dict__!r}"
        chain = chain.__cause__  # type: ignore[assignment]
    adapter.close()
    assert KEY not in seen


def test_a_key_goes_to_its_own_host_only(fake: FakeOpenAI) -> None:
    other = FakeOpenAI("openai")
    other.start()
    client = bound_client(origin_of(fake.url))
    try:
        with pytest.raises(NoSecret, match="does not go to"):
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
def test_no_key_goes_to_such_an_address(url: str) -> None:
    with pytest.raises(NoSecret):
        origin_of(url)


def test_a_key_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("OWN_API_KEY_FILE", str(tmp_path / "key"))
    assert key_for("own", "https://example.org/v1") == Key("https://example.org:443", KEY)
    monkeypatch.setenv("OWN_API_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(NoSecret, match="cannot be read"):
        key_for("own", "https://example.org/v1")


def test_no_key_is_told_by_the_name_of_its_variable() -> None:
    with pytest.raises(NoSecret, match="set TOGETHER_API_KEY, or TOGETHER_API_KEY_FILE"):
        key_for("together", "https://api.together.ai/v1")


def test_what_looks_personal_is_found_and_what_does_not_is_not(tmp_path: Path) -> None:
    assert kinds_in("DE89 3704 0044 0532 0130 00") == {"bank account"}
    assert kinds_in("card 4111 1111 1111 1111") == {"card number"}
    assert kinds_in("host 10.20.30.40") == {"IP address"}
    assert kinds_in("call +49 30 1234567") == {"phone"}
    assert kinds_in(f"key {KEY}") == {"secret"}
    for harmless in (
        "order 1234567890123456",
        "version 1.2.3",
        "2026-11-20",
        "GB00 ABCD 1234",
        "x",
    ):
        assert kinds_in(harmless) == set(), harmless
    path, _ = rows(tmp_path, 3, text=EMAIL)
    assert personal_in([path]) == {"e-mail": 3}


def test_what_is_hidden_stays_hidden_in_json() -> None:
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
