"""Dataset file -> rows, token counts and a profile."""
