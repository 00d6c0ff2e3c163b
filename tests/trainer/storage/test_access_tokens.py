"""Access tokens: owners, roles, expiry and revocation, in either database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from advisor.errors import UsageError
from tests.support.runs import FakeClock
from trainer.storage.access_tokens import (
    Caller,
    RoleTooLow,
    TokenStore,
    UnknownToken,
    ensure_admin_token,
)
from trainer.storage.schema import tokens as table


def test_a_token_identifies_its_owner_and_its_secret_is_not_stored(
    engine: Engine, clock: FakeClock
) -> None:
    tokens = TokenStore(engine, clock)

    token, secret = tokens.make("triage", "spend")

    assert tokens.caller(secret) == Caller(token.token_id, "triage", "spend")
    with engine.connect() as connection:
        row = connection.execute(select(table)).one()
    assert row.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(row)
    assert tokens.listed() == (token,)


@pytest.mark.parametrize("secret", ["", "sk-00000000-nothing", "x" * 5000])
def test_an_unknown_token_is_refused(engine: Engine, clock: FakeClock, secret: str) -> None:
    TokenStore(engine, clock).make("triage", "view")

    with pytest.raises(UnknownToken, match="trainer token make"):
        TokenStore(engine, clock).caller(secret)


def test_a_token_is_valid_until_it_expires_or_is_revoked(engine: Engine, clock: FakeClock) -> None:
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
    [("No Spaces", "view", None, "owner"), ("a", "boss", None, "role not found"),
     ("a", "view", 0.0, "a number above 0")],
)  # fmt: skip
def test_an_invalid_token_is_not_created(
    engine: Engine, clock: FakeClock, owner: str, role: str, days: float | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        TokenStore(engine, clock).make(owner, role, days)  # type: ignore[arg-type]


def test_a_role_includes_the_roles_before_it() -> None:
    spender = Caller("1", "a", "spend")

    spender.need("view")
    spender.need("spend")
    with pytest.raises(RoleTooLow, match="needs 'admin'"):
        spender.need("admin")
    assert spender.owner_filter == "a"
    assert Caller("1", "a", "admin").owner_filter is None


def test_the_admin_token_is_in_the_home_folder_and_readable_by_its_user_only(
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
