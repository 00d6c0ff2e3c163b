"""The scenario: what a user wants and what is known about it."""
