"""Audit log, in either database."""

from __future__ import annotations

from sqlalchemy import Engine

from tests.support.runs import FakeClock
from trainer.storage.access_tokens import Caller
from trainer.storage.audit_log import AuditLog


def test_an_action_is_recorded_with_its_caller_and_its_amount(
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
