"""One engine for the whole product: SQLite in the home folder, or what DATABASE_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from trainer.errors import DatabaseBusy
from trainer.home import home_folder

BUSY_SECONDS = 30
MIGRATIONS = Path(__file__).parent / "migrations"


def database_url() -> str:
    """Return where the database is."""
    named = os.environ.get("DATABASE_URL")
    if not named:
        return f"sqlite:///{home_folder() / 'state.db'}"
    for short in ("postgres://", "postgresql://"):
        if named.startswith(short):
            return "postgresql+psycopg://" + named.removeprefix(short)
    return named


def open_database(url: str | None = None) -> Engine:
    """Open the database and bring its schema up.

    Raises:
        DatabaseBusy: it cannot be opened, with the reason and no password.
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
        event.listen(engine, "begin", _begin_at_once)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        raise _busy(engine, error) from error
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_at_once(connection: Connection) -> None:
    """Take the write lock first: a reader that becomes a writer would be refused at once."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; two processes at once do it once."""
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
    """Return the name of the newest migration that ran."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or "none"


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Give one transaction that is on disk once it is left.

    Raises:
        DatabaseBusy: locked, read-only or full; nothing was written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        if error.connection_invalidated or _is_outside(error):
            raise _busy(engine, error) from error
        raise


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """Give a connection that takes no lock."""
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    except DBAPIError as error:
        if error.connection_invalidated or _is_outside(error):
            raise _busy(engine, error) from error
        raise


def _is_outside(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in {"OperationalError", "DiskFull", "AdminShutdown"}


def _busy(engine: Engine, error: Exception) -> DatabaseBusy:
    where = engine.url.render_as_string(hide_password=True)
    why = str(getattr(error, "orig", error)).strip().splitlines()[0]
    return DatabaseBusy(f"{where}: {why}. Nothing was started; free the database and try again.")
