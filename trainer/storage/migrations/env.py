"""Environment of the alembic command line; the product migrates when it opens the database."""

from __future__ import annotations

from alembic import context

from trainer.storage.database import open_database

with open_database().begin() as connection:
    context.configure(connection=connection)
    context.run_migrations()
