"""Evaluation of answers: metrics, baselines, splits, statistics and the verdict; no torch."""
