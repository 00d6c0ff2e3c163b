"""A run -> all that is known of it now: events, money, version; each reading takes what is new."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import streamlit as st

from advisor.plan import TrainingPlan
from trainer.database import home_folder
from trainer.ledger import in_usd, micro
from trainer.local.folder import JobFolder
from trainer.office import Office
from trainer.states import Run
from trainer.timeline import Moment, timeline
from trainer.versions import Version

AT_ONCE = 1000


@dataclass(frozen=True)
class Spend:
    """Money of a run against its cap [USD]."""

    cap: str
    """What it may never pass."""
    set_aside: str | None
    """Taken from the budget until it is settled."""
    so_far: str | None
    """What its hours have cost, where this machine counts them."""
    settled: str | None
    """What it was in the end."""

    @property
    def share(self) -> float:
        """How much of the cap is spent, or set aside where nobody counts yet [0..1]."""
        known = self.settled or self.so_far or "0"
        return min(float(Decimal(known) / Decimal(self.cap)), 1.0)


def told(office: Office, run_id: str) -> list[Moment]:
    """Return all that happened to a run; a visitor's page reads each event once."""
    kept: list[Moment] = st.session_state.setdefault(f"told {run_id}", [])
    while True:
        new = timeline(office.store.engine, run_id, kept[-1].seq if kept else 0, AT_ONCE)
        kept.extend(new)
        if len(new) < AT_ONCE:
            return kept


def spend_of(office: Office, run: Run, plan: TrainingPlan) -> Spend:
    """Say what a run has cost so far, and what it may cost."""
    entry = office.ledger.entry(run.run_id)
    settled = in_usd(entry.settled) if entry and entry.settled is not None else None
    return Spend(plan.cap_usd, in_usd(entry.reserved) if entry else None,
                 _so_far(run, plan), settled)  # fmt: skip


def version_of(office: Office, run_id: str) -> Version | None:
    """Return the version that a run made, if it made one."""
    return next((one for one in office.registry.listed() if one.run_id == run_id), None)


def _so_far(run: Run, plan: TrainingPlan) -> str | None:
    if plan.local is None or run.job_id is None:
        return None
    folder = JobFolder(home_folder() / "runs" / run.job_id)
    if not folder.path.is_dir():
        return None
    return in_usd(micro(folder.usd(Decimal(plan.figure.price)).quantize(Decimal("0.0001"))))
