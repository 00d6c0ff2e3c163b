"""Benchmarks: accuracy of predictions and answers, run times and memory, each with a baseline."""
