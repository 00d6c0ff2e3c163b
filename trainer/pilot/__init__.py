"""Pilot: a small paid measurement of approaches on held-out rows, under a cap."""
