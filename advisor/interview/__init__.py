"""Questions that fill in a scenario step by step."""
