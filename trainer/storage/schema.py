"""The tables of the database, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

from trainer.security.redact import redact


def json_text(body: Mapping[str, Any]) -> str:
    """Return a body as JSON without secrets and e-mail addresses."""
    return redact(orjson.dumps(dict(body), option=orjson.OPT_SORT_KEYS, default=str).decode())


class RedactedJson(TypeDecorator[Any]):
    """JSON in a text column; no secret and no e-mail address is ever stored in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Write the value as redacted JSON."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Read the stored JSON."""
        return None if value is None else orjson.loads(value)


metadata = MetaData()


def _table(name: str, *columns: SchemaItem) -> Table:
    return Table(name, metadata, *columns)


plans = _table(
    "plans",
    Column("plan_id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("owner", String(64)),
)

runs = _table(
    "runs",
    Column("run_id", String(32), primary_key=True),
    Column("launch_key", String(64), ForeignKey("plans.plan_id"), nullable=False, unique=True),
    Column("provider", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("job_id", String(256)),
    Column("made_at", Float, nullable=False),
    Column("next_at", Float, nullable=False, default=0.0),
    Column("fence", Integer, nullable=False, default=0),
    Column("lease_holder", String(128)),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("watched_at", Float, nullable=False, default=0.0),
    Column("owner", String(64)),
    Index("runs_by_state", "state"),
)

events = _table(
    "events",
    Column("run_id", String(32), ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("body", RedactedJson, nullable=False),
)

job_events = _table(
    "job_events",
    Column("run_id", String(32), ForeignKey("runs.run_id"), primary_key=True),
    Column("event_id", String(128), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("body", RedactedJson, nullable=False),
    Column("seq", Integer, nullable=False, server_default="0"),
)

ledger = _table(
    "ledger",
    Column("subject", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("day", String(10), nullable=False, index=True),
    Column("reserved_micro_usd", BigInteger, nullable=False),
    Column("settled_micro_usd", BigInteger),
    Column("how", Text, nullable=False, default=""),
)

budget = _table(
    "budget",
    Column("id", Integer, primary_key=True),
    Column("per_day_micro_usd", BigInteger),
    Column("total_micro_usd", BigInteger),
    Column("version", Integer, nullable=False, default=0),
)

deployments = _table(
    "deployments",
    Column("deployment_id", String(32), primary_key=True),
    Column("run_id", String(32), ForeignKey("runs.run_id"), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("remote_id", String(256)),
    Column("usd_per_hour", String(24), nullable=False),
    Column("max_hours", Float, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("stopped_at", Float),
    Column("says", Text, nullable=False, default=""),
)

versions = _table(
    "versions",
    Column("version_id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("run_id", String(32), ForeignKey("runs.run_id"), nullable=False, unique=True),
    Column("plan_id", String(64), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("base_model", Text, nullable=False),
    Column("base_sha256", Text, nullable=False, default=""),
    Column("dataset_sha256", Text, nullable=False),
    Column("source_sha256", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("usd", String(24)),
    Column("evaluation", RedactedJson),
    Column("facts", RedactedJson, nullable=False),
    Column("shutdown_on", String(10)),
    Column("made_at", Float, nullable=False),
    UniqueConstraint("name", "number", name="one_number_a_name"),
    Index(
        "one_champion_a_name",
        "name",
        unique=True,
        sqlite_where=text("stage = 'champion'"),
        postgresql_where=text("stage = 'champion'"),
    ),
)

# no foreign key: the history of a version is kept after the version is deleted
version_events = _table(
    "version_events",
    Column("version_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("at", Float, nullable=False),
    Column("by", Text, nullable=False),
    Column("body", RedactedJson, nullable=False),
)

tokens = _table(
    "tokens",
    Column("token_id", String(16), primary_key=True),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("owner", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
)

audit = _table(
    "audit",
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("token_id", String(16), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("usd", String(24)),
    Column("body", RedactedJson, nullable=False),
)

files = _table(
    "files",
    Column("file_id", String(48), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("filename", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float),
)

uploads = _table(
    "uploads",
    Column("upload_id", String(48), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("file_id", String(48)),
)

upload_parts = _table(
    "upload_parts",
    Column("part_id", String(48), primary_key=True),
    Column("upload_id", String(48), ForeignKey("uploads.upload_id"), nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("made_at", Float, nullable=False),
)

jobs = _table(
    "jobs",
    Column("run_id", String(32), ForeignKey("runs.run_id"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("request", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Index("jobs_by_owner", "owner", "made_at"),
)

answered = _table(
    "answered",
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("plan_id", String(64)),
    Column("status", Integer),
    Column("body", Text),
    Column("holder", String(128), nullable=False),
    Column("made_at", Float, nullable=False),
)
