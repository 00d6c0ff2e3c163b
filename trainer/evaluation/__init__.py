"""Rows of a person and answers of models -> which is better, said with numbers; no torch."""
