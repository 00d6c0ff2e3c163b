"""Fixtures of the tests of pilots: a chat model on loopback, and a ledger."""

from __future__ import annotations

from tests.support.pilots import fake_model, harness

__all__ = ["fake_model", "harness"]
