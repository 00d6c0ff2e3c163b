"""Formulas for memory, training time and serving speed on GPUs."""
