"""The embedded database: one SQLite file in the home folder, with the version of its schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import platformdirs

SCHEMA_VERSION = 1


def home_folder() -> Path:
    """Return the home folder, made if it is not there."""
    named = os.environ.get("TUNE_OR_NOT_HOME")
    folder = Path(named) if named else Path(platformdirs.user_data_dir("tune-or-not"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_database(path: Path | None = None) -> sqlite3.Connection:
    """Open the database, write-ahead and synchronous, and bring its schema up.

    Args:
        path: The file; `state.db` in the home folder by default.
    """
    connection = sqlite3.connect(path or home_folder() / "state.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    return connection
