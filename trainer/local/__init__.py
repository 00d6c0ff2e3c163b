"""Training on this machine: a folder for each run, a process of its own, and what became of it."""
