"""Pilot: every way of answering, measured on the user's own held-out rows, under a cap."""
