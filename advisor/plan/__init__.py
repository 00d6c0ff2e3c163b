"""Recommended option -> training plan."""
