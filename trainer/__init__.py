"""Turns a plan into a tuned model."""
