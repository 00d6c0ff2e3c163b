"""Tokens, files, uploads, kept answers and the audit log, in either database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from advisor.errors import UsageError
from tests.support.runs import FakeClock
from trainer.errors import Refused
from trainer.storage.access_tokens import (
    Caller,
    RoleTooLow,
    TokenStore,
    UnknownToken,
    ensure_admin_token,
)
from trainer.storage.audit_log import AuditLog
from trainer.storage.files import FileStore, FileUpload, NoSuchFile, files_folder
from trainer.storage.idempotency import (
    RETENTION_SECONDS,
    IdempotencyKeyReused,
    IdempotencyStore,
    RequestInProgress,
)
from trainer.storage.multipart_uploads import UPLOAD_SECONDS, UploadStore
from trainer.storage.schema import tokens as table


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file_store(engine: Engine, clock: FakeClock) -> FileStore:
    return FileStore(engine, clock)


def _received(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "came.part"
    path.write_bytes(data)
    return path


def test_a_token_says_who_asks_and_its_secret_is_nowhere(engine: Engine, clock: FakeClock) -> None:
    tokens = TokenStore(engine, clock)

    token, secret = tokens.make("triage", "spend")

    assert tokens.caller(secret) == Caller(token.token_id, "triage", "spend")
    with engine.connect() as connection:
        row = connection.execute(select(table)).one()
    assert row.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(row)
    assert tokens.listed() == (token,)


@pytest.mark.parametrize("secret", ["", "sk-00000000-nothing", "x" * 5000])
def test_an_unknown_token_is_nobody(engine: Engine, clock: FakeClock, secret: str) -> None:
    TokenStore(engine, clock).make("triage", "view")

    with pytest.raises(UnknownToken, match="trainer token make"):
        TokenStore(engine, clock).caller(secret)


def test_a_token_ends_by_its_day_or_when_it_is_revoked(engine: Engine, clock: FakeClock) -> None:
    tokens = TokenStore(engine, clock)
    _, short = tokens.make("triage", "view", days=2)
    long, secret = tokens.make("triage", "view")

    clock.sleep(2 * 86_400 - 1)
    assert tokens.caller(short).owner == "triage"
    clock.sleep(2)
    with pytest.raises(UnknownToken):
        tokens.caller(short)
    assert tokens.revoke(long.token_id).revoked_at == clock.now()
    with pytest.raises(UnknownToken):
        tokens.caller(secret)


@pytest.mark.parametrize(
    ("owner", "role", "days", "says"),
    [("No Spaces", "view", None, "owner"), ("a", "boss", None, "there is no such role"),
     ("a", "view", 0.0, "lives longer")],
)  # fmt: skip
def test_a_token_that_cannot_be_made_is_refused(
    engine: Engine, clock: FakeClock, owner: str, role: str, days: float | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        TokenStore(engine, clock).make(owner, role, days)  # type: ignore[arg-type]


def test_each_role_may_what_those_before_it_may() -> None:
    spender = Caller("1", "a", "spend")

    spender.need("view")
    spender.need("spend")
    with pytest.raises(RoleTooLow, match="needs 'admin'"):
        spender.need("admin")
    assert spender.owner_filter == "a"
    assert Caller("1", "a", "admin").owner_filter is None


def test_the_first_token_lies_in_the_home_folder_for_its_user_alone(
    engine: Engine, clock: FakeClock, tmp_path: Path
) -> None:
    tokens = TokenStore(engine, clock)

    path, is_new = ensure_admin_token(tokens, tmp_path)
    again = ensure_admin_token(tokens, tmp_path)

    assert is_new
    assert again == (path, False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert tokens.caller(path.read_text().strip()).role == "admin"
    tokens.revoke(tokens.listed()[0].token_id)
    assert ensure_admin_token(tokens, tmp_path) == (path, True)


def test_what_was_done_is_written_down_with_who_and_how_much(
    engine: Engine, clock: FakeClock
) -> None:
    audit = AuditLog(engine, clock)
    who = Caller("abcd1234", "triage", "spend")

    audit.write(who, "launch", "plan1", "4.20", egress=None, told="Bearer abcdefgh12345678")
    audit.write(who, "cancel", "run1")

    first, second = audit.lines()
    assert (first.owner, first.token_id, first.action, first.usd) == (
        "triage", "abcd1234", "launch", "4.20")  # fmt: skip
    assert first.body == {"egress": None, "told": "[hidden]"}
    assert audit.lines(after=first.seq) == (second,)


def test_a_file_is_kept_under_a_name_of_ours_and_seen_by_its_owner_alone(
    file_store: FileStore, tmp_path: Path
) -> None:
    kept = file_store.keep(
        _received(tmp_path, b"rows"), FileUpload("a", "../../x.jsonl", "fine-tune")
    )

    assert kept.path.parent == files_folder()
    assert kept.path.read_bytes() == b"rows"
    assert kept.sha256 == hashlib.sha256(b"rows").hexdigest()
    assert file_store.file(kept.file_id, "a") == file_store.file(kept.file_id, None) == kept
    with pytest.raises(NoSuchFile):
        file_store.file(kept.file_id, "b")
    assert file_store.listed("b") == ()
    with pytest.raises(NoSuchFile):
        file_store.delete(kept.file_id, "b")
    file_store.delete(kept.file_id, "a")
    assert not kept.path.exists()


def test_a_file_lives_as_long_as_it_was_said(
    file_store: FileStore, clock: FakeClock, tmp_path: Path
) -> None:
    kept = file_store.keep(
        _received(tmp_path, b"rows"), FileUpload("a", "x", "fine-tune"), seconds=3600.0
    )

    clock.sleep(3599)
    assert file_store.listed("a") == (kept,)
    clock.sleep(2)
    assert file_store.listed("a") == ()
    assert file_store.sweep() == 1
    assert not kept.path.exists()


def _parts(uploads: UploadStore, upload_id: str, tmp_path: Path, *data: bytes) -> list[str]:
    upload = uploads.upload(upload_id, "a")
    return [uploads.add_part(upload, _received(tmp_path, one)).part_id for one in data]


def test_parts_are_put_together_in_the_order_that_is_named(
    file_store: FileStore, tmp_path: Path
) -> None:
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x.jsonl", "fine-tune", 6)
    late, early = _parts(uploads, upload.upload_id, tmp_path, b"def", b"abc")

    done = uploads.complete(upload, [early, late], hashlib.md5(b"abcdef").hexdigest())

    assert done.status == "completed"
    assert file_store.file(str(done.file_id), "a").path.read_bytes() == b"abcdef"
    left = {path.name for path in files_folder().iterdir()} & {late, early}
    assert left == set()
    with pytest.raises(Refused, match="it is completed"):
        uploads.complete(upload, [early, late], None)


@pytest.mark.parametrize(
    ("announced", "order", "md5", "says"),
    [(6, ["part_none"], None, "part_ids name part_none"), (6, [], None, "no part, or one twice"),
     (7, None, None, "hold 6 bytes, and 7"), (6, None, "0" * 32, "Send the parts again")],
)  # fmt: skip
def test_an_upload_that_does_not_add_up_stays_open(
    file_store: FileStore, tmp_path: Path, announced: int, order: list[str] | None, md5: str | None,
    says: str,
) -> None:  # fmt: skip
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x.jsonl", "fine-tune", announced)
    parts = _parts(uploads, upload.upload_id, tmp_path, b"abc", b"def")

    with pytest.raises(Refused, match=says):
        uploads.complete(upload, parts if order is None else order, md5)

    assert uploads.upload(upload.upload_id, "a").status == "pending"
    assert list(uploads.parts(upload.upload_id)) == parts


def test_an_upload_ends_when_it_is_cancelled_or_left_open(
    file_store: FileStore, clock: FakeClock, tmp_path: Path
) -> None:
    uploads = UploadStore(file_store)
    left, ended = (uploads.begin("a", "x", "fine-tune", 3) for _ in range(2))
    (part,) = _parts(uploads, left.upload_id, tmp_path, b"abc")

    assert uploads.cancel(ended).status == "cancelled"
    clock.sleep(UPLOAD_SECONDS + 1)

    assert uploads.sweep() == 1
    assert uploads.upload(left.upload_id, "a").status == "expired"
    assert not (files_folder() / part).exists()
    with pytest.raises(NoSuchFile):
        uploads.upload(left.upload_id, "b")


def test_more_than_twice_what_was_announced_is_not_taken(
    file_store: FileStore, tmp_path: Path
) -> None:
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x", "fine-tune", 3)
    _parts(uploads, upload.upload_id, tmp_path, b"abc", b"abc")

    with pytest.raises(Refused, match="3 bytes were announced, and 6 have come"):
        uploads.add_part(upload, _received(tmp_path, b"a"))


def test_the_first_answer_is_given_again(engine: Engine, clock: FakeClock) -> None:
    answered = IdempotencyStore(engine, clock)

    assert answered.begin("a", "key", "1" * 64).status is None
    answered.answer("a", "key", 202, "body")

    again = answered.begin("a", "key", "1" * 64)
    assert (again.status, again.body) == (202, "body")
    assert answered.begin("b", "key", "2" * 64).status is None  # another owner's key is another
    with pytest.raises(IdempotencyKeyReused, match="another request"):
        answered.begin("a", "key", "2" * 64)


def test_two_at_once_under_one_key_are_not_both_served(engine: Engine, clock: FakeClock) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)

    with pytest.raises(RequestInProgress):
        answered.begin("a", "key", "1" * 64)
    answered.forget("a", "key")
    assert answered.begin("a", "key", "1" * 64).status is None


def test_who_died_before_the_answer_is_gone_on_from(
    engine: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = IdempotencyStore(engine, clock)
    dead.holder = dead.holder.replace(f":{__import__('os').getpid()}:", ":4000000:")
    dead.begin("a", "key", "1" * 64)
    dead.record_plan("a", "key", "plan1")

    kept = IdempotencyStore(engine, clock).begin("a", "key", "1" * 64)

    assert (kept.plan_id, kept.status) == ("plan1", None)


def test_what_failed_half_way_is_gone_on_from_in_the_same_process(
    engine: Engine, clock: FakeClock
) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)
    answered.record_plan("a", "key", "plan1")
    answered.release_key("a", "key")

    assert answered.begin("a", "key", "1" * 64).plan_id == "plan1"
    with pytest.raises(RequestInProgress):
        answered.begin("a", "key", "1" * 64)


def test_a_key_is_forgotten_after_a_day(engine: Engine, clock: FakeClock) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)
    answered.answer("a", "key", 200, "old")

    clock.sleep(RETENTION_SECONDS + 1)

    assert answered.begin("a", "key", "2" * 64).status is None


@pytest.mark.parametrize("key", ["", "k" * 256, "a\x00b"])
def test_a_key_that_cannot_be_one_is_refused(engine: Engine, clock: FakeClock, key: str) -> None:
    with pytest.raises(IdempotencyKeyReused, match="1 to 255"):
        IdempotencyStore(engine, clock).begin("a", key, "1" * 64)
