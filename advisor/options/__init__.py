"""Resolved scenario and price book -> the options considered, and those ruled out."""
