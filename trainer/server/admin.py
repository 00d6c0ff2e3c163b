"""Money and who may spend it: the ledger, the caps, the tokens, and the log of who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from trainer.clock import moment
from trainer.server.auth import Admin, Viewer
from trainer.server.context import Front, front_of
from trainer.server.schemas import (
    AuditLine,
    BudgetAsk,
    LedgerShown,
    TokenAsk,
    TokenMade,
    TokenShown,
    audit_line,
    entry_shown,
    token_shown,
)
from trainer.storage.ledger import committed, in_usd

router = APIRouter(prefix="/api/v1", tags=["money and access"])
TheFront = Annotated[Front, Depends(front_of)]


@router.get("/ledger")
def show_ledger(front: TheFront, caller: Viewer) -> LedgerShown:
    """Say what is spent or set aside: by the caller, or by all for an admin; and the caps."""
    office = front.office
    entries, caps = office.ledger.entries(), office.ledger.caps()
    if caller.sees is not None:
        mine = {run.run_id for run in office.store.listed(owner=caller.sees)}
        entries = tuple(entry for entry in entries if entry.subject in mine)
    today = moment(office.clock.now()).date().isoformat()
    return LedgerShown(
        today_usd=in_usd(committed(entry for entry in entries if entry.day == today)),
        per_day_cap_usd=None if caps.per_day is None else in_usd(caps.per_day),
        total_usd=in_usd(committed(entries)),
        total_cap_usd=None if caps.total is None else in_usd(caps.total),
        entries=tuple(entry_shown(entry) for entry in entries),
    )


@router.put("/budget")
def set_budget(asked: BudgetAsk, front: TheFront, caller: Admin) -> LedgerShown:
    """Set the caps over everything that is spent."""
    front.audit.write(
        caller,
        "set_budget",
        "budget",
        per_day_usd=str(asked.per_day_usd),
        total_usd=str(asked.total_usd),
    )
    front.office.ledger.set_caps(asked.per_day_usd, asked.total_usd)
    return show_ledger(front, caller)


@router.get("/tokens")
def list_tokens(front: TheFront, caller: Admin) -> list[TokenShown]:
    """List every token that was ever made, the newest first, without their secrets."""
    return [token_shown(token) for token in front.tokens.listed()]


@router.post("/tokens", status_code=201)
def make_token(asked: TokenAsk, front: TheFront, caller: Admin) -> TokenMade:
    """Make a token; its secret is shown this once."""
    front.audit.write(caller, "make_token", asked.owner, role=asked.role, days=asked.days)
    token, secret = front.tokens.make(asked.owner, asked.role, asked.days)
    return TokenMade(**token_shown(token).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}")
def revoke_token(token_id: str, front: TheFront, caller: Admin) -> TokenShown:
    """End a token now."""
    front.audit.write(caller, "revoke_token", token_id)
    return token_shown(front.tokens.revoke(token_id))


@router.get("/audit")
def list_audit(
    front: TheFront,
    caller: Admin,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditLine]:
    """Tell who did what, and for how much, after a number."""
    return [audit_line(done) for done in front.audit.lines(after, limit)]
