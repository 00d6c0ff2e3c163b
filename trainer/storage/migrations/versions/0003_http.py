"""HTTP API: access tokens, audit log, files, uploads, jobs, and stored responses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add owners to plans and runs, a sequence to job events, and the tables of the API."""
    for name in ("plans", "runs"):
        op.add_column(name, sa.Column("owner", sa.String(64)))
    op.add_column("job_events", sa.Column("seq", sa.Integer, nullable=False, server_default="0"))
    _create_access()
    _create_files()
    op.create_table(
        "jobs",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )
    op.create_index("jobs_by_owner", "jobs", ["owner", "made_at"])
    op.create_table(
        "answered",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("plan_id", sa.String(64)),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.Text),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )


def _create_access() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(16), primary_key=True),
        sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("usd", sa.String(24)),
        sa.Column("body", sa.Text, nullable=False),
    )


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", sa.String(48), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(48), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("file_id", sa.String(48)),
    )
    op.create_table(
        "upload_parts",
        sa.Column("part_id", sa.String(48), primary_key=True),
        sa.Column(
            "upload_id",
            sa.String(48),
            sa.ForeignKey("uploads.upload_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )
