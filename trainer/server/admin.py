"""Routes of money and access: the ledger, the caps, the access tokens, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from trainer.clock import utc_datetime
from trainer.server.auth import Admin, Viewer, own_run_ids
from trainer.server.context import CurrentServer
from trainer.server.schemas import (
    AuditEntryView,
    BudgetBody,
    LedgerEntryView,
    LedgerView,
    NewTokenView,
    TokenBody,
    TokenView,
)
from trainer.storage.access_tokens import AccessToken
from trainer.storage.audit_log import AuditEntry
from trainer.storage.ledger import committed, usd_text

router = APIRouter(prefix="/api/v1", tags=["money and access"])


@router.get("/ledger")
def show_ledger(server: CurrentServer, caller: Viewer) -> LedgerView:
    """Return money spent or reserved by the caller, or by all for an admin; and the caps."""
    context = server.context
    entries, caps = context.ledger.entries(), context.ledger.caps()
    if caller.owner_filter is not None:
        run_ids = own_run_ids(server, caller.owner_filter)
        entries = tuple(entry for entry in entries if entry.subject in run_ids)
    today = utc_datetime(context.clock.now()).date().isoformat()
    return LedgerView(
        today_usd=usd_text(committed(entry for entry in entries if entry.day == today)),
        per_day_cap_usd=None if caps.per_day is None else usd_text(caps.per_day),
        total_usd=usd_text(committed(entries)),
        total_cap_usd=None if caps.total is None else usd_text(caps.total),
        entries=tuple(map(LedgerEntryView.model_validate, entries)),
    )


@router.put("/budget")
def set_budget(body: BudgetBody, server: CurrentServer, caller: Admin) -> LedgerView:
    """Set the caps on all spending."""
    server.audit.write(
        caller,
        "set_budget",
        "budget",
        per_day_usd=str(body.per_day_usd),
        total_usd=str(body.total_usd),
    )
    server.context.ledger.set_caps(body.per_day_usd, body.total_usd)
    return show_ledger(server, caller)


@router.get("/tokens", response_model=list[TokenView])
def list_tokens(server: CurrentServer, caller: Admin) -> Sequence[AccessToken]:
    """List all tokens ever created, newest first, without their secrets."""
    return server.tokens.listed()


@router.post("/tokens", status_code=201)
def make_token(body: TokenBody, server: CurrentServer, caller: Admin) -> NewTokenView:
    """Create a token; its secret is shown only this once."""
    server.audit.write(caller, "make_token", body.owner, role=body.role, days=body.days)
    token, secret = server.tokens.make(body.owner, body.role, body.days)
    return NewTokenView.of(token, secret=secret)


@router.delete("/tokens/{token_id}", response_model=TokenView)
def revoke_token(token_id: str, server: CurrentServer, caller: Admin) -> AccessToken:
    """Revoke a token."""
    server.audit.write(caller, "revoke_token", token_id)
    return server.tokens.revoke(token_id)


@router.get("/audit", response_model=list[AuditEntryView])
def list_audit(
    server: CurrentServer,
    caller: Admin,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Sequence[AuditEntry]:
    """List who did what, and at what cost, after a line number."""
    return server.audit.lines(after, limit)
