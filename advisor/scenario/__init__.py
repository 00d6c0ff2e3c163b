"""Mapping from a file, a request or flags -> Scenario."""
