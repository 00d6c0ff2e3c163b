"""Database access: one engine (SQLite or PostgreSQL), migrations, transactions and queries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Executable,
    Row,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from advisor.errors import UsageError, did_you_mean
from trainer.errors import DatabaseBusy
from trainer.home import home_folder

AnyRow = Row[*tuple[Any, ...]]
BUSY_SECONDS = 30
MAX_MATCHES = 1000
SHORT_ID = 12
MIGRATIONS = Path(__file__).parent / "migrations"


def database_url() -> str:
    """Return DATABASE_URL, or the URL of the SQLite file in the home folder."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return f"sqlite:///{home_folder() / 'state.db'}"
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def open_database(url: str | None = None) -> Engine:
    """Open the database and migrate it to the newest schema.

    Raises:
        DatabaseBusy: it cannot be opened; the message has the reason and no password.
    """
    where = url or database_url()
    options: dict[str, Any] = {"pool_pre_ping": True}
    if make_url(where).get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    else:
        options["connect_args"] = {"client_encoding": "utf8", "connect_timeout": 10}
    engine = create_engine(where, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        raise _busy(engine, error) from error
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the "begin" listener starts transactions
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    """Acquire the write lock first: SQLite refuses to upgrade a reader while another writes."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Migrate to the newest schema, once even if two processes start at the same time."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    head = script.get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7402213)")
        _upgrade(connection, script)


def _upgrade(connection: Connection, script: Any) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        environment.run_migrations()


def schema_version(engine: Engine) -> str:
    """Return the revision of the newest migration that ran."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or "none"


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction; it is on disk when the block ends.

    Raises:
        DatabaseBusy: locked, read-only or full; nothing was written.
    """
    with _outages_as_busy(engine), engine.begin() as connection:
        yield connection


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """Open a connection that acquires no lock."""
    with (
        _outages_as_busy(engine),
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        yield connection


@contextmanager
def _outages_as_busy(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        outages = {"OperationalError", "DiskFull", "AdminShutdown"}
        if error.connection_invalidated or type(error.orig).__name__ in outages:
            raise _busy(engine, error) from error
        raise


def _busy(engine: Engine, error: Exception) -> DatabaseBusy:
    where = engine.url.render_as_string(hide_password=True)
    why = str(getattr(error, "orig", error)).strip().splitlines()[0]
    return DatabaseBusy(
        f"{where}: {why}. No job was started. Check the database, then run the same command again."
    )


def fetch_all(engine: Engine, query: Executable) -> Sequence[AnyRow]:
    """Return all rows of a query."""
    with read_connection(engine) as connection:
        return connection.execute(query).all()


def execute(engine: Engine, *statements: Executable) -> int:
    """Run statements in one transaction; return the number of rows the last one changed."""
    changed = 0
    with write_transaction(engine) as connection:
        for statement in statements:
            changed = connection.execute(statement).rowcount
    return changed


def find_by_prefix(engine: Engine, kind: str, column: Column[Any], prefix: str) -> AnyRow:
    """Return the row whose id is *prefix*, or the only row whose id begins with it.

    Raises:
        UsageError: no row matches, or several do.
    """
    query = select(column.table).where(column.startswith(prefix, autoescape=True))
    matches = fetch_all(engine, query.order_by(column).limit(MAX_MATCHES))
    rows = [row for row in matches if row._mapping[column] == prefix] or matches
    if len(rows) != 1:
        known = rows or fetch_all(engine, select(column).limit(MAX_MATCHES))
        names = [row._mapping[column] for row in known]
        if kind == "plan":
            names = [name[:SHORT_ID] for name in names]
        problem = f"prefix matches several {kind}s." if rows else f"{kind} not found."
        raise UsageError(f"{kind} {prefix}", problem, did_you_mean(prefix, names).strip())
    return rows[0]
