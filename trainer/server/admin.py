"""Money and who may spend it: the ledger, the caps, the tokens, and the log of who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from trainer.clock import utc_datetime
from trainer.server.auth import Admin, Viewer
from trainer.server.context import ServerContext, server_of
from trainer.server.schemas import (
    AuditEntryView,
    BudgetBody,
    LedgerView,
    NewTokenView,
    TokenBody,
    TokenView,
    audit_entry_view,
    ledger_entry_view,
    token_view,
)
from trainer.storage.ledger import committed, usd_text

router = APIRouter(prefix="/api/v1", tags=["money and access"])
CurrentServer = Annotated[ServerContext, Depends(server_of)]


@router.get("/ledger")
def show_ledger(server: CurrentServer, caller: Viewer) -> LedgerView:
    """Say what is spent or set aside: by the caller, or by all for an admin; and the caps."""
    context = server.context
    entries, caps = context.ledger.entries(), context.ledger.caps()
    if caller.owner_filter is not None:
        mine = {run.run_id for run in context.store.listed(owner=caller.owner_filter)}
        entries = tuple(entry for entry in entries if entry.subject in mine)
    today = utc_datetime(context.clock.now()).date().isoformat()
    return LedgerView(
        today_usd=usd_text(committed(entry for entry in entries if entry.day == today)),
        per_day_cap_usd=None if caps.per_day is None else usd_text(caps.per_day),
        total_usd=usd_text(committed(entries)),
        total_cap_usd=None if caps.total is None else usd_text(caps.total),
        entries=tuple(ledger_entry_view(entry) for entry in entries),
    )


@router.put("/budget")
def set_budget(asked: BudgetBody, server: CurrentServer, caller: Admin) -> LedgerView:
    """Set the caps over everything that is spent."""
    server.audit.write(
        caller,
        "set_budget",
        "budget",
        per_day_usd=str(asked.per_day_usd),
        total_usd=str(asked.total_usd),
    )
    server.context.ledger.set_caps(asked.per_day_usd, asked.total_usd)
    return show_ledger(server, caller)


@router.get("/tokens")
def list_tokens(server: CurrentServer, caller: Admin) -> list[TokenView]:
    """List every token that was ever made, the newest first, without their secrets."""
    return [token_view(token) for token in server.tokens.listed()]


@router.post("/tokens", status_code=201)
def make_token(asked: TokenBody, server: CurrentServer, caller: Admin) -> NewTokenView:
    """Make a token; its secret is shown this once."""
    server.audit.write(caller, "make_token", asked.owner, role=asked.role, days=asked.days)
    token, secret = server.tokens.make(asked.owner, asked.role, asked.days)
    return NewTokenView(**token_view(token).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}")
def revoke_token(token_id: str, server: CurrentServer, caller: Admin) -> TokenView:
    """End a token now."""
    server.audit.write(caller, "revoke_token", token_id)
    return token_view(server.tokens.revoke(token_id))


@router.get("/audit")
def list_audit(
    server: CurrentServer,
    caller: Admin,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditEntryView]:
    """Tell who did what, and for how much, after a number."""
    return [audit_entry_view(done) for done in server.audit.lines(after, limit)]
