"""Twelve small generated datasets: our advice compared with trainjudge."""
