"""Plans, runs with their events, the ledger, the budget, and deployments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _create_runs()
    _create_events()
    _create_money()
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.String(32), primary_key=True),
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("remote_id", sa.String(256)),
        sa.Column("usd_per_hour", sa.String(24), nullable=False),
        sa.Column("max_hours", sa.Float, nullable=False),
        sa.Column("keep", sa.Boolean, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("stopped_at", sa.Float),
        sa.Column("says", sa.Text, nullable=False),
    )


def _create_runs() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(32), primary_key=True),
        sa.Column(
            "launch_key", sa.String(64), sa.ForeignKey("plans.plan_id"), nullable=False, unique=True
        ),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("job_id", sa.String(256)),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_holder", sa.String(128)),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("watched_at", sa.Float, nullable=False),
    )
    op.create_index("runs_by_state", "runs", ["state"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "job_events",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("event_id", sa.String(128), primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _create_money() -> None:
    op.create_table(
        "ledger",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("reserved_micro_usd", sa.BigInteger, nullable=False),
        sa.Column("settled_micro_usd", sa.BigInteger),
        sa.Column("how", sa.Text, nullable=False),
    )
    op.create_index("ix_ledger_day", "ledger", ["day"])
    op.create_table(
        "budget",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("per_day_micro_usd", sa.BigInteger),
        sa.Column("total_micro_usd", sa.BigInteger),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.execute("INSERT INTO budget (id, version) VALUES (1, 0)")
