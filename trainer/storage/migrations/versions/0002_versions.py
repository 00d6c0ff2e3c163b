"""Model registry: versions of tuned models and their events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "versions",
        sa.Column("version_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column(
            "run_id", sa.String(32), sa.ForeignKey("runs.run_id"), nullable=False, unique=True
        ),
        sa.Column("plan_id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("base_model", sa.Text, nullable=False),
        sa.Column("base_sha256", sa.Text, nullable=False),
        sa.Column("dataset_sha256", sa.Text, nullable=False),
        sa.Column("source_sha256", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("usd", sa.String(24)),
        sa.Column("evaluation", sa.Text),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("shutdown_on", sa.String(10)),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.UniqueConstraint("name", "number", name="one_number_a_name"),
    )
    champion = sa.text("stage = 'champion'")
    op.create_index(
        "one_champion_a_name",
        "versions",
        ["name"],
        unique=True,
        sqlite_where=champion,
        postgresql_where=champion,
    )
    op.create_table(
        "version_events",
        sa.Column("version_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
