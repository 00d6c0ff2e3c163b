"""Answers -> pictures: what to draw, the rows behind it, and the same in words."""
