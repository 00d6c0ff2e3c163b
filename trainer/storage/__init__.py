"""Database, ledger, run store, model registry and stored files."""
