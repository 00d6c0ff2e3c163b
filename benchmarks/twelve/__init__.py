"""Twelve small datasets made by the project, put through our advice and through trainjudge."""
